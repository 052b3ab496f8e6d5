"""Missing-prefix prediction: the first part of a text from the rest (Vu et al. 2022, section 3.1)."""

from __future__ import annotations

import random

from xlgen.data.examples import EncodedExample
from xlgen.data.objectives import Codec, Objective, ObjectiveOptions, Passage, objectives
from xlgen.data.objectives.splits import random_split


@objectives.register("missing_prefix")
class MissingPrefix(Objective[ObjectiveOptions]):
    """Predict the missing first part of a passage from the rest."""

    Options = ObjectiveOptions
    least_tokens = 2

    def make(self, passage: Passage, rng: random.Random, codec: Codec) -> EncodedExample:
        """One passage, split at a random point."""
        prefix, rest = random_split(self.tokens(passage, codec), rng)
        return self.encoded(codec, rest, prefix, passage.language)
