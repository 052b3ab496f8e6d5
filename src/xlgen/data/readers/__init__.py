"""Readers: one file a format. A reader turns its options, a language and a split into records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from xlgen.config import Config
from xlgen.data.examples import Record
from xlgen.registry import InputError, Registry


class DataError(InputError):
    """A data file is missing, malformed or empty. The message names file, line and what to do."""


class Reader(Protocol):
    """What a reader class offers. Its options are a pydantic config, given to the constructor."""

    Options: type[Config]

    def __init__(self, options: Config, data_dir: Path) -> None: ...

    def languages(self) -> tuple[str, ...] | None:
        """The languages it holds, where it knows them."""

    def read(self, language: str, split: str) -> Iterator[Record]:
        """The rows of one language and split. Raises DataError."""


readers: Registry[type[Reader]] = Registry("reader", "xlgen.data.readers")
