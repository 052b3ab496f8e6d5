"""Readers: one file per format. A reader turns its options, a language and a split into records."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from xlgen.core.languages import Language, distinct
from xlgen.core.plugins import OptionsT, Plugin, PluginOptions, PluginRegistry
from xlgen.core.registry import InputError
from xlgen.data.examples import Record

TRAIN, UNLABELLED = "train", "unlabelled"
"""The splits of labelled and of unlabelled training text; all other splits are for evaluation."""


class DataError(InputError):
    """A data file is missing, malformed or empty. The message has the file, the line and the fix."""


def canonical_codes(codes: Mapping[str, str]) -> dict[str, str]:
    """``codes`` with canonical language codes as keys. Raises InputError for a language with two entries."""
    return {code: codes[text] for code, text in distinct(codes, "languages").items()}


class ReaderOptions(PluginOptions):
    """Base of the options of readers."""

    def build(self, data_dir: Path) -> Reader:
        """Make the reader with these options; relative paths start from ``data_dir``."""
        return readers.build(self, data_dir)


class Reader(Plugin[OptionsT], ABC):
    """Base of all readers."""

    Options: ClassVar[type[PluginOptions]] = ReaderOptions

    def __init__(self, options: OptionsT, data_dir: Path) -> None:
        super().__init__(options)
        self.data_dir = data_dir
        self.trained: dict[str, bool] = {}
        """Whether each file was read as training data."""

    def is_apart(self, file: str, split: str) -> bool:
        """Whether ``file`` may be used for ``split``: no file may be used for both training and evaluation."""
        if split == UNLABELLED:
            return True
        return self.trained.setdefault(file, split == TRAIN) == (split == TRAIN)

    def languages(self) -> tuple[str, ...] | None:
        """The languages of the data; None if unknown."""
        return None

    @abstractmethod
    def read(self, language: str, split: str) -> Iterator[Record]:
        """The rows of one language and split. Raises DataError."""


def check_held(held: Mapping[str, Sequence[str]], language: str, split: str) -> None:
    """Raise DataError if ``split`` lacks ``language``; ``held`` has the languages of splits that lack some."""
    codes = [Language.parse(text).code for text in held.get(split, (language,))]
    if language not in codes:
        raise DataError(f"split {split!r} has only {', '.join(codes)}, not {language}")


readers: PluginRegistry[Reader] = PluginRegistry("reader", "xlgen.data.readers", "readers", default="jsonl")
"""Formats and sources of data: a task's key `reader`."""
