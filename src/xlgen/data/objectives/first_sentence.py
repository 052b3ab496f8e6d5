"""First-sentence prediction: C's intermediate tuning (section 4, "Effect of intermediate tuning")."""

from __future__ import annotations

import random

from xlgen.data.examples import EncodedExample
from xlgen.data.objectives import Codec, Objective, ObjectiveLengths, Passage, objectives
from xlgen.data.objectives.sentences import sentences_of


def first_and_rest(passage: Passage) -> tuple[str, str]:
    """The first sentence, and what follows it; neither begins or ends with white space."""
    first = sentences_of(passage)[0]
    end = passage.text.index(first) + len(first)
    return first, passage.text[end:].strip()


@objectives.register("first_sentence")
class FirstSentence(Objective):
    """Predict the first sentence of a passage from all the following ones."""

    Options = ObjectiveLengths

    @property
    def takes_any_tokens(self) -> bool:
        """It needs to know where the first sentence ends."""
        return False

    def fits(self, passage: Passage, codec: Codec) -> bool:
        """Two sentences at least, each of which has a token."""
        if len(sentences_of(passage)) < 2:
            return False
        return all(codec.tokenize(text) for text in first_and_rest(passage))

    def make(self, passage: Passage, rng: random.Random, codec: Codec) -> EncodedExample:
        """The rest and the first sentence, as they would be tokenized by themselves; nothing is drawn."""
        first, rest = (codec.tokenize(text)[: self.options.max_tokens] for text in first_and_rest(passage))
        return self.encoded(codec, rest, first, passage.language)
