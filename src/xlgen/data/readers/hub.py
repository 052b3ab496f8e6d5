"""Data sets of the Hugging Face hub (or a local folder in the same layout), through ``datasets``; no remote code."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from pydantic import Field, model_validator

from xlgen.config import Config
from xlgen.data.examples import Record
from xlgen.data.readers import DataError, Reader, readers


class HoldOut(Config):
    """Splits for a data set that has none: a row's share of the hash of its key decides, in every language alike."""

    by: tuple[str, ...] = Field(min_length=1)
    """Names of fields; the first that a row has is its key. Rows with the same key are in the same split."""
    shares: Mapping[str, float]
    """``{validation: 0.1, test: 0.1}``; ``train`` is what is left."""

    @model_validator(mode="after")
    def _some_is_left(self) -> HoldOut:
        if "train" in self.shares or min(self.shares.values(), default=0) <= 0 or sum(self.shares.values()) >= 1:
            raise ValueError("shares are above 0, together below 1, and `train` is what is left")
        return self

    def split(self, fields: Mapping[str, Any]) -> str:
        """The split of a row. Raises KeyError where it has none of the fields."""
        key = next((fields[name] for name in self.by if fields.get(name)), None)
        if key is None:
            raise KeyError(f"a row has none of the fields {', '.join(self.by)}")
        number = int.from_bytes(hashlib.sha256(str(key).encode()).digest()[:8], "big") / 2**64
        for split, share in self.shares.items():
            if number < share:
                return split
            number -= share
        return "train"


class HubOptions(Config):
    """Which data set, and what its rows are."""

    dataset: str
    """An id of the hub, such as ``google/xquad``, or a folder of parquet/JSONL files."""
    config: str | None = None
    """The configuration, with ``{language}`` in it: ``xquad.{language}``."""
    revision: str | None = None
    """Pin it: ``refs/convert/parquet`` is where the hub keeps code-free copies."""
    data_files: str | Mapping[str, str] | None = None
    """Patterns with ``{language}`` in them. ``refs/convert/parquet`` knows no configurations and needs them:
    ``{train: "{language}/train/*.parquet"}``."""
    codes: Mapping[str, str] = {}
    """The data set's name for a language, where it differs: ``{en: english}``."""
    splits: Mapping[str, str] = {}
    """The data set's name for a split, where it differs: ``{test: validation}``."""
    streaming: bool = False
    limit: int | None = Field(default=None, ge=1)
    """At most so many rows of each language and split: a streamed corpus has no end in sight."""
    unfold: str | None = None
    """A field with lists of equal length, ``{document: [...], summary: [...]}``, or with a list of mappings: each of
    its elements is a row, with the fields around it."""
    paragraphs: int | None = Field(default=None, ge=1)
    """Each line of the field ``text`` is a row, if it has so many characters."""
    required: tuple[str, ...] = ()
    """Rows in which one of these fields is empty are left out."""
    starts: Mapping[str, str] = {}
    """Only rows whose field begins so, with ``{language}`` in it: ``{id: "{language}-"}``, where one configuration
    holds all languages."""
    hold_out: HoldOut | None = None


@readers.register("hub")
class HubReader(Reader):
    """Rows of a hub data set. SQuAD's nested answers come as a tuple of texts, class labels as their names."""

    Options = HubOptions

    def read(self, language: str, split: str) -> Iterator[Record]:
        """Rows of one language and split. Raises DataError where the data set cannot be loaded."""
        return islice(self._records(language, split), self.options.limit)

    def _records(self, language: str, split: str) -> Iterator[Record]:
        from datasets import load_dataset

        options = self.options
        code = options.codes.get(language, language)
        config = options.config.replace("{language}", code) if options.config else None
        files: Any = options.data_files
        if isinstance(files, str):
            files = files.replace("{language}", code)
        elif files is not None:
            files = {key: value.replace("{language}", code) for key, value in files.items()}
        local = self.data_dir / options.dataset
        name = str(local) if local.is_dir() else options.dataset
        try:
            rows = load_dataset(
                name,
                config,
                split=options.splits.get(split, split),
                data_files=files,
                revision=options.revision,
                streaming=options.streaming,
            )
            classes = _classes(rows.features)
            starts = {key: text.replace("{language}", code) for key, text in options.starts.items()}
            for index, row in enumerate(rows):
                if not all(str(row[key]).startswith(text) for key, text in starts.items()):
                    continue
                for fields in self._rows({**row, **_named(row, classes)}, split):
                    yield Record(fields, f"{name} {config or code} {split}, row {index}")
        except Exception as error:  # `datasets` raises whatever its backends raise; all of them mean the same here
            raise DataError(f"cannot load data set {name!r} (config {config}, split {split}): {error}") from None

    def _rows(self, row: Mapping[str, Any], split: str) -> Iterator[dict[str, Any]]:
        """What a row of the data set gives for ``split``: itself, several, or nothing."""
        options = self.options
        for fields in _unfold(_flatten(row), options.unfold):
            if options.hold_out is not None and options.hold_out.split(fields) != split:
                continue
            for found in _paragraphs(fields, options.paragraphs):
                if all(str(found[name]).strip() for name in options.required):
                    yield found


def _classes(features: Mapping[str, Any] | None) -> dict[str, Any]:
    """The fields whose values, or the values of whose lists, are numbers of classes with names."""
    inner = {name: getattr(feature, "feature", feature) for name, feature in (features or {}).items()}
    return {name: feature for name, feature in inner.items() if hasattr(feature, "int2str")}


def _named(row: Mapping[str, Any], classes: Mapping[str, Any]) -> dict[str, Any]:
    """The names of a row's classes; a number below 0 says that there is no label, and stays."""
    found: dict[str, Any] = {}
    for name, feature in classes.items():
        value = row[name]
        several = value if isinstance(value, list) else [value]
        names = [feature.int2str(each) if isinstance(each, int) and each >= 0 else each for each in several]
        found[name] = names if isinstance(value, list) else names[0]
    return found


def _flatten(row: Mapping[str, Any]) -> dict[str, Any]:
    """SQuAD on the hub nests answers as ``{"text": [...], "answer_start": [...]}``; keep the texts."""
    fields = dict(row)
    answers = fields.get("answers")
    if isinstance(answers, Mapping) and "text" in answers:
        fields["answers"] = tuple(dict.fromkeys(answers["text"]))
    return fields


def _unfold(fields: dict[str, Any], name: str | None) -> Iterator[dict[str, Any]]:
    """A row for each element of the field ``name``, whichever way ``datasets`` gives a sequence of mappings."""
    if name is None:
        yield fields
        return
    around = {key: value for key, value in fields.items() if key != name}
    inner = fields[name]
    if isinstance(inner, Mapping):
        inner = [dict(zip(inner, values, strict=True)) for values in zip(*inner.values(), strict=True)]
    for element in inner:
        yield {**around, **element}


def _paragraphs(fields: dict[str, Any], least: int | None) -> Iterator[dict[str, Any]]:
    """A row for each long enough line of the field ``text``."""
    if least is None:
        yield fields
        return
    for line in fields["text"].splitlines():
        if len(line.strip()) >= least:
            yield {**fields, "text": line.strip()}
