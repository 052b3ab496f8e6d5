"""Values with tabs between them and no quotes, so that a quotation mark is text: XGLUE's files and most of GLUE's."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import field_validator

from xlgen.data.examples import Record
from xlgen.data.readers import readers
from xlgen.data.readers.files import FileOptions, FileReader, Separator


class TsvOptions(FileOptions):
    """Where the files are, and what their columns are called."""

    separator: Separator | None = "\t"
    """None: any white space."""
    columns: tuple[str, ...] = ()
    """Names in the order of the file; by default the first line has them."""

    @field_validator("columns")
    @classmethod
    def _each_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if "" in names or len(set(names)) != len(names):
            raise ValueError("each column needs a name of its own")
        return names


@readers.register("tsv")
class TsvReader(FileReader):
    """A row a line, in the fields that ``columns`` or the first line name; ``line`` is its number."""

    Options = TsvOptions

    def read(self, language: str, split: str) -> Iterator[Record]:
        """Rows of the file. Raises DataError with file and line for one of other columns."""
        path = self.path(language, split)
        for number, fields in self.rows(path, self.options.separator, False, self.options.columns):
            yield Record({"line": number, **fields}, f"{path}, line {number}")
