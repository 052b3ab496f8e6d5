"""A published encoder at its full shape trains under a head, as `benchmarks/full_shapes_heads.py` measures it."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.mark.slow
def test_multilingual_bert_trains_under_a_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """12 layers of 768 and 119,547 pieces: 177 million parameters, as google-research/bert says (178)."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    script = importlib.import_module("full_shapes_heads")
    found = script.measure("bert")
    assert found.parameters == pytest.approx(177.3e6, rel=0.01)
    assert len(found.losses) == 3
    assert found.losses[-1] < found.losses[0]
    assert found.gib < 8
