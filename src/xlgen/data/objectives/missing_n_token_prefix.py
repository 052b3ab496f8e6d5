"""Missing n-token prefix prediction: the n tokens missing at the start of the input (Vu et al. 2022, section 3.1)."""

from __future__ import annotations

import random

from pydantic import Field

from xlgen.data.examples import EncodedExample
from xlgen.data.objectives import Codec, Objective, ObjectiveOptions, Passage, objectives
from xlgen.data.objectives.splits import first_tokens


class MissingNTokenPrefixOptions(ObjectiveOptions):
    """Options of the objective. Vu et al. (2022) do not report n."""

    num_tokens: int = Field(default=32, ge=1)
    """Number of hidden tokens; in a shorter text, all but the last token."""


@objectives.register("missing_n_token_prefix")
class MissingNTokenPrefix(Objective[MissingNTokenPrefixOptions]):
    """Predict the missing first n tokens of a passage."""

    Options = MissingNTokenPrefixOptions
    least_tokens = 2

    def make(self, passage: Passage, rng: random.Random, codec: Codec) -> EncodedExample:
        """One example: the passage without its first tokens as source, these as target. Not random."""
        prefix, rest = first_tokens(self.tokens(passage, codec), self.options.num_tokens)
        return self.encoded(codec, rest, prefix, passage.language)
