"""Missing-prefix prediction: the text's beginning from what follows it (V, section 3.1)."""

from __future__ import annotations

import random

from xlgen.data.examples import EncodedExample
from xlgen.data.objectives import Codec, Lengths, Objective, Passage, encoded, objectives
from xlgen.data.objectives.splits import random_split


@objectives.register("missing_prefix")
class MissingPrefix(Objective):
    """Predict the missing first part of a passage from the rest."""

    Options = Lengths

    def make(self, passage: Passage, rng: random.Random, codec: Codec) -> EncodedExample:
        """One passage, cut at a random point."""
        prefix, rest = random_split(codec.pieces(passage.text)[: self.options.max_tokens], rng)
        return encoded(codec, rest, prefix, passage.language)
