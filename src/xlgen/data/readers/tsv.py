"""Tab-separated values without quoting, so that a quotation mark is text: XGLUE's files and most of GLUE's."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import field_validator

from xlgen.data.examples import Record
from xlgen.data.readers import readers
from xlgen.data.readers.files import FileOptions, FileReader, Separator


class TsvOptions(FileOptions):
    """Options of the reader ``tsv``."""

    separator: Separator | None = "\t"
    """The separator of columns. If None, any white space."""
    columns: tuple[str, ...] = ()
    """Names of the columns, in order. By default, the first line has them."""

    @field_validator("columns")
    @classmethod
    def _each_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if "" in names or len(set(names)) != len(names):
            raise ValueError("each column needs a unique name")
        return names


@readers.register("tsv")
class TsvReader(FileReader[TsvOptions]):
    """Tab-separated values without quoting, as in GLUE and XGLUE; columns are named by ``columns`` or the first line.

    Rows also have the field ``line``, their line number.
    """

    Options = TsvOptions

    def read(self, language: str, split: str) -> Iterator[Record]:
        """Rows of the file. Raises DataError with file and line for a wrong number of columns."""
        path = self.path(language, split)
        for number, fields in self.rows(path, self.options.separator, False, self.options.columns):
            yield Record({"line": number, **fields}, f"{path}, line {number}")
