"""Splits from different datasets, such as SQuAD for training and XQuAD for testing, each through its own reader."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import Field

from xlgen.core.config_plugins import ReaderField
from xlgen.data.examples import Record
from xlgen.data.readers import DataError, Reader, ReaderOptions, check_held, readers


class BySplitOptions(ReaderOptions):
    """Options of the reader ``by-split``."""

    readers: Mapping[str, ReaderField] = Field(min_length=1)
    """``{train: {name: hub, dataset: rajpurkar/squad}, test: {name: hub, dataset: google/xquad, ...}}``."""
    languages: Mapping[str, tuple[str, ...]] = {}
    """The languages of splits that do not have all: ``{train: [en]}``."""


@readers.register("by-split")
class BySplitReader(Reader[BySplitOptions]):
    """Reads each split with its own reader."""

    Options = BySplitOptions

    def __init__(self, options: BySplitOptions, data_dir: Path) -> None:
        super().__init__(options, data_dir)
        self._readers: dict[str, Reader] = {split: reader.build(data_dir) for split, reader in options.readers.items()}
        for reader in self._readers.values():
            reader.trained = self.trained

    def read(self, language: str, split: str) -> Iterator[Record]:
        """The rows from the split's reader. Raises DataError for a split without a reader, or a missing language."""
        if split not in self._readers:
            raise DataError(f"no reader is given for split {split!r}; there are: {', '.join(self._readers)}")
        check_held(self.options.languages, language, split)
        return self._readers[split].read(language, split)
