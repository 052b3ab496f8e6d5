import json
import math
import random
from typing import Any

import numpy as np
import pytest

import xlgen
from xlgen.core.registry import InputError, UnknownNameError
from xlgen.metrics.base import Example
from xlgen.metrics.rouge import Rouge
from xlgen.metrics.score import score as score_examples
from xlgen.metrics.subset import subset
from xlgen.scoring import stream
from xlgen.scoring.figures import KEYS, compare, figure_rows
from xlgen.scoring.stream import BadRows, Collected, collect, entries, mapping_records

WORDS = {
    "fr": "le petit chat noir dort dans la maison de mon ami",
    "th": "แมวดำตัวเล็กนอนหลับอยู่ในบ้านของเพื่อนฉัน",
    "ru": "маленький черный кот спит в доме моего друга",
}
SHAPE = (*KEYS, "metric", "value", "low", "high", "n", "signature")


def rows(count: int = 60, seed: int = 0, skill: float = 0.5) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    found = []
    for number in range(count):
        code = list(WORDS)[number % 3]
        words = WORDS[code].split()
        prediction = " ".join(word for word in words if chance.random() < skill)
        found.append({"id": number, "language": code, "prediction": prediction, "references": [WORDS[code]]})
    return found


def collected(data: list[dict[str, Any]], **options: Any) -> Collected:
    by = options.get("by", ("language",))
    return collect(entries(mapping_records(data), BadRows(strict=True), by), keep_ids=True, **options)


def test_rows_have_the_shape_of_every_figure() -> None:
    found = xlgen.score(rows(), ["rougeL", "empty_rate"])
    assert all(tuple(row) == SHAPE for row in found)
    assert [(row["language"], row["metric"]) for row in found] == [
        (code, metric) for code in ("fr", "th", "ru", "mean") for metric in ("rougeL", "empty_rate")
    ]
    json.dumps(found, allow_nan=False)
    *single, mean, _ = [row for row in found if row["metric"] == "rougeL"] + [None]
    assert mean["value"] == pytest.approx(np.mean([row["value"] for row in single]))
    assert (mean["n"], mean["low"], mean["signature"]) == (60, None, "mean-of:fr,th,ru")


def test_figures_are_those_of_score(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["rouge", "mlqa", "language_rate", "faults", "lengths"]
    data = rows()
    expected = [
        row
        for code in WORDS
        for row in score_examples(
            [Example(code, each["prediction"], tuple(each["references"])) for each in data if each["language"] == code],
            names,
            code,
        )
    ]
    monkeypatch.setattr(stream, "_ROWS", 7)
    found = [row for row in xlgen.score(data, names) if row["language"] != "mean"]
    keys = ("language", "metric", "value", "low", "high", "n", "signature")
    assert [tuple(row[key] for key in keys) for row in found] == [
        tuple(getattr(row, key) for key in keys) for row in expected
    ]


def test_grouped_by_nothing_or_by_other_fields() -> None:
    data = [{**row, "method": "abc"[row["id"] % 2], "domain": row["id"] % 4} for row in rows()]
    [whole] = xlgen.score(data, ["mlqa_f1"], by=())
    assert (whole["language"], whole["n"]) == (None, 60)
    assert "seg:mixed-chars+whitespace" in whole["signature"]
    found = xlgen.score(data, ["mlqa_f1"], by=("method", "language"))
    assert [(row["method"], row["language"], row["n"]) for row in found if row["method"] == "a"] == [
        *(("a", code, 10) for code in ("fr", "ru", "th")),
        ("a", "mean", 30),
    ]
    by_domain = xlgen.score(data, ["mlqa_f1"], by=("domain",))
    assert [(row["domain"], row["language"], row["n"]) for row in by_domain] == [(str(n), None, 15) for n in range(4)]


def test_the_default_figures_depend_on_references() -> None:
    with_references = {row["metric"] for row in xlgen.score(rows())}
    bare = [{key: row[key] for key in ("language", "prediction")} for row in rows()]
    without = {row["metric"]: row["value"] for row in xlgen.score(bare)}
    assert {"rougeL", "mlqa_f1", "ok_rate", "correct_language_rate"} <= with_references
    assert set(without) < with_references
    assert not {"rougeL", "mlqa_f1"} & set(without)
    assert without["reference_length"] is None


def test_metrics_with_options() -> None:
    data = [{"language": "en", "prediction": "cats", "references": ["cat"]}]
    found = [row for row in xlgen.score(data, [Rouge(use_stemmer=True), "rouge1"]) if row["metric"] == "rouge1"]
    assert [row["value"] for row in found] == [100, 0]


def test_a_subset() -> None:
    data = [
        {"language": "fr", "prediction": "le chat", "references": ["le petit chat noir de la maison"]},
        {"language": "fr", "prediction": "1990", "references": ["1990"]},
    ]
    [row] = xlgen.score(data, ["mlqa_f1"], subset="no-digits-in-language")
    assert row["n"] == 1
    assert "|subset:no-digits-in-language@lid.176.ftz@" in row["signature"]
    with pytest.raises(InputError, match="none of the 1 rows of the rows is in the subset"):
        xlgen.score(data[1:], ["mlqa_f1"], subset="no-digits-in-language")


def test_bad_rows_are_errors_unless_they_may_be_left_out() -> None:
    data = [*rows(), {"language": "fr"}, 3]
    with pytest.raises(InputError, match="row 61: prediction must be text, not null"):
        xlgen.score(data)  # type: ignore[arg-type]
    [row, *_] = xlgen.score(data, ["empty_rate"], strict=False)  # type: ignore[arg-type]
    assert row["n"] == 20
    with pytest.raises(InputError, match="has no row that can be scored, and 1 that cannot; the first: row 1: "):
        xlgen.score(data[-1:], strict=False)  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="rougeL"):
        xlgen.score(rows(), ["rougel"])


