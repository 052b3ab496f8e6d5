"""Translation, NLLB-200's pretraining objective: parallel text with the language code before each side."""

from __future__ import annotations

import random

from xlgen.core.registry import InputError
from xlgen.data.examples import EncodedExample
from xlgen.data.objectives import Codec, Objective, ObjectiveOptions, Passage, objectives


@objectives.register("translation")
class Translation(Objective[ObjectiveOptions]):
    """Predict the translation of a passage; the corpus must be parallel."""

    Options = ObjectiveOptions

    @property
    def takes_any_tokens(self) -> bool:
        """False, because a chunk of a text has no translation."""
        return False

    def fits(self, passage: Passage, codec: Codec) -> bool:
        """Whether neither text nor translation is empty. A missing translation passes, since :meth:`make` raises."""
        return super().fits(passage, codec) and (
            passage.translation is None or bool(codec.tokenize(passage.translation))
        )

    def make(self, passage: Passage, rng: random.Random, codec: Codec) -> EncodedExample:
        """One sentence pair. Raises InputError for text without a translation."""
        if passage.translation is None or passage.translation_language is None:
            raise InputError("the objective 'translation' needs a parallel corpus, such as {name: pocket-parallel}")
        source = codec.tokenize(passage.text)[: self.options.max_tokens]
        target = codec.tokenize(passage.translation)[: self.options.max_tokens]
        language = passage.translation_language
        return EncodedExample(codec.source(source, passage.language), codec.target(target, language), language)
