"""``xlgen predict`` and ``xlgen evaluate`` on a checkpoint: rows in order, samples, precision, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from typer.testing import CliRunner

from xlgen.adaptation import checkpoints as store
from xlgen.adaptation.base import methods
from xlgen.backbones import loading
from xlgen.cli import app
from xlgen.core.config import Evaluation, Recipe, validate
from xlgen.core.registry import InputError
from xlgen.evaluation.checkpoint_inference import evaluate_checkpoint, predict_file
from xlgen.evaluation.export.run import export
from xlgen.training.run import train

TEXTS = ["สวัสดีชาวโลก", "नमस्ते दुनिया", "مرحبا بالعالم"] * 100  # more than are written together


@pytest.fixture
def trained(tmp_path: Path, checkpoint: Callable[[str], Path]) -> Path:
    name, config = str(checkpoint("mt5")), {"method": "lora"}
    backbone, method = loading.load(name), methods.build(config)
    method.prepare(backbone)
    folder = tmp_path / "run" / "checkpoints" / "step-1"
    store.save_checkpoint(folder, backbone, method, store.About(1, name, config, "pocket-summaries", "."))
    return folder


@pytest.fixture
def predicted(trained: Path, tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """The rows that the command writes, with some options."""
    asked, written = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    lines = [json.dumps({"id": f"{number}", "input": text}) for number, text in enumerate(TEXTS)]
    asked.write_text("\n".join(lines), encoding="utf-8")

    def run(*options: str) -> list[dict[str, Any]]:
        words = ["predict", str(trained), "--language", "th", "--input", str(asked), "--output", str(written), *options]
        done = CliRunner().invoke(app, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return [json.loads(line) for line in written.read_text(encoding="utf-8").splitlines()]

    return run


def test_one_row_for_each_in_order(predicted: Callable[..., list[dict[str, Any]]]) -> None:
    rows = predicted()
    assert [row["input"] for row in rows] == TEXTS
    assert len({row["prediction"] for row in rows}) <= 3


@pytest.mark.spread(2)
@pytest.mark.parametrize("value", ["5", "null", '["a"]', '{"text": "a"}', "true"])
def test_an_input_that_is_no_text_is_named(trained: Path, tmp_path: Path, value: str) -> None:
    (tmp_path / "in.jsonl").write_text(f'{{"input": "x"}}\n{{"input": {value}}}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"in\.jsonl, line 2: input must be text"):
        predict_file(trained, "th", str(tmp_path / "in.jsonl"), str(tmp_path / "out.jsonl"))


@pytest.mark.spread(2)
@pytest.mark.parametrize("value", ["5.5", "true", '["a"]', "{}"])
def test_an_id_that_is_no_name_is_refused(trained: Path, tmp_path: Path, value: str) -> None:
    (tmp_path / "in.jsonl").write_text(f'{{"input": "x", "id": {value}}}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"in\.jsonl, line 1: id must be text or a whole number"):
        predict_file(trained, "th", str(tmp_path / "in.jsonl"), str(tmp_path / "out.jsonl"))


def test_the_input_is_not_written_over(trained: Path, tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text('{"input": "สวัสดีชาวโลก"}\n', encoding="utf-8")
    (tmp_path / "other.jsonl").symlink_to(file)
    for target in (file, tmp_path / "other.jsonl"):
        with pytest.raises(InputError, match="is also the input"):
            predict_file(trained, "th", str(file), str(target))
    assert "สวัสดีชาวโลก" in file.read_text(encoding="utf-8")


@pytest.mark.exhaustive
def test_a_sample_depends_on_its_input_and_the_seed_alone(predicted: Callable[..., list[dict[str, Any]]]) -> None:
    first, other = predicted("--sample", "{seed: 1}"), predicted("--sample", "{seed: 2}")
    texts = [row["prediction"] for row in first]
    # The same three inputs a hundred times, in two pieces of the file.
    assert texts == texts[:3] * 100
    assert texts[:3] != [row["prediction"] for row in other][:3]


@pytest.mark.exhaustive
def test_bf16_is_asked_for_by_an_option(
    predicted: Callable[..., list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[torch.dtype] = []
    whole = store.load_checkpoint

    def load(*arguments: Any) -> Any:
        found = whole(*arguments)
        loaded.append(found[0].model.get_input_embeddings().weight.dtype)
        return found

    monkeypatch.setattr(store, "load_checkpoint", load)
    assert len(predicted("--precision", "bf16")) == len(TEXTS)
    assert loaded == [torch.bfloat16]


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        ("predict", ["--sample", "{top_p: 0}"], "top_p"),
        ("predict", ["--sample", "{heat: 1}"], "heat"),
        ("predict", ["--sample", "hot"], "--sample"),
        ("predict", ["--precision", "fp8"], "precision"),
        ("evaluate", ["--precision", "fp8"], "precision"),
    ],
)
def test_what_is_refused(trained: Path, tmp_path: Path, command: str, options: list[str], message: str) -> None:
    (tmp_path / "in.jsonl").write_text('{"input": "x"}\n')
    own = ["--language", "th", "--input", str(tmp_path / "in.jsonl")] if command == "predict" else []
    with pytest.raises(InputError, match=message):
        CliRunner().invoke(app, [command, str(trained), *own, *options], catch_exceptions=False)


@pytest.fixture
def own_task(checkpoint: Callable[[str], Path], tmp_path: Path) -> Path:
    """A run on a task file of its own; the file is ``tmp_path/task.yaml``."""
    rows = "".join(json.dumps({"text": text, "title": "titre"}) + "\n" for text in ("Il pleut.", "Il neige."))
    for split in ("train", "test"):
        (tmp_path / f"{split}.fr.jsonl").write_text(rows, encoding="utf-8")
    task = {
        "reader": {"name": "jsonl", "path": "{split}.{language}.jsonl"},
        "languages": ["fr"],
        "source": "résumé : {text}",
        "target": "title",
        "metrics": ["rougeL"],
        "main_metric": "rougeL",
        "splits": {"validation": "test"},
    }
    (tmp_path / "task.yaml").write_text(yaml.safe_dump(task), encoding="utf-8")
    stage = {
        "task": str(tmp_path / "task.yaml"),
        "source_languages": ["fr"],
        "training": {"steps": 2, "save_every": 1},
        "evaluation": {"bootstrap": 0, "max_new_tokens": 3},
    }
    fields = {"name": "r", "backbone": str(checkpoint("mbart")), "data_dir": str(tmp_path), "stages": [stage]}
    train(validate(Recipe, fields, "here"), tmp_path / "run")
    return tmp_path / "run"


def _inputs(run: Path, tmp_path: Path) -> list[str]:
    """What the checkpoint reads: by predict, and by evaluate."""
    (tmp_path / "in.jsonl").write_text('{"text": "Il pleut."}\n', encoding="utf-8")
    predict_file(run, "fr", str(tmp_path / "in.jsonl"), str(tmp_path / "out.jsonl"))
    _, folder = evaluate_checkpoint(run, Evaluation(split="test", max_new_tokens=3, bootstrap=0))
    files = (tmp_path / "out.jsonl", folder / "predictions" / "fr.jsonl")
    return [json.loads(file.read_text(encoding="utf-8").splitlines()[0])["input"] for file in files]


@pytest.mark.exhaustive
def test_a_checkpoint_needs_no_task_file(own_task: Path, tmp_path: Path) -> None:
    (tmp_path / "task.yaml").unlink()
    assert _inputs(own_task, tmp_path) == ["résumé : Il pleut."] * 2
    assert export(own_task, "transformers", tmp_path / "exported", examples=2).compared == 2


def test_an_edited_task_is_not_used_on_old_weights(
    own_task: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "task.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("{text}", "{text} {text}"), encoding="utf-8")
    assert _inputs(own_task, tmp_path) == ["résumé : Il pleut."] * 2
    assert "has changed since" in caplog.text and "own task is used" in caplog.text


def test_a_run_is_not_resumed_on_another_task(own_task: Path, tmp_path: Path) -> None:
    recipe = validate(Recipe, yaml.safe_load((own_task / "recipe.yaml").read_text(encoding="utf-8"))["recipe"], "here")
    other = tmp_path / "other"
    train(recipe, other, until=1)
    file, whole = tmp_path / "task.yaml", (tmp_path / "task.yaml").read_text(encoding="utf-8")
    file.write_text(whole.replace("{text}", "{text} {text}"), encoding="utf-8")
    with pytest.raises(InputError, match=r"has changed since .*step-1 was trained \(source\)"):
        train(recipe, other, resume=True)
    file.write_text(whole.replace("rougeL", "rouge1"), encoding="utf-8")  # how it is judged may change
    train(recipe, other, resume=True)


def test_a_checkpoint_of_an_earlier_version_reads_its_task_file(own_task: Path, tmp_path: Path) -> None:
    for about in own_task.glob("checkpoints/*/checkpoint.json"):
        fields = json.loads(about.read_text(encoding="utf-8"))
        del fields["task_config"]
        about.write_text(json.dumps(fields), encoding="utf-8")
    assert _inputs(own_task, tmp_path) == ["résumé : Il pleut."] * 2


@pytest.mark.spread(1)
@pytest.mark.parametrize(
    ("cleanup", "kept"), [("leftovers", "un deux trois un deux trois"), ("phrases", "un deux trois")]
)
def test_outputs_are_cleaned_as_the_recipe_says(
    checkpoint: Callable[[str], Path], tmp_path: Path, cleanup: str, kept: str
) -> None:
    """By predict and evaluate; an option of evaluate goes over it."""
    control = {"name": "labels", "labels": ["un deux trois un deux trois"]}
    evaluation = {"cleanup": cleanup, "control": control, "bootstrap": 0, "languages": ["fr"], "examples": 1}
    stage = {"task": "pocket-summaries", "training": {"steps": 1, "train_examples": 2}, "evaluation": evaluation}
    fields = {"name": "r", "backbone": str(checkpoint("mt5")), "stages": [stage]}
    train(validate(Recipe, fields, "here"), tmp_path / "run")
    (tmp_path / "in.jsonl").write_text('{"input": "Il pleut."}\n', encoding="utf-8")
    predict_file(tmp_path / "run", "fr", str(tmp_path / "in.jsonl"), str(tmp_path / "out.jsonl"), control=control)
    assert json.loads((tmp_path / "out.jsonl").read_text(encoding="utf-8"))["prediction"] == kept
    shared = {"split": "test", "control": control, "bootstrap": 0, "languages": ("fr",), "examples": 1}
    for own, wanted in (({}, kept), ({"cleanup": "leftovers"}, "un deux trois un deux trois")):
        _, folder = evaluate_checkpoint(tmp_path / "run", Evaluation(**shared, **own), out=tmp_path / f"{own}")
        line = (folder / "predictions" / "fr.jsonl").read_text(encoding="utf-8").splitlines()[0]
        assert json.loads(line)["prediction"] == wanted


def _evaluate(run: Path, **options: Any) -> Path:
    asked = {"split": "test", "examples": None, "max_new_tokens": 3, "bootstrap": 0, **options}
    return evaluate_checkpoint(run, Evaluation(**asked))[1]


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.exhaustive
def test_each_way_of_evaluating_has_a_folder_of_its_own(own_task: Path, tmp_path: Path) -> None:
    """Other beams, languages or shares neither mix with results that are there nor take their place."""
    asked: list[dict[str, Any]] = [
        {},
        {"num_beams": 2},
        {"examples": 1},
        {"control": {"name": "retry"}},
        {"languages": ("fr",)},
        {"length_penalty": 1.0},
    ]
    folders = [_evaluate(own_task, **options) for options in asked]
    folders.append(evaluate_checkpoint(own_task, Evaluation(split="test", bootstrap=0), shares=[0.5])[1])
    assert len(set(folders)) == len(folders)
    before = [_contents(folder) for folder in folders]
    assert all("summary.json" in found and "settings.json" in found for found in before)
    assert [_evaluate(own_task, **options) for options in asked] == folders[:-1], "the same ones go where they were"
    assert [_contents(folder) for folder in folders] == before
    assert "beams-2" in folders[1].name and "+fr" not in folders[1].name and "fr" in folders[4].name
    moved = tmp_path / "moved"
    own_task.rename(moved)
    assert _evaluate(moved, num_beams=2).name == folders[1].name


def test_a_folder_that_is_named_holds_one_evaluation(own_task: Path, tmp_path: Path) -> None:
    out = tmp_path / "evaluation"
    one, other = Evaluation(split="test", max_new_tokens=3, bootstrap=0), Evaluation(split="test", bootstrap=0)
    evaluate_checkpoint(own_task, one, out=out)
    before = _contents(out)
    with pytest.raises(InputError, match=r"another evaluation \(its evaluation.max_new_tokens is 3, not None\)"):
        evaluate_checkpoint(own_task, other, out=out)
    assert _contents(out) == before
    evaluate_checkpoint(own_task, one, out=out)
    assert _contents(out) == before
    for place in (own_task, tmp_path / "task.yaml"):
        with pytest.raises(InputError, match="contains no evaluation of this version"):
            evaluate_checkpoint(own_task, one, out=place)


def test_the_folder_is_looked_at_before_anything_is_generated(own_task: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "load_checkpoint", lambda *_: pytest.fail("the model was loaded"))
        with pytest.raises(InputError, match="choose another `out`"):
            evaluate_checkpoint(own_task, Evaluation(split="test"), out=tmp_path / "file" / "below")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


@pytest.mark.exhaustive
def test_an_evaluation_of_an_earlier_version_is_left_alone(own_task: Path) -> None:
    folder = _evaluate(own_task)
    (folder / "settings.json").unlink()
    before = _contents(folder)
    assert _evaluate(own_task) != folder
    assert _contents(folder) == before
