"""Prefix LM: continue the first part of a text (Raffel et al. 2020, section 3.1.1; Vu et al. 2022, section 3.1).

LM adaptation is this objective on text of all languages, for 100,000 steps (Lester et al. 2021; Vu et al. 2022, section
2.2).
"""

from __future__ import annotations

import random

from xlgen.data.examples import EncodedExample
from xlgen.data.objectives import Codec, Objective, ObjectiveOptions, Passage, objectives
from xlgen.data.objectives.splits import random_split


@objectives.register("prefix_lm")
class PrefixLM(Objective[ObjectiveOptions]):
    """Predict the rest of a passage from its first part."""

    Options = ObjectiveOptions

    def make(self, passage: Passage, rng: random.Random, codec: Codec) -> EncodedExample:
        """One passage, split at a random point."""
        prefix, rest = random_split(self.tokens(passage, codec), rng)
        return self.encoded(codec, prefix, rest, passage.language)
