"""Share of outputs in the script of the target language, determined by their characters only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import regex

from xlgen.core.languages import Language
from xlgen.metrics.base import Example, MetricSpec, Scores, metrics
from xlgen.metrics.scripts import share_in_script


@metrics.register("script_rate")
@dataclass(frozen=True)
class ScriptRate:
    """Share of outputs with at least half of their letters in the script of the target language, in percent.

    The script is that of the table of languages: ``sr`` is Cyrillic and ``sr-Latn`` Latin, ``hi-Latn`` is romanized
    Hindi, ``zh`` simplified and ``zh-Hant`` traditional Chinese, which differ by the characters that only GB 2312 or
    only Big5 has. An output without letters has no score, but an empty output counts 0. The language itself does not
    matter: French is in the script of German.
    """

    figures: ClassVar[tuple[MetricSpec, ...]] = (MetricSpec("script_rate", best=100.0),)

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """1 or 0; NaN without letters."""
        return {"script_rate": np.array([_in_script(example) for example in examples], dtype=float)}

    def signature(self, language: str) -> str:
        """The script, and the version of the library that defines its letters."""
        return f"script:{Language.parse(language).script}|regex:{regex.__version__}"


def _in_script(example: Example) -> float:
    if not example.prediction.strip():
        return 0.0
    share = share_in_script(example.prediction, Language.parse(example.language).script)
    return share if math.isnan(share) else float(share >= 0.5)
