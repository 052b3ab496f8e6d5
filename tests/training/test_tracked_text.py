"""XLRS as Li and Murray (2023, footnote 2) define it: random test sentences, plain, the same ones for every task."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synthetic import write_run
from xlgen.analysis.correlation import xlrs_correlations
from xlgen.backbones.base import Backbone
from xlgen.core.config import TrackedText
from xlgen.core.registry import InputError
from xlgen.data.readers import DataError
from xlgen.evaluation.xlrs_tracking import ParallelTexts, read_parallel
from xlgen.experiments.plan import load_study
from xlgen.metrics.xlrs import definition
from xlgen.runs.rows import load_results as load_results


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    for code, word in (("en", "story"), ("fr", "histoire")):
        for split in ("validation", "test"):
            rows = [{"id": f"{split}-{n}", "src": f"{word} {n} of {split}"} for n in range(40)]
            (tmp_path / f"{code}.{split}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return tmp_path


def texts(corpus: Path, backbone: Backbone, **changes: Any) -> ParallelTexts:
    config = {"corpus": {"reader": "jsonl", "path": "{language}.{split}.jsonl"}, "field": "src", **changes}
    return read_parallel(TrackedText.model_validate(config), backbone, ("fr",), "en", corpus)


@pytest.fixture
def tiny(backbone_of: Callable[[str], Backbone]) -> Backbone:
    return backbone_of("mt5")


def test_random_test_texts_the_same_in_every_language(corpus: Path, tiny: Backbone) -> None:
    found = texts(corpus, tiny, sentences=10)
    places = sorted(random.Random(0).sample(range(40), 10))
    assert found.ids == [f"test-{place}" for place in places] != [f"test-{n}" for n in range(10)]
    for code, word in (("en", "story"), ("fr", "histoire")):
        plain = [tiny.source(tiny.tokenize(f"{word} {place} of test"), code) for place in places]
        assert [list(each.source) for each in found.inputs[code]] == [list(ids) for ids in plain]


def test_the_sample_depends_on_its_seed_alone(corpus: Path, tiny: Backbone) -> None:
    assert texts(corpus, tiny, sentences=10).ids == texts(corpus, tiny, sentences=10, max_tokens=9).ids
    assert texts(corpus, tiny, sentences=10, seed=1).ids != texts(corpus, tiny, sentences=10).ids
    assert texts(corpus, tiny, sentences=10, seed=None).ids == [f"test-{n}" for n in range(10)]
    assert len(texts(corpus, tiny).ids) == 40  # fewer than 512: all of them


def test_a_text_that_one_language_lacks_is_refused_whether_it_is_drawn_or_not(corpus: Path, tiny: Backbone) -> None:
    rows = (corpus / "fr.test.jsonl").read_text(encoding="utf-8").splitlines()
    (corpus / "fr.test.jsonl").write_text("\n".join(rows[:-1]), encoding="utf-8")
    for seed in range(4):
        with pytest.raises(DataError, match="'test-39' is in en only"):
            texts(corpus, tiny, sentences=2, seed=seed)


def test_the_signature_names_texts_split_sample_number_and_cut(corpus: Path, tiny: Backbone) -> None:
    from xlgen.adaptation.base import methods

    method = methods.build({"method": "full"})
    method.prepare(tiny)
    row = texts(corpus, tiny, sentences=10).measure(tiny, method, "fp32", 0)["fr"]
    parts = dict(part.split(":", 1) for part in row.signature.split("|") if ":" in part)
    expected = {"texts": "jsonl:{language}.{split}.jsonl:src", "split": "test", "sample": "0", "sentences": "10"}
    assert parts.items() >= {**expected, "cut": "128", "pivot": "en", "states": "encoder-mean"}.items()
    changed = json.dumps({"id": "test-0", "src": "another story"})
    for code in ("en", "fr"):
        lines = (corpus / f"{code}.test.jsonl").read_text(encoding="utf-8").splitlines()
        (corpus / f"{code}.test.jsonl").write_text("\n".join([changed + "", *lines[1:]]), encoding="utf-8")
    again = texts(corpus, tiny).signature
    assert parts["digest"] not in again  # other texts of the same name


def test_all_tasks_of_both_studies_track_the_same_texts() -> None:
    found = {
        json.dumps(run.recipe.stages[-1].evaluation.xlrs.model_dump(mode="json"))  # type: ignore[union-attr]
        for name in ("l-generation", "l-understanding")
        for run in load_study(name).runs
    }
    (only,) = map(json.loads, found)
    assert (only["split"], only["sentences"], only["seed"], only["field"]) == ("test", 512, 0, "src")
    assert set(only["languages"]) == {"en", "de", "es", "fr", "zh"}
    assert all(run.recipe.stages[-1].evaluation.at_start for run in load_study("l-understanding").runs)


def _write(folder: Path, texts: str, **changes: Any) -> None:
    write_run(folder, **changes)
    events = [{"event": "step", "step": 3, "loss": 1.0}]
    for step in (1, 2, 3):
        shared = {"event": "figure", "step": step, "language": "fr"}
        sign = f"xlrs|states:encoder-mean|{texts}|sentences:{step + 4}|digest:{step}|bs:0"
        events += [
            {**shared, "metric": "xlrs", "value": step / 10, "signature": sign},
            {**shared, "metric": "rougeL", "value": 9.0 - step, "signature": "x"},
        ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))


def test_xlrs_of_different_texts_is_not_correlated_together(tmp_path: Path) -> None:
    _write(tmp_path / "same" / "runs" / "a", "texts:jsonl:x|split:test|sample:0|cut:128")
    _write(tmp_path / "same" / "runs" / "b", "texts:jsonl:x|split:test|sample:0|cut:128", seed=1)
    found = xlrs_correlations(load_results(tmp_path / "same"))
    assert found and all(row.rho == pytest.approx(-1) for row in found)
    for number, other in enumerate(
        (
            "texts:inputs of pocket-titles|split:test|cut:256",
            "texts:jsonl:x|split:validation|sample:0|cut:128",
            "texts:jsonl:x|split:test|sample:first|cut:128",
            "texts:jsonl:x|split:test|sample:0|cut:64",
        )
    ):
        folder = tmp_path / str(number)
        _write(folder / "runs" / "a", "texts:jsonl:x|split:test|sample:0|cut:128")
        _write(folder / "runs" / "b", other, seed=1)
        with pytest.raises(InputError, match="measured on different texts"):
            xlrs_correlations(load_results(folder))


def test_what_defines_a_score() -> None:
    signature = "xlrs|texts:jsonl:a.{split}.jsonl:src|split:test|sample:0|sentences:5|cut:128|seed:0"
    assert definition(signature) == ("texts:jsonl:a.{split}.jsonl:src", "split:test", "sample:0", "cut:128")
