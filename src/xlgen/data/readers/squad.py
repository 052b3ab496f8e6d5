"""SQuAD-format JSON (SQuAD 1.1, XQuAD, MLQA, TyDiQA-GoldP): paragraphs with questions and answers by offset."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from xlgen.data.examples import Record
from xlgen.data.readers import DataError, readers
from xlgen.data.readers.files import FileReader

_BYTE_ORDER_MARK = "\ufeff"


@readers.register("squad")
class SquadReader(FileReader):
    """Fields: ``id title context question answers`` (a tuple of distinct texts, in the order of the file).

    Some XQuAD contexts begin with U+FEFF and ``answer_start`` counts it, so it is taken off only after every answer
    has been checked against its offset.
    """

    def read(self, language: str, split: str) -> Iterator[Record]:
        """Rows of the file. Raises DataError where an answer does not stand at its offset."""
        path = self.path(language, split)
        try:
            data = json.loads(path.read_text(encoding="utf-8-sig"))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise DataError(f"{path} is not valid JSON: {error}") from None
        try:
            for article in data["data"]:
                for paragraph in article["paragraphs"]:
                    for question in paragraph["qas"]:
                        yield self._record(article.get("title", ""), paragraph["context"], question, str(path))
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path} is not SQuAD-format JSON (data/paragraphs/qas): missing {error}") from None

    def _record(self, title: str, context: str, question: dict[str, Any], path: str) -> Record:
        where = f"{path}, question {question['id']}"
        for answer in question["answers"]:
            start, text = answer["answer_start"], answer["text"]
            if context[start : start + len(text)] != text:
                found = context[start : start + len(text)]
                raise DataError(f"{where}: answer {text!r} is not at offset {start}, where {found!r} stands")
        texts = dict.fromkeys(answer["text"].strip() for answer in question["answers"])
        fields = {
            "id": question["id"],
            "title": title,
            "context": context.removeprefix(_BYTE_ORDER_MARK),
            "question": question["question"].strip(),
            "answers": tuple(texts),
        }
        return Record(fields, where)
