"""Runs on checkpoints in the Hub's file layout: every objective trains; what data spells comes out as it went in."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import yaml
from typer.testing import CliRunner

import hub_layout
from xlgen.backbones.base import BackboneError
from xlgen.backbones.loading import load
from xlgen.cli import app
from xlgen.core.config import Evaluation, Recipe, validate
from xlgen.core.registry import InputError
from xlgen.data.objectives import objectives
from xlgen.evaluation.checkpoint_inference import evaluate_checkpoint
from xlgen.metrics.base import Example
from xlgen.metrics.mlqa import Mlqa
from xlgen.metrics.squad import Squad
from xlgen.training.run import train

LANGUAGES = ("en", "fr", "de", "ru", "ar", "hi", "th", "zh", "ja", "ko", "tr", "vi")
NTREX = ("eng", "fra", "deu", "rus", "arb", "hin", "tha", "zho-CN", "jpn", "kor", "tur", "vie")
NEEDS = {"span_corruption": "sentinel", "iid_denoising": "sentinel", "denoising": "mask"}
SPELLED = (
    *("was <s>100</s> now 80", "a </s> b", "<pad> x", "the <unk> one", "use <mask> here", "fr_XX is a code"),
    *("fra_Latn too", "<extra_id_0> Paris <extra_id_1>", "byte <0x41> and <0x0A>", "[CLS] y [SEP]"),
)


@pytest.fixture(params=hub_layout.NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(name: str, hub_checkpoint: Callable[[str], Path]) -> Path:
    return hub_checkpoint(name)


def losses(run: Path) -> list[float]:
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [row["loss"] for row in map(json.loads, lines) if row["event"] == "step"]


@pytest.mark.spread(2)
@pytest.mark.parametrize("objective", objectives.names())
def test_every_objective_trains(name: str, folder: Path, objective: str, tmp_path: Path) -> None:
    rows = hub_layout.texts(slice(160, 168))
    for code, file in zip(LANGUAGES, NTREX, strict=True):
        lines = [
            {"text": f"{text} {english}", "translation": english, "translation_language": "en"}
            for text, english in zip(rows[file], rows["eng"], strict=True)
        ]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (tmp_path / f"{code}.jsonl").write_text(text, encoding="utf-8")
    text = {
        "objective": {"name": objective},
        "corpus": {"name": "jsonl", "path": str(tmp_path / "{language}.jsonl")},
        "languages": list(LANGUAGES),
    }
    stage = {"unlabelled": [text], "training": {"steps": 2, "batch_tokens": 600, "log_every": 1}}
    recipe = validate(Recipe, {"name": "r", "backbone": str(folder), "stages": [stage]}, "here")
    need = NEEDS.get(objective)
    if need and (name == "mt5") != (need == "sentinel"):
        with pytest.raises(BackboneError, match=f"has no {need} token"):
            train(recipe, tmp_path / "run")
        return
    train(recipe, tmp_path / "run")
    assert len(losses(tmp_path / "run")) == 2 and all(0 < loss < 50 for loss in losses(tmp_path / "run"))


@pytest.fixture
def spelled(name: str, folder: Path, tmp_path: Path) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """A recipe that restricts outputs to one label per input, and the labels by language."""
    task = {
        "reader": {"name": "jsonl", "path": str(tmp_path / "{split}.{language}.jsonl")},
        "languages": list(LANGUAGES),
        "source": "{input}",
        "target": "label",
        "max_source_tokens": 200,
        "max_target_tokens": 200,
        "line_separator": "|",
        "metrics": ["squad"],
        "main_metric": "squad_em",
        "splits": {"validation": "test"},
    }
    (tmp_path / "task.yaml").write_text(yaml.safe_dump(task), encoding="utf-8")
    sentences, reader = hub_layout.texts(slice(150)), load(str(folder)).text
    found = {}
    for code, file in zip(LANGUAGES, NTREX, strict=True):
        known = next(text for text in sentences[file] if not reader.with_spans(text).unknown)
        found[code] = [f"{text} {known}" for text in SPELLED]
        found[code].append(f"{known}\nis <s>two</s> lines")
        rows = [{"input": label, "label": label} for label in found[code]]
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        for split in ("train", "test"):
            (tmp_path / f"{split}.{code}.jsonl").write_text(text, encoding="utf-8")
    stage = {
        "task": str(tmp_path / "task.yaml"),
        "training": {"steps": 1, "batch_tokens": 3000, "train_examples": 4},
        "evaluation": {"languages": ["en"], "examples": 1, "bootstrap": 0, "max_new_tokens": 2},
    }
    return {"name": "r", "backbone": str(folder), "stages": [stage]}, found


def normal(name: str, folder: Path, text: str) -> str:
    """A text as SentencePiece normalizes it, line by line."""
    processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / hub_layout.FILES[name]))
    lines = [" ".join(processor.normalize(line).replace("▁", " ").split()) for line in text.split("\n")]
    return "\n".join(lines)


def rows_of(folder: Path, code: str) -> list[dict[str, Any]]:
    lines = (folder / f"{code}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.exhaustive
def test_what_data_spells_is_evaluated_as_text(
    name: str, folder: Path, spelled: tuple[dict[str, Any], dict[str, list[str]]], tmp_path: Path
) -> None:
    """In twelve languages: the first tokens of the input, and outputs that a control holds to a label."""
    recipe, labels = spelled
    stage = {**recipe["stages"][0], "evaluation": {"split": "test", "bootstrap": 0}}
    lead = {**recipe, "stages": [stage], "baseline": {"name": "lead", "tokens": 500}}
    if name == "mbart":  # has no token for the line separator, nor for "<"
        with pytest.raises(InputError, match=r"has no token for '\|'"):
            train(validate(Recipe, recipe, "here"), tmp_path / "run")
        return
    train(validate(Recipe, lead, "here"), tmp_path / "lead")
    train(validate(Recipe, recipe, "here"), tmp_path / "run")
    for code, texts in labels.items():
        found = rows_of(tmp_path / "lead" / "predictions" / "step-0", code)
        assert [row["prediction"] for row in found] == [normal(name, folder, text) for text in texts]
        assert [row["references"] for row in found] == [[text] for text in texts]
        assert [row["input"] for row in found] == texts
    for number in (0, 7, -1):
        chosen = labels["th"][number].replace("\n", " | ")
        control = {"name": "labels", "labels": [chosen]}
        asked = Evaluation(split="test", languages=("th",), examples=1, control=control, bootstrap=0)
        _, place = evaluate_checkpoint(tmp_path / "run", asked, out=tmp_path / f"evaluation {number}")
        (row,) = rows_of(place / "predictions", "th")
        assert row["prediction"] == normal(name, folder, labels["th"][number])
        assert row["unknown_tokens"] == 0


@pytest.mark.exhaustive
def test_predict_says_what_the_vocabulary_lacks(hub_checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    """mBART-50 has no token for an emoji; mT5 writes it in bytes."""
    (tmp_path / "in.jsonl").write_text(
        '{"input": "Two \\ud83d\\ude00 and 《 here"}\n{"input": "None"}\n', encoding="utf-8"
    )
    for name, unknown in (("mbart", [2, 0]), ("mt5", [0, 0])):
        stage = {
            "task": "pocket-summaries",
            "training": {"steps": 1, "train_examples": 2},
            "evaluation": {"languages": ["en"], "examples": 1, "max_new_tokens": 2, "bootstrap": 0},
        }
        recipe = {"name": "r", "backbone": str(hub_checkpoint(name)), "stages": [stage]}
        train(validate(Recipe, recipe, "here"), tmp_path / name)
        words = ["predict", str(tmp_path / name), "--language", "fr", "--input", str(tmp_path / "in.jsonl")]
        done = CliRunner().invoke(app, [*words, "--output", str(tmp_path / f"{name}.jsonl")])
        assert done.exit_code == 0, done.output
        assert [row["unknown_tokens"] for row in rows_of(tmp_path, name)] == unknown
        (start,) = (row for row in rows_of(tmp_path / name, "metrics") if row["event"] == "start")
        assert start["coverage"]["labelled"]["en"]["unknown_percent"] == 0
        assert start["coverage"]["evaluation"].keys() == {"en"}


@pytest.mark.spread(4)
@pytest.mark.parametrize("code", ["ar", "de", "el", "en", "es", "hi", "ro", "ru", "th", "tr", "vi", "zh"])
def test_gold_answers_as_the_tokenizer_writes_them_score_100(name: str, folder: Path, code: str) -> None:
    """XQuAD's, under `normalization: nmt_nfkc`. mT5 writes every character; elsewhere SentencePiece's own normal form
    stands in for answers with characters that the small vocabulary lacks."""
    file = hub_layout.SHARED / "data" / "xquad" / f"xquad.{code}.json"
    if not file.is_file():
        pytest.skip(f"{file} is absent")
    data = json.loads(file.read_text(encoding="utf-8"))["data"]
    questions = [qa for article in data for paragraph in article["paragraphs"] for qa in paragraph["qas"]]
    reader = load(str(folder)).text
    processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / hub_layout.FILES[name]))
    examples = []
    for question in questions:
        gold = tuple(answer["text"] for answer in question["answers"])
        pieces = reader.with_spans(gold[0])
        assert name != "mt5" or not pieces.unknown
        normal = processor.normalize(gold[0]).replace("▁", " ").strip()
        examples.append(Example(code, normal if pieces.unknown else reader.text(pieces.ids).strip(), gold))
    for metric in (Squad(normalization="nmt_nfkc"), Mlqa(normalization="nmt_nfkc")):
        for name, scores in metric.per_example(examples).items():
            assert scores.mean() == 1.0, f"{name}: {[e for e, s in zip(examples, scores, strict=True) if s < 1][:3]}"
