"""N-token prefix prediction: copy the first n tokens of the input (V, section 3.1)."""

from __future__ import annotations

import random

from pydantic import Field

from xlgen.data.examples import EncodedExample
from xlgen.data.objectives import Codec, Objective, ObjectiveLengths, Passage, objectives


class NTokenPrefixOptions(ObjectiveLengths):
    """V gives no n."""

    num_tokens: int = Field(default=32, ge=1)
    """How many tokens are copied; all of a shorter text."""


@objectives.register("n_token_prefix")
class NTokenPrefix(Objective):
    """Copy the first n tokens of a passage."""

    Options = NTokenPrefixOptions

    def make(self, passage: Passage, rng: random.Random, codec: Codec) -> EncodedExample:
        """The passage and its first tokens; nothing is drawn."""
        ids = self.tokens(passage, codec)
        return self.encoded(codec, ids, ids[: self.options.num_tokens], passage.language)
