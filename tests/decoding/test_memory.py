"""Decoding continues with smaller batches when memory runs out."""

import logging
from typing import Any

import pytest
import torch

from xlgen.backbones.base import Backbone
from xlgen.core.config import Sampling
from xlgen.decoding.batch import Batch
from xlgen.decoding.decode import hypotheses
from xlgen.decoding.engine import Engine
from xlgen.decoding.settings import Decoding


class Scarce:
    """Raises ``error`` if a batch has more than ``inputs`` inputs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, inputs: int, error: Exception) -> None:
        original = Engine.admit

        def admit(engine: Engine, batch: Batch | None, new: Batch) -> Batch:
            if (len(batch) if batch else 0) + len(new) > inputs:
                raise error
            return original(engine, batch, new)

        monkeypatch.setattr(Engine, "admit", admit)


ERRORS = [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory: you tried to allocate 9")]


@pytest.mark.spread(1)
@pytest.mark.parametrize("error", ERRORS, ids=["cuda", "cpu"])
@pytest.mark.parametrize("sampling", [None, Sampling(seed=5)], ids=["search", "samples"])
def test_smaller_batches_give_the_same(
    any_backbone: Backbone,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    sampling: Any,
) -> None:
    code = any_backbone.languages[0]
    sources = [any_backbone.source(list(range(20, 23 + i % 5)), code) for i in range(40)]
    decoding = Decoding(6, 2, batch_tokens=600, sampling=sampling)
    wanted = hypotheses(any_backbone, sources, [code] * 40, decoding)
    Scarce(monkeypatch, 12, error)
    counted: list[int] = []
    with caplog.at_level(logging.WARNING):
        found = hypotheses(any_backbone, sources, [code] * 40, decoding, progress=counted.append)
    assert [best[0].tokens for best in found] == [best[0].tokens for best in wanted]
    assert sum(counted) == 40
    assert "continuing with batch_tokens" in caplog.text


@pytest.mark.spread(3)
@pytest.mark.parametrize(("inputs", "error"), [(0, ERRORS[0]), (12, RuntimeError("shapes do not match"))])
def test_an_error_that_smaller_batches_do_not_fix_is_raised(
    any_backbone: Backbone, monkeypatch: pytest.MonkeyPatch, inputs: int, error: Exception
) -> None:
    code = any_backbone.languages[0]
    Scarce(monkeypatch, inputs, error)
    with pytest.raises(RuntimeError, match=str(error)):
        hypotheses(any_backbone, [any_backbone.source([20], code)] * 40, [code] * 40, Decoding(6, batch_tokens=600))
