"""``xlgen predict``, ``evaluate`` and ``export`` on an encoder with a trained head."""

import json
from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from typer.testing import CliRunner

from encoders import SENTENCES, tags_of
from xlgen.adaptation import checkpoints as store
from xlgen.adaptation.base import methods
from xlgen.backbones import loading
from xlgen.backbones.heads import HeadSpec
from xlgen.cli import app
from xlgen.core.config import Evaluation
from xlgen.core.registry import InputError
from xlgen.data.examples import EncodedExample, LabelledExample, Record
from xlgen.data.tasks import load_task
from xlgen.evaluation import head_inference
from xlgen.evaluation.checkpoint_inference import evaluate_checkpoint
from xlgen.evaluation.export.run import export
from xlgen.evaluation.predictor import predictor_of

KINDS = {"tagging": ["NOUN", "VERB", "PUNCT"], "classification": ["odd", "even"]}
CODES = ("en", "ru", "th", "ja", "hi", "ar")
Make = Callable[..., Path]


def task_file(folder: Path, kind: str) -> Path:
    """A task whose rows are sentences; for tagging, with a tag for each word."""
    tagging = kind == "tagging"
    for code in CODES:
        words = SENTENCES[code]
        row = {"tokens": words, "tags": tags_of(words), "text": " ".join(words), "class": KINDS[kind][0]}
        (folder / f"{code}.jsonl").write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    task = {
        "reader": {"name": "jsonl", "path": "{language}.jsonl", "same_file_for_all_splits": True},
        "languages": list(CODES),
        "kind": kind,
        "labels": KINDS[kind],
        "source": "{tokens:words}" if tagging else "{text}",
        "target": "tags" if tagging else "class",
        "max_source_tokens": 64,
        "metrics": ["word_accuracy" if tagging else "accuracy"],
        "main_metric": "word_accuracy" if tagging else "accuracy",
    }
    (folder / f"{kind}.yaml").write_text(yaml.safe_dump(task), encoding="utf-8")
    return folder / f"{kind}.yaml"


@pytest.fixture
def trained(tmp_path: Path, checkpoint: Callable[[str], Path]) -> Make:
    """A checkpoint of a run with labels, after training steps."""

    def make(family: str, kind: str = "tagging", method: str = "full") -> Path:
        name, config, head = str(checkpoint(family)), {"method": method}, HeadSpec(kind, tuple(KINDS[kind]))  # type: ignore[arg-type]
        backbone, how = loading.load(name, head=head, allow_unknown=True), methods.build(config)
        how.prepare(backbone)
        torch.manual_seed(0)
        with torch.no_grad():
            for parameter in backbone.model.parameters():
                if parameter.requires_grad:
                    parameter.add_(torch.randn_like(parameter) * 0.2)
        folder = tmp_path / "run" / "checkpoints" / "step-3"
        task = str(task_file(tmp_path, kind))
        about = store.About(3, name, config, task, str(tmp_path), True, head={"kind": kind, "labels": KINDS[kind]})
        store.save_checkpoint(folder, backbone, how, about)
        return folder

    return make


def predicted(folder: Path, language: str, rows: list[dict[str, Any]], *options: str) -> list[dict[str, Any]]:
    asked, written = folder.parents[2] / "in.jsonl", folder.parents[2] / "out.jsonl"
    asked.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    words = ["predict", str(folder), "--language", language, "--input", str(asked), "--output", str(written), *options]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in written.read_text(encoding="utf-8").splitlines()]


def librarys(folder: Path, kind: str) -> tuple[Any, Any]:
    """What was exported, opened by the library alone."""
    from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification, AutoTokenizer

    loader = AutoModelForTokenClassification if kind == "tagging" else AutoModelForSequenceClassification
    return loader.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


