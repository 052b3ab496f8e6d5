"""Readers: one file a format. A reader turns its options, a language and a split into records."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from xlgen.core.config import Config, validate
from xlgen.core.languages import Language, distinct
from xlgen.core.registry import InputError, Registry
from xlgen.data.examples import Record

TRAIN, UNLABELLED = "train", "unlabelled"
"""The splits of labelled and of unlabelled training text; all others are to be evaluated on."""


class DataError(InputError):
    """A data file is missing, malformed or empty. The message names file, line and what to do."""


def canonical_codes(codes: Mapping[str, str]) -> dict[str, str]:
    """``codes`` by canonical language: readers look them up by it. Raises InputError for a language that has two."""
    return {code: codes[text] for code, text in distinct(codes, "languages").items()}


class Reader(ABC):
    """Base of all readers: ``Options`` is the config that a recipe gives under the reader's name."""

    Options: ClassVar[type[Config]]

    def __init__(self, options: Config, data_dir: Path) -> None:
        self.options: Any = options
        self.data_dir = data_dir
        self.trained: dict[str, bool] = {}
        """Of each file that was read, whether it was as training data."""

    def is_apart(self, file: str, split: str) -> bool:
        """Whether ``file`` may be ``split`` too: no file is both what is trained on and what is evaluated on."""
        if split == UNLABELLED:
            return True
        return self.trained.setdefault(file, split == TRAIN) == (split == TRAIN)

    def languages(self) -> tuple[str, ...] | None:
        """The languages it holds; None where it cannot say."""
        return None

    @abstractmethod
    def read(self, language: str, split: str) -> Iterator[Record]:
        """The rows of one language and split. Raises DataError."""


def check_held(held: Mapping[str, Sequence[str]], language: str, split: str) -> None:
    """Raise DataError for a language of which ``split`` has nothing; ``held``: those of splits that not all are in."""
    codes = [Language.parse(text).code for text in held.get(split, (language,))]
    if language not in codes:
        raise DataError(f"split {split!r} holds {', '.join(codes)} only, not {language}")


readers: Registry[type[Reader]] = Registry("reader", "xlgen.data.readers")


def build_reader(config: Mapping[str, Any], data_dir: Path, where: str) -> Reader:
    """The reader of ``{name: jsonl, path: ...}``; ``where`` is for errors. Raises InputError.

    Without a name it is ``jsonl``; early tasks have the name under ``reader``.
    """
    options = dict(config)
    early = options.pop("reader", "jsonl") if isinstance(config.get("reader", ""), str) else "jsonl"
    kind = readers.get(str(options.pop("name", early)))
    return kind(validate(kind.Options, options, f"{where}: the reader", "name"), data_dir)
