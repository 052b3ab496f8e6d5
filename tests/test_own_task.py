"""The task of the tutorial runs as it is written there, on a small checkpoint instead of google/mt5-small."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from xlgen.cli import app

PAGE = (Path(__file__).resolve().parents[1] / "docs/tutorials/own-task.md").read_text(encoding="utf-8")
STEPS = PAGE.split("## Train, evaluate, predict and export")[1].split("\n## ")[0]
# What makes it small: the same keys with other values.
SMALL = ("training.steps=2", "training.warmup_steps=1", "evaluation.every=2")
TEXTS = {"en": "The mayor opened a school.", "fr": "Le maire a ouvert une école.", "th": "นายกเทศมนตรีเปิดโรงเรียน"}


@pytest.fixture
def place(checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the tutorial's two files and the data that they name."""
    task, run = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "headlines.yaml").write_text(task, encoding="utf-8")
    recipe = yaml.safe_load(run) | {"backbone": str(checkpoint("mt5"))}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    # The files that the text names, and no others.
    named = re.findall(r"`(\w+)\.(\w+)\.jsonl`", PAGE.split("```")[0])
    assert ("train", "en") in named and len(named) == 4
    for split, code in named:
        rows = [{"article": TEXTS[code], "headline": TEXTS[code][:8]}] * 3
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (tmp_path / f"{split}.{code}.jsonl").write_text(text, encoding="utf-8")
    (tmp_path / "articles.jsonl").write_text(json.dumps({"article": TEXTS["th"]}), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_first_task_trains_predicts_and_exports(place: Path) -> None:
    (block,) = re.findall(r"```sh\n(.*?)```", STEPS, re.DOTALL)
    commands = [shlex.split(line, comments=True)[1:] for line in block.splitlines() if line.strip()]
    assert [words[0] for words in commands] == ["train", "train", "train", "evaluate", "predict", "export"]
    for words in commands:
        if "--auto" in words:  # searches for minutes; tests/experiments/test_auto.py has it
            continue
        small = SMALL if words[0] == "train" else ()
        done = CliRunner().invoke(app, [*words, *small], catch_exceptions=False)
        assert done.exit_code == 0, f"{words}: {done.output}"
    (row,) = (place / "headlines.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(row)["language"] == "th"
    assert (place / "exported" / "xlgen_adapted.py").is_file()
