"""`predict` and `evaluate`: an empty input has an empty output, and rows without ids are numbered alike."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from xlgen.adaptation import checkpoints as store
from xlgen.adaptation.base import methods
from xlgen.backbones import loading
from xlgen.cli import app
from xlgen.core.registry import InputError

EMPTY = ["", " ", "\n\t", "\u3000\u00a0", "\u200b\ufeff"]
FULL = ["สวัสดีชาวโลก", "เด็ก ๆ ไปโรงเรียน"]
TEXTS = [EMPTY[0], FULL[0], *EMPTY[1:4], FULL[1], EMPTY[4]]


@pytest.fixture
def trained(tmp_path: Path, checkpoint: Callable[[str], Path]) -> Path:
    """A checkpoint of a task whose template has text in addition to its field."""
    rows = [{"text": text, "summary": "ข้อความ"} for text in TEXTS]
    lines = "\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (tmp_path / "th.test.jsonl").write_text(lines, encoding="utf-8")
    task = {
        "reader": {"name": "jsonl", "path": "{language}.{split}.jsonl"},
        "languages": ["th"],
        "source": "summarize: {text}",
        "target": "summary",
        "max_target_tokens": 8,
        "metrics": ["rouge1"],
        "main_metric": "rouge1",
    }
    (tmp_path / "task.yaml").write_text(yaml.safe_dump(task, allow_unicode=True), encoding="utf-8")
    name = str(checkpoint("mt5"))
    backbone, method = loading.load(name), methods.build({"method": "full"})
    method.prepare(backbone)
    folder = tmp_path / "run" / "checkpoints" / "step-1"
    about = store.About(1, name, {"method": "full"}, str(tmp_path / "task.yaml"), str(tmp_path))
    store.save_checkpoint(folder, backbone, method, about)
    return folder


def run(*words: str) -> Any:
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


@pytest.mark.spread(1)
@pytest.mark.parametrize("field", ["input", "text"])
@pytest.mark.parametrize(
    "options", [(), ("--num-beams", "2"), ("--num-beams", "2", "--control", "{name: rerank, candidates: 2}")]
)
def test_predict_writes_nothing_for_nothing(
    trained: Path, tmp_path: Path, field: str, options: tuple[str, ...]
) -> None:
    asked, written = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    asked.write_text("\n\n".join(json.dumps({field: text}) for text in TEXTS), encoding="utf-8")
    words = ["predict", str(trained), "--language", "th", "--input", str(asked), "--output", str(written)]
    printed = run(*words, *options).output
    rows = lines_of(written)
    assert [row["id"] for row in rows] == [str(number) for number in range(len(TEXTS))]
    assert [row["prediction"] for row in rows if row["input"].removeprefix("summarize: ") in EMPTY] == [""] * 5
    assert all(row["prediction"] for row in rows if row["input"].removeprefix("summarize: ") in FULL)
    assert "5 inputs are empty; their outputs are empty too" in printed
    assert "7 predictions" in printed


@pytest.mark.parametrize("kept", [EMPTY, FULL])
def test_predict_on_nothing_else_and_nothing_such(trained: Path, tmp_path: Path, kept: list[str]) -> None:
    asked, written = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    asked.write_text("\n".join(json.dumps({"text": text}) for text in kept), encoding="utf-8")
    printed = run("predict", str(trained), "--language", "th", "--input", str(asked), "--output", str(written)).output
    assert [bool(row["prediction"]) for row in lines_of(written)] == [kept is FULL] * len(kept)
    assert ("are empty" in printed) == (kept is EMPTY)


@pytest.mark.exhaustive
def test_evaluate_counts_them_and_numbers_rows_as_predict_does(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "evaluation"
    printed = run("evaluate", str(trained), "--split", "test", "--out", str(out)).output
    rows = lines_of(out / "predictions" / "th.jsonl")
    assert [row["id"] for row in rows] == [str(number) for number in range(len(TEXTS))]
    assert [row["prediction"] == "" for row in rows] == [text in EMPTY for text in TEXTS]
    assert [row.get("empty_input", False) for row in rows] == [text in EMPTY for text in TEXTS]
    assert json.loads((out / "summary.json").read_text(encoding="utf-8"))["empty_inputs"] == {"th": 5}
    assert "empty inputs: th 5" in printed


@pytest.mark.spread(1)
@pytest.mark.parametrize(("options", "name"), [((), "lid.176.ftz"), (("--lid", "lingua-low"), "lingua-low")])
def test_evaluate_takes_a_language_identifier(trained: Path, tmp_path: Path, options: Any, name: str) -> None:
    out = tmp_path / "evaluation"
    run("evaluate", str(trained), "--split", "test", "--out", str(out), *options)
    rows = json.loads((out / "summary.json").read_text(encoding="utf-8"))["rows"]
    assert all(f"lid:{name}" in row["signature"] for row in rows if row["metric"] == "lid_confidence")
    with pytest.raises(InputError, match=r"no language identification model at 'absent\.bin'"):
        run("evaluate", str(trained), "--split", "test", "--lid", "absent.bin")


@pytest.mark.exhaustive
def test_evaluate_takes_options_of_metrics(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "evaluation"
    options = (
        "--metric-option",
        "rouge.segmenter=dictionary",
        "--metric-option",
        "lid_confidence.identifier=lingua-low",
    )
    run("evaluate", str(trained), "--split", "test", "--out", str(out), *options)
    rows = json.loads((out / "summary.json").read_text(encoding="utf-8"))["rows"]
    signs = {row["metric"]: row["signature"] for row in rows}
    assert "tok:newmm" in signs["rouge1"]
    assert "lid:lingua-low" in signs["lid_confidence"] and "lid:lingua-low" in signs["correct_language_rate"]
    with pytest.raises(InputError, match="options are given for chrf, which is not among the metrics"):
        run("evaluate", str(trained), "--split", "test", "--metric-option", "chrf.word_order=2")
