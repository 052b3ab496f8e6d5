"""N-token prefix prediction: copy the first n tokens of the input (Vu et al. 2022, section 3.1)."""

from __future__ import annotations

import random

from pydantic import Field

from xlgen.data.examples import EncodedExample
from xlgen.data.objectives import Codec, Objective, ObjectiveOptions, Passage, objectives


class NTokenPrefixOptions(ObjectiveOptions):
    """Options of the objective. Vu et al. (2022) do not report n."""

    num_tokens: int = Field(default=32, ge=1)
    """Number of copied tokens; a shorter text is copied whole."""


@objectives.register("n_token_prefix")
class NTokenPrefix(Objective[NTokenPrefixOptions]):
    """Copy the first n tokens of a passage."""

    Options = NTokenPrefixOptions

    def make(self, passage: Passage, rng: random.Random, codec: Codec) -> EncodedExample:
        """One example: the passage as source, its first tokens as target. Not random."""
        ids = self.tokens(passage, codec)
        return self.encoded(codec, ids, ids[: self.options.num_tokens], passage.language)