def test_two_systems_on_the_same_rows() -> None:
    good, bad = rows(120, skill=0.8), rows(120, seed=1, skill=0.4)
    random.Random(0).shuffle(bad)
    found, pairs = compare(*(collected(data, metrics=["mlqa_f1", "reference_length"]) for data in (good, bad)))
    assert pairs["paired"] == 120
    by_name = {(row["language"], row["metric"]): row for row in found}
    row = by_name["ru", "mlqa_f1"]
    assert row["difference"] == pytest.approx(row["first"] - row["second"])
    assert row["low"] > 0
    assert row["p"] < 0.01
    assert row["n"] == 40
    assert row["signature"].startswith("paired|mlqa_f1|")
    same = by_name["fr", "reference_length"]
    assert (same["difference"], same["low"], same["high"], same["p"]) == (0, 0, 0, 1)
    mean = by_name["mean", "mlqa_f1"]
    assert mean["difference"] == pytest.approx(np.mean([by_name[code, "mlqa_f1"]["difference"] for code in WORDS]))
    assert mean["p"] is None
    json.dumps(found, allow_nan=False)


def test_what_does_not_pair_is_named() -> None:
    data = rows(12)
    left = [*data, {**data[0], "prediction": "again"}]
    right = [row for row in data if row["id"] not in (3, 4)] + [{**data[0], "id": "new", "language": "ru"}]
    found, pairs = compare(*(collected(each, metrics=["empty_rate"]) for each in (left, right)))
    assert pairs == {
        "paired": 10,
        "only_first": 3,
        "only_second": 1,
        "only_first_ids": ["fr 3", "th 4", "fr 0"],
        "only_second_ids": ["ru new"],
    }
    assert {row["language"]: row["n"] for row in found} == {"fr": 3, "th": 3, "ru": 4, "mean": 10}


def test_figures_that_only_one_system_has_are_not_compared() -> None:
    first = [{"id": 1, "language": "fr", "prediction": "x", "references": ["x"]}]
    second = [{"id": 1, "language": "fr", "prediction": "x"}]
    [row], _ = compare(*(collected(each, metrics=["mlqa_f1"]) for each in (first, second)))
    assert (row["first"], row["p"], row["n"]) == (None, None, 0)


def test_chunks_are_bounded_by_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(stream, "_CHARACTERS", 1_000)
    data = [{"language": "fr", "prediction": "x" * 600} for _ in range(10)]
    collect(
        entries(mapping_records(data), BadRows()),
        metrics=["empty_rate"],
        seen=lambda chunk: sizes.append(len(chunk)),
    )
    assert sizes == [2] * 5


def test_many_groups_keep_their_rows() -> None:
    data = [{"language": "fr", "prediction": "x " * n, "doc": n % 50} for n in range(200)]
    found = {row["doc"]: row for row in xlgen.score(data, ["prediction_length"], by=("doc",), bootstrap=0)}
    assert len(found) == 50
    assert found["7"]["value"] == pytest.approx(np.mean([7, 57, 107, 157]))
    assert all(math.isfinite(row["value"]) for row in found.values())


def test_too_many_groups_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_GROUPS", 20)
    with pytest.raises(InputError, match="more than 20 groups: id,language has too many values"):
        xlgen.score(rows(), ["empty_rate"], by=("id", "language"))


def test_figure_rows_name_the_subset() -> None:
    chosen = subset("no-digits-in-language")
    [row, *_] = figure_rows(collected(rows(), metrics=["mlqa_f1"]), 10, 5, chosen)
    assert row["signature"].endswith(f"|subset:{chosen.name}|bs:10|seed:5|xlgen:{xlgen.__version__}")
