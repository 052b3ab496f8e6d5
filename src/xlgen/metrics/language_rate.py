"""Correct-language rate (Chirkova et al. 2023) and confidence of language identification (Vu et al. 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from xlgen.core.languages import Language
from xlgen.metrics.base import Example, MetricSpec, Scores, metrics
from xlgen.metrics.lid import SMALL, LanguageIdentifier, load_identifier


@metrics.register("language_rate")
@dataclass(frozen=True)
class LanguageRateMetric:
    """Correct-language rate and confidence of language identification, both in percent.

    - ``correct_language_rate``: the share of predictions whose top label is the target language (Chirkova et al. 2023,
      appendix A, who use lid.176.bin).
    - ``lid_confidence``: the mean probability of the target's label (Vu et al. 2022, section 2.3, LID_lang, from cld3).
      It counts at any rank of the label, not only at the top, so that the mean does not jump when two close languages
      swap ranks. cld3 itself returns only the probability of its first choice.

    - ``reference_language_rate``: the share of examples whose first reference has the target as its top label. Correct
      outputs would have about this rate: it is the ceiling of ``correct_language_rate`` (90 for Swahili, 33 for Malay,
      with lid.176.ftz on NTREX-128).

    An empty prediction counts as wrong with confidence 0. All values are NaN for a language that the identifier has no
    label for.
    """

    identifier: str | LanguageIdentifier = SMALL
    """Language identifier: a name from ``xlgen list identifiers``, or the path of a fastText file. In Python, also an
    identifier object."""

    figures: ClassVar[tuple[MetricSpec, ...]] = (
        MetricSpec("correct_language_rate", best=100.0),
        MetricSpec("lid_confidence"),
        MetricSpec("reference_language_rate", higher_is_better=None),
    )

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """1 or 0, and a probability in [0, 1]."""
        correct = np.zeros(len(examples))
        confidence = np.zeros(len(examples))
        identifier = self._load()
        codes = [identifier.code(Language.parse(example.language)) for example in examples]
        asked = [i for i, example in enumerate(examples) if codes[i] and example.prediction.strip()]
        texts, wanted = [examples[i].prediction for i in asked], [codes[i] for i in asked]
        found = identifier.identify(texts)
        correct[asked] = [top == code for (top, _), code in zip(found, wanted, strict=True)]
        confidence[asked] = identifier.confidence(texts, wanted)
        unlabelled = [not code for code in codes]
        correct[unlabelled] = confidence[unlabelled] = np.nan
        ceiling = self._of_references(examples, codes, identifier)
        return {
            "correct_language_rate": correct,
            "lid_confidence": confidence,
            "reference_language_rate": ceiling,
        }

    def _of_references(
        self, examples: Sequence[Example], codes: Sequence[str], identifier: LanguageIdentifier
    ) -> Scores:
        """Whether the first reference of each example has the target as its top label; NaN without one."""
        found = np.full(len(examples), np.nan)
        known = [
            row for row, each in enumerate(examples) if codes[row] and each.references and each.references[0].strip()
        ]
        tops = identifier.identify([examples[row].references[0] for row in known])
        found[known] = [top == codes[row] for row, (top, _) in zip(known, tops, strict=True)]
        return found

    def signature(self, language: str) -> str:
        """The identification model, and the expected label."""
        identifier = self._load()
        return f"lid:{identifier.name}|label:{identifier.code(Language.parse(language)) or 'none'}"

    def _load(self) -> LanguageIdentifier:
        return load_identifier(self.identifier) if isinstance(self.identifier, str) else self.identifier
