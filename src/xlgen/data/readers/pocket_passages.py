"""Questions of the pocket world with the sentences of their stories, graded by whether they have the answer."""

from __future__ import annotations

from collections.abc import Iterator

from xlgen.data.examples import Record
from xlgen.data.readers import readers
from xlgen.data.readers.pocket import PocketReader


@readers.register("pocket-passages")
class PocketPassagesReader(PocketReader):
    """Sentences of the pocket world's stories, each with a question. Fields: ``id question passage grade`` (1 if the
    sentence contains the answer, else 0)."""

    def read(self, language: str, split: str) -> Iterator[Record]:
        """The sentences of each story of one split in one language."""
        for record in super().read(language, split):
            fields = record.fields
            for number, sentence in enumerate(fields["sentences"]):
                grade = "1" if fields["answers"][0].casefold() in sentence.casefold() else "0"
                row = {"id": f"{fields['id']}-{number}", "question": fields["question"], "passage": sentence}
                yield Record({**row, "grade": grade}, f"{record.where}, sentence {number}")
