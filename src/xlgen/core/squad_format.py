"""Files in SQuAD's format (Rajpurkar et al. 2016): articles with paragraphs with questions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from xlgen.core.json_types import JsonMapping, JsonValue


class Question(NamedTuple):
    """A question with the paragraph that it is about."""

    title: str
    context: str
    fields: JsonMapping
    """``id``, ``question``, ``answers``, and ``is_impossible`` in SQuAD 2.0."""

    @property
    def answers(self) -> list[JsonMapping]:
        """Its answers, with ``text`` and ``answer_start``; none where ``is_impossible`` says so."""
        return [] if self.fields.get("is_impossible") else list(self.fields["answers"])

    @property
    def texts(self) -> tuple[str, ...]:
        """The distinct texts of its answers that are not blank, in their order; none of an unanswerable question."""
        found = dict.fromkeys(str(answer["text"]).strip() for answer in self.answers)
        return tuple(text for text in found if text)


def questions(data: JsonValue) -> Iterator[Question]:
    """All questions of a file. Raises KeyError, TypeError or AttributeError where it is not in the format."""
    for article in data["data"]:
        for paragraph in article["paragraphs"]:
            for fields in paragraph["qas"]:
                yield Question(article.get("title", ""), paragraph["context"], fields)
