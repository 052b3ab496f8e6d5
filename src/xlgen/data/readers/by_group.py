"""Splitting of data without splits, so that all rows of a group, such as one article, are in the same split."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from xlgen.core.config_plugins import ReaderField
from xlgen.data.examples import Record
from xlgen.data.near_duplicates import near_duplicates
from xlgen.data.readers import TRAIN, DataError, Reader, ReaderOptions, readers

_LOGGER = logging.getLogger(__name__)


class ByGroupOptions(ReaderOptions):
    """Options of the reader ``by-group``."""

    reader: ReaderField
    """The reader of all rows of a language, with a path without ``{split}``: ``{name: jsonl, path:
    "{language}.jsonl.gz"}``."""
    split_by: str
    """The field whose value determines the split, such as ``package`` or ``url``. Rows with the same value are in the
    same split in every language: an article in the French test data is not in the English training data."""
    shares: Mapping[str, float] = {"train": 0.8, "validation": 0.1, "test": 0.1}
    """Approximate share of the values in each split; the sum is 1."""
    seed: int = Field(default=0, ge=0)
    """Seed of the split."""
    near_duplicates: Literal["drop", "keep"] = "drop"
    """Whether to drop training rows that are nearly equal to a row of another split. A warning reports their
    number."""
    compare: str | None = None
    """The field to compare for near-duplicates. If None, all text fields together."""

    @model_validator(mode="after")
    def _sum_is_one(self) -> Self:
        if any(not share > 0 for share in self.shares.values()) or not math.isclose(sum(self.shares.values()), 1):
            raise ValueError(f"the shares must be above 0 and sum to 1, not {dict(self.shares)}")
        return self


@readers.register("by-group")
class ByGroupReader(Reader[ByGroupOptions]):
    """Splits the rows of another reader by the values of a field."""

    Options = ByGroupOptions

    def __init__(self, options: ByGroupOptions, data_dir: Path) -> None:
        super().__init__(options, data_dir)
        self._reader: Reader = options.reader.build(data_dir)
        self._found: dict[str, dict[str, list[Record]]] = {}
        self._empty: dict[str, set[str]] = {}

    def read(self, language: str, split: str) -> Iterator[Record]:
        """The rows of ``split``, in their order. Raises DataError for a row without the field."""
        if split not in self.options.shares:
            raise DataError(f"the data is split into {', '.join(self.options.shares)}; there is no split {split!r}")
        if language not in self._found:
            self._found[language] = self._split(language)
        if split in self._empty[language]:
            raise DataError(
                f"no value of {self.options.split_by!r} is in split {split!r} of {language}: there are too few for"
                f" shares of {dict(self.options.shares)}; give other shares or another seed"
            )
        return iter(self._found[language][split])

    def split_of(self, value: str) -> str:
        """The split of rows with this value, from a hash of it, so that it does not depend on other rows."""
        digest = hashlib.sha256(f"{self.options.seed} {value}".encode()).digest()
        drawn, reached = int.from_bytes(digest[:8], "big") / 2**64, 0.0
        for split, share in self.options.shares.items():
            reached += share
            if drawn < reached:
                return str(split)
        return str(split)

    def _split(self, language: str) -> dict[str, list[Record]]:
        found: dict[str, list[Record]] = {split: [] for split in self.options.shares}
        # The inner reader has no splits: reading all as training data passes its check for shared files.
        for record in self._reader.read(language, TRAIN):
            value = record.fields.get(self.options.split_by)
            if not isinstance(value, str | int) or value == "":
                raise DataError(f"{record.where}: field {self.options.split_by!r} must be text or a number to split by")
            found[self.split_of(str(value))].append(record)
        self._empty[language] = {split for split, rows in found.items() if not rows}
        if self.options.near_duplicates == "drop" and found.get(TRAIN):
            self._drop(found, language)
        return found

    def _drop(self, found: dict[str, list[Record]], language: str) -> None:
        others = [self._text(record) for split, rows in found.items() if split != TRAIN for record in rows]
        dropped = set(near_duplicates(list(map(self._text, found[TRAIN])), others))
        if dropped:
            _LOGGER.warning(
                "%d of %d training rows in %s are near-duplicates of rows of other splits, and are left out; the first"
                " is %s",
                len(dropped),
                len(found[TRAIN]),
                language,
                found[TRAIN][min(dropped)].where,
            )
        found[TRAIN] = [record for place, record in enumerate(found[TRAIN]) if place not in dropped]

    def _text(self, record: Record) -> str:
        fields = record.fields if self.options.compare is None else {"": record.fields.get(self.options.compare, "")}
        names = {self.options.split_by, "id"}
        return "\n".join(value for name, value in fields.items() if isinstance(value, str) and name not in names)
