"""The pocket world as a dataset: stories of any split in any of its languages."""

from __future__ import annotations

import random
from collections.abc import Iterator

from pydantic import Field

from xlgen.data.examples import Record
from xlgen.data.readers import DataError, Reader, ReaderOptions, readers
from xlgen.pocket import world


class PocketOptions(ReaderOptions):
    """Options of the reader ``pocket``."""

    size: int = Field(default=4_000, ge=1)
    """Stories per split and language. Every language has the same frames, so rows are parallel."""
    seed: int = 0
    """Seed of the texts."""
    bilingual: float = Field(default=0.0, ge=0, le=1)
    """Share of documents with passages in a second language, as in web text."""


@readers.register("pocket")
class PocketReader(Reader[PocketOptions]):
    """Stories of the pocket world. Fields: ``id document summary title question answers asks text sentences roles``.

    There is one question per story; ``asks`` is its kind. ``roles`` are the roles of ``sentences``, unless these are
    bilingual.
    """

    Options = PocketOptions

    def languages(self) -> tuple[str, ...] | None:
        """All languages of the pocket world."""
        return world.LANGUAGES

    def read(self, language: str, split: str) -> Iterator[Record]:
        """The stories of one split in one language."""
        _check_language(language)
        if split not in world.SPLITS:
            raise DataError(f"the pocket world has no split {split!r}; it has {', '.join(world.SPLITS)}")
        for index, frame in enumerate(world.frames(split, self.options.size, self.options.seed)):
            rng = random.Random(f"{language}/{split}/{index}")
            yield self._record(frame, language, split, index, rng)

    def _record(self, frame: world.Frame, language: str, split: str, index: int, rng: random.Random) -> Record:
        story = world.render(frame, language)
        text, sentences = story.document, story.sentences
        if rng.random() < self.options.bilingual:
            other = rng.choice([code for code in world.LANGUAGES if code != language])
            sentences = world.bilingual(frame, language, other, rng)
            text = " ".join(sentences)
        # The kind depends only on the index, so that questions are parallel across languages too.
        kinds = list(story.questions)
        kind = kinds[index % len(kinds)]
        question, answer = story.questions[kind]
        fields = {
            "id": f"{split}-{index}",
            "document": story.document,
            "summary": story.summary,
            "title": story.title,
            "question": question,
            "answers": (answer,),
            "asks": kind,
            "text": text,
            "sentences": sentences,
            "roles": world.roles(frame),
        }
        return Record(fields, f"pocket world {language} {split}, story {index}")


class ParallelOptions(ReaderOptions):
    """Options of the reader ``pocket-parallel``."""

    size: int = Field(default=20_000, ge=1)
    """Pairs per source language."""
    seed: int = 0
    """Seed of the texts."""
    max_sentences: int = Field(default=3, ge=1, le=world.SHORTEST_DOCUMENT)
    """Maximum number of consecutive sentences of a pair (NLLB-200 was trained on single sentences)."""


@readers.register("pocket-parallel")
class PocketParallelReader(Reader[ParallelOptions]):
    """Passages of the pocket world's stories in two languages. Fields: ``text translation translation_language``."""

    Options = ParallelOptions

    def languages(self) -> tuple[str, ...] | None:
        """All languages of the pocket world."""
        return world.LANGUAGES

    def read(self, language: str, split: str) -> Iterator[Record]:
        """Pairs from ``language`` into random other languages."""
        _check_language(language)
        for index, frame in enumerate(world.frames("unlabelled", self.options.size, self.options.seed)):
            rng = random.Random(f"pair/{language}/{index}")
            other = rng.choice([code for code in world.LANGUAGES if code != language])
            mine, theirs = world.render(frame, language), world.render(frame, other)
            count = rng.randint(1, self.options.max_sentences)
            start = rng.randrange(len(mine.sentences) - count + 1)
            chosen = slice(start, start + count)
            fields = {
                "id": f"pair-{language}-{index}",
                "text": world.join(mine.sentences[chosen], language),
                "translation": world.join(theirs.sentences[chosen], other),
                "translation_language": other,
            }
            yield Record(fields, f"pocket world {language}-{other}, story {index}")


def _check_language(language: str) -> None:
    if language not in world.LANGUAGES:
        raise DataError(f"the pocket world has no {language!r}; it has {', '.join(world.LANGUAGES)}")
