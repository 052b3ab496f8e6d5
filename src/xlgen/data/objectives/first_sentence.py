"""First-sentence prediction: intermediate tuning of Chirkova et al. (2023, section 4)."""

from __future__ import annotations

import random

from xlgen.data.examples import EncodedExample
from xlgen.data.objectives import Codec, Objective, ObjectiveOptions, Passage, objectives
from xlgen.data.objectives.sentences import sentences_of


def first_and_rest(passage: Passage) -> tuple[str, str]:
    """The first sentence and the rest, both without white space at the ends."""
    first = sentences_of(passage)[0]
    end = passage.text.index(first) + len(first)
    return first, passage.text[end:].strip()


@objectives.register("first_sentence")
class FirstSentence(Objective[ObjectiveOptions]):
    """Predict the first sentence of a passage from all the following ones."""

    Options = ObjectiveOptions

    @property
    def takes_any_tokens(self) -> bool:
        """False, because the end of the first sentence must be known."""
        return False

    def fits(self, passage: Passage, codec: Codec) -> bool:
        """Whether there are two sentences or more, and both parts have tokens."""
        if len(sentences_of(passage)) < 2:
            return False
        return all(codec.tokenize(text) for text in first_and_rest(passage))

    def make(self, passage: Passage, rng: random.Random, codec: Codec) -> EncodedExample:
        """One example: the rest as source, the first sentence as target, tokenized separately. Not random."""
        first, rest = (codec.tokenize(text)[: self.options.max_tokens] for text in first_and_rest(passage))
        return self.encoded(codec, rest, first, passage.language)