@pytest.mark.spread(1)
@pytest.mark.parametrize(
    ("family", "kind", "method"),
    [
        *((family, kind, "full") for family in ("bert", "xlm-roberta") for kind in KINDS),
        ("xlm-roberta", "classification", "lora"),
        ("bert", "tagging", "ia3"),
        ("mt5", "tagging", "full"),
        ("umt5", "tagging", "lora"),
    ],
)
def test_an_exported_head_is_the_librarys(trained: Make, family: str, kind: str, method: str, tmp_path: Path) -> None:
    """The logits of a padded batch, and the names of labels."""
    folder = trained(family, kind, method)
    parity = export(folder, "transformers", tmp_path / "out")
    assert parity.equal == parity.compared == len(CODES)
    assert not parity.searched
    theirs, _ = librarys(tmp_path / "out", kind)
    backbone, _, _ = store.load_checkpoint(folder)
    sources = [backbone.source(backbone.tokenize(" ".join(SENTENCES[code])), code) for code in CODES]
    ours = backbone.logits(sources, 10_000)  # type: ignore[attr-defined]
    rows = backbone.collate_sources([EncodedExample(source, (), "") for source in sources])
    with torch.no_grad():
        logits = theirs(**rows).logits
    for mine, whole in zip(ours, logits, strict=True):
        torch.testing.assert_close(mine, whole[: len(mine)] if kind == "tagging" else whole, rtol=1e-4, atol=1e-4)
    assert list(theirs.config.id2label.values()) == KINDS[kind]


@pytest.mark.spread(1)
@pytest.mark.parametrize("family", ["bert", "xlm-roberta"])
def test_predicted_tags_are_those_of_the_librarys_model(trained: Make, family: str, tmp_path: Path) -> None:
    """The label of each word is the model's at its first token, by the tokenizer's ``word_ids``."""
    folder = trained(family)
    export(folder, "transformers", tmp_path / "out")
    model, tokenizer = librarys(tmp_path / "out", "tagging")
    for code in CODES:
        words = list(SENTENCES[code])
        field, whole = predicted(folder, code, [{"id": "a", "tokens": words}, {"id": "b", "input": words}])
        assert field["prediction"] == whole["prediction"]
        assert (field["id"], whole["id"], field["input"], field["language"]) == ("a", "b", words, code)
        pieces = tokenizer(words, is_split_into_words=True, add_special_tokens=False)
        ids = [tokenizer.cls_token_id, *pieces["input_ids"], tokenizer.sep_token_id]
        with torch.no_grad():
            best = model(input_ids=torch.tensor([ids])).logits[0].argmax(-1).tolist()[1:-1]
        firsts = [pieces.word_ids().index(number) for number in range(len(words))]
        assert field["prediction"].split() == [model.config.id2label[best[place]] for place in firsts]


@pytest.mark.spread(1)
@pytest.mark.parametrize("family", ["bert", "mt5", "nllb"])
def test_predicted_classes(trained: Make, family: str) -> None:
    """From the task's field or a whole text; in bf16, the same label if its probability is high."""
    folder = trained(family, "classification")
    rows = predicted(folder, "th", [{"text": "เด็กไปโรงเรียน"}, {"input": "เด็กไปโรงเรียน"}, {"input": "孩子们"}])
    assert rows[0]["prediction"] == rows[1]["prediction"]
    assert {row["prediction"] for row in rows} <= {"odd", "even"}
    assert rows[2]["input"] == "孩子们"
    half = predicted(folder, "th", [{"input": "孩子们"}], "--precision", "bf16")
    assert half[0]["prediction"] in ("odd", "even")


