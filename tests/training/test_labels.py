"""Tasks with labels work like all others: recipe, run folder, resume, scores, checkpoints."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from sklearn.metrics import ndcg_score

from encoders import SENTENCES, tags_of
from xlgen.adaptation.checkpoints import load_checkpoint
from xlgen.analysis.open_model import read_weights, represent
from xlgen.backbones import loading
from xlgen.backbones.heads import HeadSpec
from xlgen.core.config import ParallelText, Recipe, validate
from xlgen.core.registry import InputError
from xlgen.data.tasks import load_task
from xlgen.evaluation.evaluate import evaluate
from xlgen.evaluation.predictor import predictor_of
from xlgen.training.run import check, train

LABELS = ["NOUN", "VERB", "PUNCT"]
TAGGING = {
    "reader": {"name": "jsonl", "path": "{language}.jsonl", "same_file_for_all_splits": True},
    "languages": ["en", "th", "ja"],
    "kind": "tagging",
    "labels": LABELS,
    "source": "{tokens:words}",
    "target": "tags",
    "max_source_tokens": 64,
    "metrics": ["word_accuracy", "span_f1"],
    "main_metric": "word_accuracy",
}
CLASSES = {
    **TAGGING,
    "kind": "classification",
    "labels": ["odd", "even"],
    "source": "{text}",
    "target": "class",
    "metrics": ["accuracy", "macro_f1"],
    "main_metric": "accuracy",
}
TEXT = [{"objective": {"name": "span_corruption"}, "corpus": {"reader": "pocket", "size": 8}, "rate": 0.5}]
TEXT_ALONE = [{**TEXT[0], "rate": 1.0}]
Make = Callable[..., Recipe]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A sentence a length, in three languages."""
    for code in ("en", "th", "ja"):
        rows = []
        for count in range(1, len(SENTENCES[code]) + 1):
            words = SENTENCES[code][:count]
            row = {"id": str(count), "tokens": words, "tags": tags_of(words), "text": " ".join(words), "some": ["NOUN"]}
            row |= {"class": "even" if count % 2 == 0 else "odd", "grade": str(count % 3)}
            rows.append({**row, "query": words[0] if count < 4 else f"{words[0]} ?"})
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (tmp_path / f"{code}.jsonl").write_text(lines, encoding="utf-8")
    return tmp_path


@pytest.fixture
def recipe(data: Path, checkpoint: Callable[[str], Path]) -> Make:
    def make(task: dict[str, Any], backbone: str = "bert", method: Any = "full", **training: Any) -> Recipe:
        (data / "task.yaml").write_text(yaml.safe_dump(task), encoding="utf-8")
        settings = {"steps": 6, "learning_rate": 3e-3, "warmup_steps": 0, "optimizer": "adamw", "dropout": 0.0}
        stage = {
            "task": str(data / "task.yaml"),
            "adaptation": method,
            "training": {**settings, **training},
            "evaluation": {"every": 3, "split": "test", "bootstrap": 0},
        }
        whole = {"name": "r", "backbone": str(checkpoint(backbone)), "data_dir": str(data), "stages": [stage]}
        return validate(Recipe, whole, "here")

    return make


def events(folder: Path, kind: str) -> list[dict[str, Any]]:
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row["event"] == kind]


