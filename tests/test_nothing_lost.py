"""No command writes over what it reads, or leaves less than there was; what is missing is found before the work."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from synthetic import write_run
from xlgen.backbones.base import BackboneError
from xlgen.backbones.loading import load
from xlgen.core.config import Recipe
from xlgen.core.outputs import replacing
from xlgen.core.registry import InputError
from xlgen.data.tasks import load_task
from xlgen.runs.checkpoints import checkpoints_of
from xlgen.scoring.run import score_files
from xlgen.training.run import train

ROWS = [
    {"id": "1", "language": "fr", "prediction": "Le navire a coulé hier soir.", "references": ["Le navire a coulé."]},
    {"id": "2", "language": "th", "prediction": "เรือจม", "references": ["เรือจม"]},
]


def write(path: Path, rows: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join((row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Two systems' outputs, files of references and inputs, and other names for them."""
    found = {
        "one": write(tmp_path / "one.jsonl", ROWS),
        "two": write(tmp_path / "two.jsonl", ROWS),
        "references": write(tmp_path / "references.txt", ["Le navire a coulé.", "เรือจม"]),
        "input": write(tmp_path / "input.txt", ["Un navire.", "เรือ"]),
        "plain": write(tmp_path / "plain.txt", ["Le navire a coulé.", "เรือจม"]),
        "within": write(tmp_path / "outputs" / "fr.jsonl", ROWS[:1]),
    }
    for name in ("one", "references"):
        os.link(found[name], tmp_path / f"hard-{name}")
        (tmp_path / f"soft-{name}").symlink_to(found[name])
        found |= {f"{kind}-{name}": tmp_path / f"{kind}-{name}" for kind in ("hard", "soft")}
    return found


SCORE = {
    "the file": (("{one}",), "{one}"),
    "a hard link to it": (("{one}",), "{hard-one}"),
    "a link to it": (("{one}",), "{soft-one}"),
    "the other system": (("{one}", "--compare", "{two}"), "{two}"),
    "the references": (("{plain}", "--language", "fr", "--references", "{references}"), "{hard-references}"),
    "the inputs": (("{plain}", "--language", "fr", "--input", "{input}"), "{input}"),
    "the language identifier": (("{one}", "--lid", "{plain}"), "{plain}"),
    "a file of the folder": (("{folder}",), "{within}"),
    "a new file in the folder": (("{folder}",), "{folder}/labels.jsonl"),
}


@pytest.mark.parametrize("case", SCORE)
def test_labels_never_take_the_place_of_what_is_scored(
    case: str, files: dict[str, Path], refused: Callable[..., str]
) -> None:
    names = {**files, "folder": files["within"].parent}
    words, target = ([text.format(**names) for text in SCORE[case][0]], SCORE[case][1].format(**names))
    before = {path: path.read_bytes() for path in files.values()}
    assert "choose another `faults`" in refused("score", *words, "--faults", target)
    assert {path: path.read_bytes() for path in files.values()} == before
    assert not (files["within"].parent / "labels.jsonl").exists()


@pytest.mark.exhaustive
def test_older_labels_stay_until_the_new_ones_are_whole(tmp_path: Path) -> None:
    labels = write(tmp_path / "labels.jsonl", ["older"])
    labels.chmod(0o640)
    (tmp_path / "link.jsonl").symlink_to(labels)
    bad = write(tmp_path / "bad.jsonl", [*ROWS * 600, "{"])
    for target in (labels, tmp_path / "link.jsonl"):
        with pytest.raises(InputError, match="not valid JSON"):
            score_files([str(bad)], strict=True, faults=target, bootstrap=0)
        assert labels.read_text(encoding="utf-8") == "older\n"
    score_files([str(write(tmp_path / "one.jsonl", ROWS))], faults=tmp_path / "link.jsonl", bootstrap=0)
    assert (tmp_path / "link.jsonl").is_symlink() and labels.stat().st_mode & 0o777 == 0o640
    assert [json.loads(line)["id"] for line in labels.read_text(encoding="utf-8").splitlines()] == ["1", "2"]
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"labels.jsonl", "link.jsonl", "bad.jsonl", "one.jsonl"}


