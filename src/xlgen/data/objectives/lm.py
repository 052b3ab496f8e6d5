"""LM: the whole text, left to right, from an empty input (V, section 3.1; intermediate tuning IT-LM, Appendix F)."""

from __future__ import annotations

import random

from xlgen.data.examples import EncodedExample
from xlgen.data.objectives import Codec, Objective, ObjectiveLengths, Passage, objectives


@objectives.register("lm")
class LM(Objective):
    """Predict a passage from nothing."""

    Options = ObjectiveLengths

    def make(self, passage: Passage, rng: random.Random, codec: Codec) -> EncodedExample:
        """One passage; nothing is drawn."""
        return self.encoded(codec, (), self.tokens(passage, codec), passage.language)
