"""Files in SQuAD's format (Rajpurkar et al. 2016): articles with paragraphs with questions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from xlgen.core.json_types import JsonMapping, JsonValue


class Question(NamedTuple):
    """A question and its paragraph."""

    title: str
    context: str
    fields: JsonMapping
    """``id``, ``question``, ``answers``, and ``is_impossible`` in SQuAD 2.0."""

    @property
    def answers(self) -> list[JsonMapping]:
        """The answers, with ``text`` and ``answer_start``; none if ``is_impossible`` is true."""
        return [] if self.fields.get("is_impossible") else list(self.fields["answers"])

    @property
    def texts(self) -> tuple[str, ...]:
        """The distinct texts of the answers that are not blank, in order; none for an unanswerable question."""
        found = dict.fromkeys(str(answer["text"]).strip() for answer in self.answers)
        return tuple(text for text in found if text)


def questions(data: JsonValue) -> Iterator[Question]:
    """All questions of a file. Raises KeyError, TypeError or AttributeError if it does not have the format."""
    for article in data["data"]:
        for paragraph in article["paragraphs"]:
            for fields in paragraph["qas"]:
                yield Question(article.get("title", ""), paragraph["context"], fields)