@pytest.mark.spread(2)
@pytest.mark.parametrize("task", [TAGGING, CLASSES], ids=["tagging", "classification"])
@pytest.mark.parametrize("backbone", ["bert", "xlm-roberta", "mt5", "mbart", "nllb"])
def test_a_run_of_labels(recipe: Make, task: dict[str, Any], backbone: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(recipe(task, backbone), out)
    losses = [row["loss"] for row in events(out, "step")]
    assert losses[-1] < losses[0]
    figures = {(row["step"], row["language"], row["metric"]) for row in events(out, "figure")}
    assert figures == {(step, code, m) for step in (3, 6) for code in task["languages"] for m in task["metrics"]}
    rows = [json.loads(line) for line in (out / "predictions/step-6/ja.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == len(SENTENCES["ja"])
    for count, row in enumerate(rows, start=1):
        labels = row["prediction"].split()
        assert set(labels) <= set(task["labels"])
        assert len(labels) == (count if task is TAGGING else 1)
    assert rows[-1]["references"] == ([" ".join(tags_of(SENTENCES["ja"]))] if task is TAGGING else ["odd"])


@pytest.mark.parametrize("backbone", ["bert", "xlm-roberta", "nllb"])
def test_a_run_that_ranks_pairs(recipe: Make, backbone: str, tmp_path: Path) -> None:
    """The score equals that of scikit-learn on the written predictions of each query."""
    task = {
        **CLASSES,
        "kind": "ranking",
        "labels": ["0", "1", "2"],
        "group": "query",
        "source": "{query}",
        "source_pair": "{text}",
        "target": "grade",
        "metrics": ["xglue_ndcg", "accuracy"],
        "main_metric": "xglue_ndcg",
    }
    train(recipe(task, backbone), tmp_path / "run")
    figures = {row["language"]: row for row in events(tmp_path / "run", "figure") if row["metric"] == "xglue_ndcg"}
    for code in ("en", "th", "ja"):
        lines = (tmp_path / f"run/predictions/step-6/{code}.jsonl").read_text("utf-8").splitlines()
        queries: dict[str, list[tuple[int, int]]] = {}
        for row in map(json.loads, lines):
            assert row["input"].startswith(row["group"] + "\n")
            queries.setdefault(row["group"], []).append((int(row["prediction"]), int(row["references"][0])))
        several = [rows for rows in queries.values() if len(rows) > 1]
        expected = [ndcg_score([[b for _, b in rows]], [[a for a, _ in rows]]) for rows in several]
        assert figures[code]["value"] == pytest.approx(100 * np.mean(expected))
        assert figures[code]["n"] == len(several) == 2


@pytest.mark.spread(1)
@pytest.mark.parametrize("method", ["full", {"method": "adapters", "bottleneck_dim": 4}, {"method": "lora", "rank": 2}])
def test_a_checkpoint_predicts_the_labels_of_the_run(recipe: Make, method: Any, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(recipe(TAGGING, "xlm-roberta", method), out)
    backbone, how, about = load_checkpoint(out / "checkpoints" / "step-6")
    assert about.head == {"kind": "tagging", "labels": LABELS}
    task = load_task(str(data / "task.yaml"), data)
    stage = recipe(TAGGING, "xlm-roberta", method).stages[0]
    examples = {code: task.examples(code, "test") for code in task.languages}
    for code, rows in evaluate(backbone, how, task, stage.evaluation, examples).items():
        written = (out / "predictions" / "step-6" / f"{code}.jsonl").read_text("utf-8").splitlines()
        assert [json.loads(line) for line in written] == rows


@pytest.mark.spread(1)
@pytest.mark.parametrize("backbone", ["bert", "mbart"])
def test_a_run_under_a_head_is_compared_with_what_it_was(
    recipe: Make, backbone: str, checkpoint: Callable[[str], Path], data: Path, tmp_path: Path
) -> None:
    train(recipe(TAGGING, backbone), tmp_path / "run")
    texts = ParallelText.model_validate(
        {
            "corpus": {"reader": "jsonl", "path": "{language}.jsonl"},
            "field": "text",
            "split": "test",
            "languages": ["en", "th"],
        }
    )
    before, after = (represent(str(name), texts, data_dir=data) for name in (checkpoint(backbone), tmp_path / "run"))
    assert before.of["th"].shape == after.of["th"].shape
    assert not np.allclose(before.of["th"][-1], after.of["th"][-1])
    names = {(w.layer, w.kind) for w in read_weights(str(tmp_path / "run"))[0]}
    assert names == {(w.layer, w.kind) for w in read_weights(str(checkpoint(backbone)))[0] if w.half == "encoder"}


def test_a_resumed_run_is_the_run(recipe: Make, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(recipe(TAGGING), whole)
    train(recipe(TAGGING), parts, until=3)
    train(recipe(TAGGING), parts, resume=True)
    for step in (3, 6):
        for code in ("en", "th", "ja"):
            name = f"predictions/step-{step}/{code}.jsonl"
            assert (whole / name).read_bytes() == (parts / name).read_bytes()
    assert [row["loss"] for row in events(whole, "step")] == [row["loss"] for row in events(parts, "step")]


def test_words_after_the_limit_are_tagged_outside(recipe: Make, data: Path, tmp_path: Path) -> None:
    train(recipe(TAGGING), tmp_path / "run")
    backbone, method, _ = load_checkpoint(tmp_path / "run" / "checkpoints" / "step-6")
    task = load_task(str(data / "task.yaml"), data)
    short = type(task)(task.config.model_copy(update={"max_source_tokens": 6}), task.reader)
    (example,) = task.examples("ja", "test")[-1:]
    stage = recipe(TAGGING).stages[0]
    (found,) = predictor_of(backbone, method, short, stage.evaluation).predict([example])
    assert found.cropped > 0
    assert len(found.text.split()) == len(example.words)
    assert found.text.endswith(" O O")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": []}, "kind tagging needs labels"),
        ({"labels": ["NOUN", "NOUN"]}, "each once"),
        ({"kind": "generation"}, "kind generation takes no labels"),
        ({"source": "{text}"}, 'the source of a tagging task must be one list of words: "{tokens:words}"'),
        ({"labels": ["NOUN", "PROPER NOUN"]}, "label 'PROPER NOUN' is empty or has white space"),
        ({"labels": ["NOUN", ""]}, "label '' is empty"),
        (
            {"main_metric": "rougeL"},
            "task.yaml: main_metric 'rougeL' is not reported .* name one of word_accuracy, span_f1",
        ),
        ({"labels": ["NOUN", "VERB"]}, "en.jsonl, line .: tag 'PUNCT' is not one of NOUN, VERB"),
        ({"target": "id"}, "line 1: fields 'tokens' and 'id' must be lists, of words and of their tags"),
        ({"source": "{tags:words}", "target": "some"}, "line 2: 2 words and 1 tags; each word needs one"),
    ],
)
def test_wrong_tasks(recipe: Make, changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        train(recipe({**TAGGING, **changes}), tmp_path / "run")


def test_a_class_that_is_none_of_the_tasks(recipe: Make, data: Path, tmp_path: Path) -> None:
    """Also in evaluated languages, unless their references are not read."""
    rows = (data / "th.jsonl").read_text(encoding="utf-8").splitlines()
    rows[1] = json.dumps({**json.loads(rows[1]), "class": "prime"})
    (data / "th.jsonl").write_text("\n".join(rows), encoding="utf-8")
    with pytest.raises(InputError, match=r"th.jsonl, line 2: label 'prime' is not one of odd, even; correct it"):
        train(recipe(CLASSES), tmp_path / "run")
    task = load_task(str(data / "task.yaml"), data)
    assert not any(example.targets for example in task.examples("th", "test", labelled=False))


def test_a_task_of_text_needs_a_decoder(recipe: Make, tmp_path: Path) -> None:
    task = {key: value for key, value in TAGGING.items() if key not in ("kind", "labels")}
    with pytest.raises(InputError, match="is an encoder without a decoder"):
        train(recipe({**task, "target": "{tags:words}"}), tmp_path / "run")


@pytest.mark.spread(1)
@pytest.mark.parametrize(
    "second", [TAGGING, CLASSES, {**TAGGING, "labels": LABELS[::-1]}], ids=["same", "kind", "order"]
)
@pytest.mark.parametrize("backbone", ["mt5", "bert"])
def test_a_stage_of_labels_after_another(
    recipe: Make, data: Path, second: dict[str, Any], backbone: str, tmp_path: Path
) -> None:
    """The encoder continues, and so does a head with the same labels; any other head is new."""
    first = recipe(TAGGING, backbone, steps=3)
    (data / "second.yaml").write_text(yaml.safe_dump(second), encoding="utf-8")
    stages = (*first.stages, first.stages[0].model_copy(update={"task": str(data / "second.yaml")}))
    train(first.model_copy(update={"stages": stages}), tmp_path / "run")
    _, _, about = load_checkpoint(tmp_path / "run/checkpoints/step-3")
    assert about.head == {"kind": second["kind"], "labels": second["labels"]}
    assert about.backbone == str(tmp_path / "run/stages/0/model")
    before = loading.load(about.backbone)
    start = loading.load(about.backbone, head=HeadSpec(second["kind"], tuple(second["labels"])))
    ours, theirs = (dict(found.model.named_parameters()) for found in (start, before))
    same = {name for name in ours if name in theirs and ours[name].equal(theirs[name])}
    assert {name for name in ours if name.startswith("encoder.")} <= same
    assert ("head.classifier.weight" in same) == (second is TAGGING)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "pocket-summaries"}, "stage 1: stage 0 leaves an encoder with a head for tagging and no decoder"),
        ({"task": None, "unlabelled": TEXT_ALONE}, "stage 1: stage 0 leaves an encoder with a head"),
        ({"unlabelled": TEXT}, r"stage 1: task task \(kind tagging\) needs a head, .* together with `unlabelled` text"),
    ],
)
def test_text_is_not_written_under_a_head(recipe: Make, changes: dict[str, Any], message: str) -> None:
    """It is refused before anything is loaded; in a stage of its own before the head it may be."""
    whole = recipe(TAGGING, "mt5")
    fields = whole.model_dump(mode="json")
    fields["stages"].append({**fields["stages"][0], **changes})
    with pytest.raises(InputError, match=message):
        check(validate(Recipe, fields, "here"))
    fields["stages"] = [{**fields["stages"][0], "task": None, "unlabelled": TEXT_ALONE}, fields["stages"][0]]
    check(validate(Recipe, fields, "here"))


def test_random_weights_are_not_those_of_a_saved_head(recipe: Make, tmp_path: Path) -> None:
    train(recipe(TAGGING, "mt5"), tmp_path / "run")
    folder, head = str(tmp_path / "run/checkpoints/step-6"), HeadSpec(TAGGING["kind"], tuple(TAGGING["labels"]))
    saved, drawn = (loading.load(folder, head=head, init=init) for init in ("pretrained", "random"))
    ours, theirs = (dict(found.model.named_parameters()) for found in (saved, drawn))
    assert ours.keys() == theirs.keys()
    assert not any(ours[name].equal(theirs[name]) for name in ours if name.endswith("q.weight"))


def test_a_saved_head_writes_no_text(recipe: Make, data: Path, tmp_path: Path) -> None:
    train(recipe(TAGGING, "mt5"), tmp_path / "run")
    fields = recipe(CLASSES, "mt5").model_dump(mode="json")
    fields["backbone"] = str(tmp_path / "run/checkpoints/step-6")
    check(validate(Recipe, fields, "here"))
    fields["stages"][0]["task"] = "pocket-summaries"
    with pytest.raises(InputError, match="step-6 has a head for tagging and no decoder"):
        check(validate(Recipe, fields, "here"))
