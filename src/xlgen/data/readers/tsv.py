"""Values with tabs between them and no quotes, so that a quotation mark is text: XGLUE's files and most of GLUE's."""

from __future__ import annotations

from collections.abc import Iterator

from xlgen.data.examples import Record
from xlgen.data.readers import readers
from xlgen.data.readers.files import FileOptions, FileReader


class TsvOptions(FileOptions):
    """Where the files are, and what their columns are called."""

    separator: str | None = "\t"
    """None: any white space."""
    columns: tuple[str, ...] = ()
    """Names in the order of the file; by default the first line has them."""


@readers.register("tsv")
class TsvReader(FileReader):
    """A row a line, in the fields that ``columns`` or the first line name; ``line`` is its number."""

    Options = TsvOptions

    def read(self, language: str, split: str) -> Iterator[Record]:
        """Rows of the file. Raises DataError with file and line for one of other columns."""
        path = self.path(language, split)
        for number, fields in self.rows(path, self.options.separator, False, self.options.columns):
            yield Record({"line": number, **fields}, f"{path}, line {number}")
