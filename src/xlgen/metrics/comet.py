"""COMET: a model trained on human judgements of translation (Rei et al. 2020), by the authors' library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np

from xlgen.core.registry import InputError
from xlgen.metrics.base import Example, MetricSpec, Scores, metrics
from xlgen.metrics.bounds import COUNT

if TYPE_CHECKING:
    from comet.models import CometModel

_MISSING = (
    "comet needs the package unbabel-comet. Its release 2.2.7 requires numpy<2 and transformers<5, which are too old"
    " for xlgen, so pip cannot install both; a later release may work: pip install unbabel-comet"
)


@metrics.register("comet")
@dataclass(frozen=True)
class Comet:
    """COMET against the best reference, times 100; needs unbabel-comet, and imports torch.

    The model scores a prediction given its input and a reference. A COMET checkpoint is a pickle, which can run code
    when it is loaded: use only one that you trust.
    """

    model: str = "Unbabel/wmt22-comet-da"
    """Name on the Hub, or the path of a checkpoint (``.ckpt``)."""
    batch_size: Annotated[int, COUNT] = 16
    """Number of examples per forward pass."""

    figures: ClassVar[tuple[MetricSpec, ...]] = (MetricSpec("comet"),)

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """The model's scores, about 0 to 1 for the models of 2022; NaN without an input or references.

        Raises:
            InputError: if the library or the model is missing.
        """
        scores = np.full(len(examples), np.nan)
        pairs = [
            (row, {"src": example.input, "mt": example.prediction, "ref": reference})
            for row, example in enumerate(examples)
            if example.input is not None
            for reference in example.references
        ]
        if pairs:
            found = _load(self.model).predict([texts for _, texts in pairs], batch_size=self.batch_size, gpus=0)
            np.fmax.at(scores, [row for row, _ in pairs], np.array(found["scores"], dtype=float))
        return {"comet": scores}

    def signature(self, language: str) -> str:
        """Model and the library's version."""
        try:
            return f"model:{Path(self.model).name.replace(' ', '_')}|comet:{version('unbabel-comet')}"
        except PackageNotFoundError as error:
            raise InputError(_MISSING) from error


@cache
def _load(model: str) -> CometModel:
    try:
        import comet
    except ImportError as error:
        raise InputError(_MISSING) from error
    try:
        path = model if Path(model).is_file() else comet.download_model(model)
        found: CometModel = comet.load_from_checkpoint(path)
        return found
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"comet cannot load {model!r}: {error}") from error
