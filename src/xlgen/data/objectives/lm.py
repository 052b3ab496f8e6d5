"""LM: predict the whole text from an empty input (Vu et al. 2022, section 3.1; IT-LM in Appendix F)."""

from __future__ import annotations

import random

from xlgen.data.examples import EncodedExample
from xlgen.data.objectives import Codec, Objective, ObjectiveOptions, Passage, objectives


@objectives.register("lm")
class LM(Objective[ObjectiveOptions]):
    """Predict a passage from an empty input."""

    Options = ObjectiveOptions

    def make(self, passage: Passage, rng: random.Random, codec: Codec) -> EncodedExample:
        """One passage; not random."""
        return self.encoded(codec, (), self.tokens(passage, codec), passage.language)
