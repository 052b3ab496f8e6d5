"""SQuAD-format JSON (SQuAD 1.1, XQuAD, MLQA, TyDiQA-GoldP): paragraphs with questions and answers by offset."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import field_validator

from xlgen.core.squad_format import Question, questions
from xlgen.core.untrusted import NotJsonError, parse_json
from xlgen.data.examples import Record
from xlgen.data.readers import DataError, readers
from xlgen.data.readers.files import FileOptions, FileReader

_LARGEST = 2**31
_BYTE_ORDER_MARK = "\ufeff"


class SquadOptions(FileOptions):
    """Options of the reader ``squad``."""

    no_answer: str | None = None
    """The answer of unanswerable questions (SQuAD 2.0), such as ``unanswerable``. If None, they are left out."""

    @field_validator("no_answer")
    @classmethod
    def _is_text(cls, text: str | None) -> str | None:
        if text is not None and not text.strip():
            raise ValueError("a model learns to write this text, so it cannot be blank")
        return text


@readers.register("squad")
class SquadReader(FileReader[SquadOptions]):
    """JSON files in SQuAD's format. Fields: ``id title context question answers`` (a tuple of distinct texts, in
    the order of the file).

    Some XQuAD contexts begin with U+FEFF, which ``answer_start`` counts, so it is removed only after every answer has
    been checked against its offset. A question is unanswerable if ``is_impossible`` is set (SQuAD 2.0), or if its
    answers are all blank or there are none; its ``plausible_answers`` are not read.
    """

    Options = SquadOptions

    def read(self, language: str, split: str) -> Iterator[Record]:
        """Rows of the file. Raises DataError if an answer is not at its offset."""
        path = self.path(language, split)
        try:
            data = parse_json(self.whole(path, _LARGEST), str(path))
        except NotJsonError as error:
            raise DataError(str(error)) from None
        try:
            for question in questions(data):
                record = self._record(question, str(path))
                if record.fields["answers"]:
                    yield record
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path} is not SQuAD-format JSON (data/paragraphs/qas): missing {error}") from None

    def _record(self, question: Question, path: str) -> Record:
        where, context = f"{path}, question {question.fields['id']}", question.context
        for answer in question.answers:
            start, text = answer["answer_start"], answer["text"]
            if context[start : start + len(text)] != text:
                found = context[start : start + len(text)]
                raise DataError(f"{where}: answer {text!r} is not at offset {start}; the text there is {found!r}")
        fields = {
            "id": question.fields["id"],
            "title": question.title,
            "context": context.removeprefix(_BYTE_ORDER_MARK),
            "question": question.fields["question"].strip(),
            "answers": question.texts or (() if self.options.no_answer is None else (self.options.no_answer,)),
        }
        return Record(fields, where)