def test_a_stream_is_read_a_window_at_a_time(trained: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inputs may be endless, and the results before an error come first."""
    monkeypatch.setattr(head_inference, "_WINDOW", 3)
    backbone, method, about = store.load_checkpoint(trained("bert"))
    task = load_task(str(about.task), Path(about.data_dir))
    read: list[int] = []

    def endless() -> Iterator[LabelledExample]:
        for number in count():
            read.append(number)
            words = SENTENCES["ja"][: 1 + number % 5]
            yield LabelledExample(str(number), "ja", " ".join(words), (), "here", words=words)

    predictor = predictor_of(backbone, method, task, Evaluation())
    found = list(islice(predictor.stream(endless()), 7))
    assert [example.id for example, _ in found] == [str(number) for number in range(7)]
    assert [len(prediction.text.split()) for _, prediction in found] == [1, 2, 3, 4, 5, 1, 2]
    assert len(read) <= 9

    def failing() -> Iterator[LabelledExample]:
        yield from islice(endless(), 4)
        raise InputError("line 5 is bad")

    before: list[str] = []
    with pytest.raises(InputError, match="line 5 is bad"):
        for _, prediction in predictor.stream(failing()):
            before.append(prediction.text)
    assert len(before) == 4
    assert len(list(predictor.stream(islice(endless(), 4)))) == 4


@pytest.mark.parametrize(
    ("row", "options", "message"),
    [
        ({"input": "孩子们早上去学校。"}, [], "in.jsonl, line 1: tagging needs a list of words"),
        ({"tokens": []}, [], "line 1: 0 words"),
        ({"tokens": ["a", 1]}, [], "field 'tokens' must be a list of texts"),
        ({"text": "a"}, [], "no field 'tokens'"),
        (
            {"tokens": ["a"]},
            ["--num-beams", "4"],
            "has labels, which are predicted without decoding: leave out num_beams",
        ),
        ({"tokens": ["a"]}, ["--sample", "{top_p: 0.5}"], "leave out sampling"),
        ({"tokens": ["a"]}, ["--control", "rerank"], "leave out control"),
    ],
)
def test_what_is_refused(trained: Make, row: dict[str, Any], options: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        predicted(trained("bert"), "zh", [row], *options)


def test_evaluate_gives_the_labels_of_predict(trained: Make) -> None:
    """Also between the pretrained and the finetuned encoder, each under its head."""
    folder = trained("xlm-roberta")
    words = ["evaluate", str(folder), "--interpolate", "0,1", "--out", str(folder.parents[1] / "evaluated")]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    for code in CODES:
        (row,) = (folder.parents[1] / "evaluated/predictions" / f"{code}.jsonl").read_text("utf-8").splitlines()
        (predicted_labels,) = predicted(folder, code, [{"tokens": list(SENTENCES[code])}])
        assert json.loads(row)["prediction"] == predicted_labels["prediction"]
    with pytest.raises(InputError, match="leave out num_beams"):
        CliRunner().invoke(app, ["evaluate", str(folder), "--num-beams", "2"], catch_exceptions=False)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("pocket-asks", "a head for tagging, and task pocket-asks is of kind classification"),
        ("pocket-summaries", "a head for tagging and generates no text, which task pocket-summaries needs"),
        ("pocket-roles", "has the labels NOUN, VERB, PUNCT, and task pocket-roles has opening, side"),
        ("turned", "has the labels NOUN, VERB, PUNCT, and task turned has in another order PUNCT, VERB, NOUN"),
    ],
)
def test_a_head_is_evaluated_on_a_task_that_it_fits(trained: Make, task: str, message: str, tmp_path: Path) -> None:
    folder = trained("bert")
    if task == "turned":
        fields = yaml.safe_load((tmp_path / "tagging.yaml").read_text(encoding="utf-8"))
        fields |= {"name": task, "labels": KINDS["tagging"][::-1]}
        task = str(tmp_path / "turned.yaml")
        Path(task).write_text(yaml.safe_dump(fields), encoding="utf-8")
    with pytest.raises(InputError, match=f"step-3 does not fit the task: it.* {message}"):
        evaluate_checkpoint(folder, Evaluation(), task)


def test_a_generator_is_not_evaluated_on_labels(trained: Make) -> None:
    folder = trained("mt5")
    about = json.loads((folder / "checkpoint.json").read_text(encoding="utf-8"))
    (folder / "checkpoint.json").write_text(json.dumps({**about, "head": None}), encoding="utf-8")
    with pytest.raises(InputError, match=r"it generates text, and task tagging \(kind tagging\) needs a head"):
        evaluate_checkpoint(folder, Evaluation())


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_head_with_nan_logits_predicts_no_label(trained: Make, kind: str) -> None:
    backbone, method, about = store.load_checkpoint(trained("mt5", kind))
    task = load_task(str(about.task), Path(about.data_dir))
    example = task.example(Record({"tokens": ["a", "b"], "text": "a b"}, "here"), "th", 0, labelled=False)
    predictor = predictor_of(backbone, method, task, Evaluation())
    assert predictor.predict([example])
    with torch.no_grad():
        next(backbone.model.parameters()).fill_(torch.nan)
    with pytest.raises(InputError, match="the logits of its head for inputs in th are not finite"):
        predictor.predict([example])


@pytest.mark.spread(2)
@pytest.mark.parametrize(
    ("family", "kind", "method", "to", "message"),
    [
        ("mbart", "tagging", "full", "transformers", "no class for the encoder of .* with a head for tagging"),
        ("mt5", "classification", "full", "transformers", "no class for the encoder of .* for classification"),
        ("bert", "tagging", "adapters", "transformers", "cannot be merged"),
        ("bert", "tagging", "lora", "peft", "an encoder with a head, which the format peft does not support"),
        ("mbart", "tagging", "full", "ctranslate2", "which the format ctranslate2 does not support"),
    ],
)
def test_what_cannot_be_exported_leaves_nothing(
    trained: Make, family: str, kind: str, method: str, to: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        export(trained(family, kind, method), to, tmp_path / "out")
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]
