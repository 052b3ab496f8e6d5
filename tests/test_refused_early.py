"""What is wrong with a recipe or an option is said before PyTorch is imported, which takes seconds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

RECIPE = {"backbone": "pocket-mt5", "task": "pocket-summaries", "source_languages": ["en"], "training": {"steps": 2}}
HEAVY = ("torch", "transformers", "datasets", "numba", "matplotlib", "accelerate")
SCRIPT = f"""
import sys
from xlgen.cli import main
try:
    main()
finally:
    print("imported:", *(name for name in {HEAVY} if name in sys.modules))
"""
CASES = [
    ("train recipe.yaml training.stepz=3 --out out", "unknown key 'training.stepz': did you mean 'steps'?"),
    ("train recipe.yaml training.stepz=3 --out out --auto", "unknown key 'training.stepz'"),
    ("train recipe.yaml training.stepz=3 --out out --smoke", "unknown key 'training.stepz'"),
    ("train recipe.yaml training.stepz=3 --out out --resume", "unknown key 'training.stepz'"),
    ("study study.yaml training.stepz=3 --out out", "unknown key 'training.stepz'"),
    ("study study.yaml training.stepz=3 --out out --dry-run", "unknown key 'training.stepz'"),
    ("study study.yaml training.stepz=3 --out out --smoke", "unknown key 'training.stepz'"),
    ("study wrong.yaml --out out", "unknown key 'run'"),
    ("study c-table-1 training.stepz=3 --out out", "unknown key 'training.stepz'"),
    ("train recipe.yaml training.steps=many --out out", "training.steps"),
    ("train study.yaml --out out", "study.yaml is a study; run it with `xlgen study`"),
    ("study recipe.yaml --out out", "recipe.yaml is a recipe of one run; run it with `xlgen train`"),
    ("train recipee --out out", "no recipe 'recipee'"),
    ("train recipe.yaml task=pocket-titels --out out", "no task 'pocket-titels'"),
    ("train recipe.yaml task=pocket-titels --out out --auto", "no task 'pocket-titels'"),
    ("train recipe.yaml task=task.yaml --out out", "unknown key 'langauges'"),
    ("train recipe.yaml source_languages=[xx] --out out", "unknown language 'xx'"),
    ("train recipe.yaml source_languages=[ko] --out out", "pocket-summaries"),
    ("train recipe.yaml --out out --hours 1", "--hours has no effect without --auto"),
    ("evaluate pocket-mt5 --task pocket-titles --precision fp8", "precision"),
    ("evaluate pocket-mt5 --task pocket-titles --interpolate a", "--interpolate takes comma-separated numbers"),
    ("predict pocket-mt5 --language fr --input in.jsonl --sample {temprature:1}", "--sample"),
    ("tokenizer corpus.yaml --family mt5 --out out", "corpus.yaml"),
]


@pytest.mark.spread(4)
@pytest.mark.parametrize(("line", "message"), CASES, ids=[line for line, _ in CASES])
def test_it_is_refused_before_pytorch_is_imported(line: str, message: str, tmp_path: Path) -> None:
    files = {
        "recipe": RECIPE,
        "study": {"base": RECIPE, "runs": {"one": {}}},
        "wrong": {"base": RECIPE, "run": {"one": {}}},
        "task": {"reader": "pocket", "langauges": ["en"]},
    }
    for name, content in files.items():
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *line.split()], cwd=tmp_path, env=os.environ, capture_output=True, text=True
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert message in " ".join(done.stderr.split())
    assert done.stdout.strip() == "imported:"
    assert not (tmp_path / "out").exists()
