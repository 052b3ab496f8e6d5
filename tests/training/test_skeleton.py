"""A backbone of one's own corpus: its tokenizer writes it back, it trains, and a wrong request leaves nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from xlgen.backbones.loading import family_of, load
from xlgen.backbones.skeletons import Shape
from xlgen.cli import app
from xlgen.core.config import Recipe, validate
from xlgen.core.registry import InputError
from xlgen.training.run import train
from xlgen.training.skeleton import write_skeleton

TEXTS = {
    "en": ["The mayor opened the new library of the old town.", "The children went to school in the morning."],
    "th": ["นายกเทศมนตรีเปิดห้องสมุดแห่งใหม่", "เด็ก ๆ ไปโรงเรียนในตอนเช้า"],
    "ja": ["市長は新しい図書館を開いた。", "子どもたちは朝、学校へ行った。"],
}
SMALL = Shape(vocab_size=1_300, width=32, layers=1, heads=2, feed_forward=32)


@pytest.fixture
def corpus(tmp_path: Path) -> dict[str, Any]:
    for code, texts in TEXTS.items():
        (tmp_path / f"{code}.txt").write_text("\n".join(texts * 10) + "\n", encoding="utf-8")
    return {"reader": "lines", "path": "{language}.txt"}


@pytest.mark.spread(1)
@pytest.mark.parametrize("family", ["mt5", "mbart", "nllb"])
def test_it_is_a_backbone_that_trains(family: str, corpus: dict[str, Any], tmp_path: Path) -> None:
    made = write_skeleton(
        family, corpus, tmp_path / "own", languages=list(TEXTS), shape=SMALL, data_dir=tmp_path, seed=3
    )
    backbone = load(str(made.folder))
    assert type(backbone) is family_of(str(made.folder))
    assert family in type(backbone).__name__.lower()
    assert backbone.languages == tuple(TEXTS)
    assert made.parameters == sum(parameter.numel() for parameter in backbone.model.parameters())
    for texts in TEXTS.values():
        for text in texts:
            assert backbone.decode(backbone.tokenize(text)) == text
    unlabelled = {"objective": {"name": "prefix_lm", "max_tokens": 32}, "corpus": corpus, "languages": list(TEXTS)}
    stage = {"unlabelled": [unlabelled], "training": {"steps": 2, "log_every": 1, "precision": "fp32"}}
    recipe = {"name": "r", "backbone": str(made.folder), "data_dir": str(tmp_path), "stages": [stage]}
    train(validate(Recipe, recipe, "here"), tmp_path / "run")
    events = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [event["step"] for event in events if event["event"] == "step"] == [1, 2]


@pytest.mark.parametrize("size", ["--vocab-size", "--pieces"])  # the old name
def test_the_command_prints_what_it_made(size: str, corpus: dict[str, Any], tmp_path: Path) -> None:
    corpus = {"name": corpus["reader"], "path": corpus["path"]}
    words = ["tokenizer", json.dumps(corpus), "--data-dir", str(tmp_path), "--languages", "english, thai", "--family"]
    small = [size, "1000", "--width", "32", "--layers", "1", "--heads", "2", "--out", str(tmp_path / "own")]
    done = CliRunner().invoke(app, [*words, "nllb", *small], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "tokens per character" in done.output and "th" in done.output
    assert ("note: --pieces is now called --vocab-size" in done.output) == (size == "--pieces")
    assert load(str(tmp_path / "own")).languages == ("en", "th")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"family": "bert"}, "unknown backbone family with a skeleton 'bert'"),
        ({"languages": None}, "name them with `languages`"),
        ({"languages": ["en", "xx-none"]}, "xx-none"),
        ({"family": "mbart", "languages": ["zu"]}, "mbart has no code for Zulu"),
        ({"languages": ["fr"]}, r"no file .*fr\.txt"),
        ({"corpus": {"reader": "jsonl", "path": "{language}.jsonl"}}, r"line 1: field 'text' must be text"),
    ],
)
def test_what_is_refused_leaves_nothing(
    options: dict[str, Any], message: str, corpus: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "en.jsonl").write_text('{"words": "a"}\n', encoding="utf-8")
    given = {"family": "mt5", "corpus": corpus, "languages": ["en"], **options}
    with pytest.raises(InputError, match=message):
        write_skeleton(
            given["family"], given["corpus"], tmp_path / "own", languages=given["languages"], data_dir=tmp_path
        )
    assert not (tmp_path / "own").exists()
    assert not (tmp_path / "writing-own").exists()


def test_a_folder_that_holds_something_stays(corpus: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "notes").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        write_skeleton("mt5", corpus, tmp_path / "own", languages=["en"], data_dir=tmp_path)
    assert [path.name for path in (tmp_path / "own").iterdir()] == ["notes"]


def test_a_shape_that_cannot_be() -> None:
    with pytest.raises(InputError, match="100 cannot be split into 8 heads"):
        Shape(width=100, heads=8)
