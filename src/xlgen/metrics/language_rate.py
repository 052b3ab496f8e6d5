"""Is the output in the right language? The correct-language rate (C) and the confidence of identification (V)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from xlgen.languages import Language
from xlgen.metrics.base import Example, Figure, Scores, plugins
from xlgen.metrics.lid import SMALL, LanguageIdentifier, load


@plugins.register("language_rate")
@dataclass(frozen=True)
class LanguageRate:
    """Correct-language rate and confidence of language identification, both in percent.

    - ``correct_language_rate``: the share of predictions whose top label is the target language (Chirkova et al. 2023,
      appendix A, who use lid.176.bin).
    - ``lid_confidence``: the mean probability of the target's label (Vu et al. 2022, section 2.3, LID_lang, from cld3).
      It is taken wherever the label stands, not only on top: a mean of probabilities then does not jump where two
      close languages change places. It is 0 for a label the model lacks.

    An empty prediction is wrong and has confidence 0. Both are NaN for a language without a label.
    """

    identifier: str | LanguageIdentifier = SMALL
    """A name or path for :func:`xlgen.metrics.lid.load`, or an identifier."""

    figures: ClassVar[tuple[Figure, ...]] = (Figure("correct_language_rate", best=100.0), Figure("lid_confidence"))

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """1 or 0, and a probability in [0, 1]."""
        correct = np.zeros(len(examples))
        confidence = np.zeros(len(examples))
        targets = [Language.parse(example.language).fasttext for example in examples]
        asked = [i for i, example in enumerate(examples) if targets[i] and example.prediction.strip()]
        texts, labels = [examples[i].prediction for i in asked], [targets[i] for i in asked]
        found = self._load().identify(texts)
        correct[asked] = [top == label for (top, _), label in zip(found, labels, strict=True)]
        confidence[asked] = self._load().confidence(texts, labels)
        unlabelled = [not target for target in targets]
        correct[unlabelled] = confidence[unlabelled] = np.nan
        return {"correct_language_rate": correct, "lid_confidence": confidence}

    def signature(self, language: str) -> str:
        """The identification model, and the label it is expected to give."""
        return f"lid:{self._load().name}|label:{Language.parse(language).fasttext or 'none'}"

    def _load(self) -> LanguageIdentifier:
        return load(self.identifier) if isinstance(self.identifier, str) else self.identifier