def test_what_a_kill_leaves_next_to_an_output_goes_with_the_next_one(tmp_path: Path) -> None:
    """That of a process that is there still is its own."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    ended, alive = (tmp_path / f"labels.jsonl.{process}.tmp" for process in (done.pid, os.getppid()))
    others = [tmp_path / "labels.jsonl.x.tmp", tmp_path / "labels.jsonl.tmp", tmp_path / "xlabels.jsonl.1.tmp"]
    for file in (ended, alive, *others):
        file.write_text("half", encoding="utf-8")
    with replacing(tmp_path / "labels.jsonl") as file:
        file.write("whole")
    assert {path.name for path in tmp_path.iterdir()} == {"labels.jsonl", alive.name, *(path.name for path in others)}


def test_labels_on_a_full_disk_name_the_file(tmp_path: Path) -> None:
    one = write(tmp_path / "one.jsonl", ROWS)
    with pytest.raises(InputError, match="cannot write /dev/full: No space left on device"):
        score_files([str(one)], faults=Path("/dev/full"), bootstrap=0)


def test_a_query_s_result_is_no_file_of_a_run(tmp_path: Path, refused: Callable[..., str]) -> None:
    write_run(tmp_path / "runs" / "a", strength=10)
    log = tmp_path / "runs" / "a" / "metrics.jsonl"
    before = log.read_bytes()
    said = refused("query", tmp_path, "select 1 as one", "--format", "jsonl", "--out", log)
    assert "is a file of the run a" in said and log.read_bytes() == before


TASK: dict[str, Any] = {
    "reader": {"name": "pocket", "size": 4},
    "languages": ["en", "th"],
    "source": "{document}",
    "target": "title",
    "max_source_tokens": 64,
    "max_target_tokens": 48,
    "metrics": ["rougeL"],
    "main_metric": "rougeL",
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "document"}, "source 'document' has no field"),
        ({"source": "Summarize: articel"}, "has no field"),
        ({"source": "{ document }"}, "'{ document }' in source is not a field"),
        ({"source": "{document} {question text}"}, "'{question text}' in source is not a field"),
        ({"source": "{document.text}"}, "'{document.text}' in source is not a field"),
        ({"source": "{document"}, "'{document' in source is not a field"),
        ({"source": "document} {title}"}, "in source is not a field"),
        ({"target": "Title: { title }"}, "'{ title }' in target is not a field"),
        (
            {"kind": "classification", "labels": ["a", "b"], "source_pair": "title", "metrics": ["accuracy"]},
            "source_pair 'title' has no field",
        ),
    ],
)
def test_a_slip_in_a_template(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "task.yaml"
    main_metric = (changes.get("metrics") or TASK["metrics"])[0]
    path.write_text(yaml.safe_dump({**TASK, "main_metric": main_metric, **changes}), encoding="utf-8")
    with pytest.raises(InputError) as error:
        load_task(str(path), tmp_path)
    assert message in str(error.value) and str(path) in str(error.value)


def recipe(task: dict[str, Any], backbone: Path, folder: Path, **training: Any) -> Recipe:
    (folder / "task.yaml").write_text(yaml.safe_dump(task), encoding="utf-8")
    evaluation = {"every": None, "examples": 1, "bootstrap": 0, "max_new_tokens": 2}
    settings = {"steps": 1, "warmup_steps": 0, "batch_tokens": 300, **training}
    config = {"name": "r", "backbone": str(backbone), "task": str(folder / "task.yaml"), "evaluation": evaluation}
    return Recipe.model_validate({**config, "training": settings})


def test_what_a_metric_loads_is_missed_before_training(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    pytest.importorskip("bert_score")
    absent = {"name": "bertscore", "model": str(tmp_path / "absent"), "num_layers": 2}
    asked = recipe({**TASK, "metrics": ["rougeL", absent]}, checkpoint("mt5"), tmp_path)
    with pytest.raises(InputError, match="bertscore cannot load"):
        train(asked, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_plateau_of_a_value_that_no_evaluation_gives(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    asked = recipe(TASK, checkpoint("mt5"), tmp_path, plateau={"metric": "rouge_l"})
    with pytest.raises(InputError, match="'rouge_l', which evaluations do not report: did you mean 'rougeL'"):
        train(asked, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["mt5", "mbart", "nllb", "bert", "xlm-roberta"])
def test_a_checkpoint_without_its_vocabulary_answers_nothing(
    name: str, checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    """The library would make a tokenizer of special tokens alone, and every prediction would be empty."""
    folder = tmp_path / "copy"
    shutil.copytree(checkpoint(name), folder)
    load(str(folder), encoder_only=True)
    for file in ("tokenizer.json", "vocab.txt", "spiece.model", "sentencepiece.bpe.model"):
        (folder / file).unlink(missing_ok=True)
    refusals = r"copy has no file of its tokenizer's vocabulary|the tokenizer of .* cannot be loaded"
    with pytest.raises(BackboneError, match=refusals):
        load(str(folder), encoder_only=True)


def test_predict_says_so(checkpoint: Callable[[str], Path], tmp_path: Path, refused: Callable[..., str]) -> None:
    train(recipe(TASK, checkpoint("mt5"), tmp_path), tmp_path / "run")
    (newest,) = checkpoints_of(tmp_path / "run")
    (newest / "tokenizer.json").unlink()
    write(tmp_path / "in.jsonl", [{"document": "It rains."}])
    words = ("--language", "th", "--input", tmp_path / "in.jsonl", "--output", tmp_path / "out.jsonl")
    assert "tokenizer's vocabulary" in refused("predict", tmp_path / "run", *words)
    assert not (tmp_path / "out.jsonl").exists()


def test_older_labels_stay_where_the_comparison_fails(tmp_path: Path) -> None:
    outputs, labels = write(tmp_path / "a.jsonl", ROWS), write(tmp_path / "labels.jsonl", ["old"])
    for other in (tmp_path / "none.jsonl", write(tmp_path / "bad.jsonl", ["{"])):
        with pytest.raises(InputError):
            score_files([str(outputs), str(other)], metrics=["rougeL"], faults=labels)
        assert labels.read_text(encoding="utf-8") == "old\n"
    score_files([str(outputs)], metrics=["rougeL"], faults=labels)
    written = [json.loads(line) for line in labels.read_text(encoding="utf-8").splitlines()]
    assert [row["id"] for row in written] == ["1", "2"], "the older labels are replaced when all goes well"


def test_an_id_with_half_a_surrogate_pair_is_written(tmp_path: Path) -> None:
    row = '{"id": "\\ud800", "language": "fr", "prediction": "un chat", "references": ["un chat"]}'
    labels = tmp_path / "labels.jsonl"
    score_files([str(write(tmp_path / "a.jsonl", [row]))], metrics=["rougeL"], faults=labels)
    assert json.loads(labels.read_text(encoding="utf-8"))["id"] == "\ufffd"


@pytest.mark.parametrize("name", ["metrics.jsonl", "recipe.yaml", "checkpoints/step-600/model.safetensors"])
def test_no_output_takes_the_place_of_a_file_of_a_run(name: str, tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    place = tmp_path / "run" / "checkpoints" / "step-600"
    place.mkdir(parents=True)
    (place / "checkpoint.json").write_text("{}", encoding="utf-8")
    outputs = write(tmp_path / "a.jsonl", ROWS)
    with pytest.raises(InputError, match="choose another `faults`"):
        score_files([str(outputs)], metrics=["rougeL"], faults=tmp_path / "run" / name)


@pytest.mark.parametrize(
    "adaptation",
    [
        {"method": "adapters", "bottleneck_dim": 10**9},
        {"method": "lora", "rank": 10**9},
        {"method": "prompt", "num_virtual_tokens": 10**9},
        {"method": "madx", "task_bottleneck_dim": 10**9},
    ],
)
def test_sizes_that_no_machine_holds_are_refused(adaptation: dict[str, Any]) -> None:
    from xlgen.adaptation.base import methods

    with pytest.raises(InputError, match="less than or equal"):
        methods.build(adaptation)
