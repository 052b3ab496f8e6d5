"""Datasets of the Hugging Face Hub (or a local folder in the same layout), through ``datasets``; no remote code."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, model_validator

from xlgen.core.config import Config
from xlgen.core.json_types import JsonMapping, JsonObject, JsonValue
from xlgen.data.examples import Record
from xlgen.data.readers import DataError, Reader, ReaderOptions, canonical_codes, readers
from xlgen.data.readers.hub_text import text_rows

if TYPE_CHECKING:
    from datasets import ClassLabel, DatasetBuilder, Features


class HoldOut(Config):
    """Splits for a dataset without splits, from a hash of each row's key, the same in every language."""

    by: tuple[str, ...] = Field(min_length=1)
    """Names of fields; the first that a row has is its key. Rows with the same key are in the same split."""
    shares: Mapping[str, float]
    """Shares such as ``{validation: 0.1, test: 0.1}``; ``train`` is the rest."""

    @model_validator(mode="after")
    def _some_is_left(self) -> HoldOut:
        if "train" in self.shares or min(self.shares.values(), default=0) <= 0 or sum(self.shares.values()) >= 1:
            raise ValueError("shares must be above 0 and sum to less than 1; `train` is the rest")
        return self

    def split(self, fields: JsonMapping) -> str:
        """The split of a row. Raises KeyError if it has none of the fields."""
        key = next((fields[name] for name in self.by if fields.get(name)), None)
        if key is None:
            raise KeyError(f"a row has none of the fields {', '.join(self.by)}")
        number = int.from_bytes(hashlib.sha256(str(key).encode()).digest()[:8], "big") / 2**64
        for split, share in self.shares.items():
            if number < share:
                return split
            number -= share
        return "train"


class HubOptions(ReaderOptions):
    """Options of the reader ``hub``."""

    dataset: str
    """An id on the Hub, such as ``google/xquad``, or a folder of parquet/JSONL files."""
    config: str | None = None
    """Name of the configuration; may contain ``{language}``: ``xquad.{language}``."""
    revision: str | None = None
    """Revision to pin, such as ``refs/convert/parquet``, where the Hub keeps code-free copies."""
    data_files: str | Mapping[str, str] | None = None
    """Patterns of files; may contain ``{language}``. They are needed for ``refs/convert/parquet``, which has no
    configurations: ``{train: "{language}/train/*.parquet"}``."""
    codes: Annotated[Mapping[str, str], AfterValidator(canonical_codes)] = {}
    """The names of languages in the dataset, if they differ: ``{en: english}``."""
    splits: Mapping[str, str] = {}
    """The names of splits in the dataset, if they differ: ``{test: validation}``."""
    streaming: bool = False
    """Whether to read rows while they are downloaded, without a local copy."""
    limit: int | None = Field(default=None, ge=1)
    """Maximum number of rows of each language and split, for example of a streamed corpus."""
    unfold: str | None = None
    """A field with lists of equal length, ``{document: [...], summary: [...]}``, or with a list of mappings. Each
    element becomes a row that also has the other fields."""
    paragraphs: int | None = Field(default=None, ge=1)
    """Minimum number of characters. If set, each line of the field ``text`` with that many becomes a row."""
    of_language: tuple[str, ...] = ()
    """Fields with texts in several languages, ``{fr: ..., en: ...}``; a row gets the text in its own language."""
    required: tuple[str, ...] = ()
    """Rows in which one of these fields is absent, null, NaN, blank, or a list of such values are left out."""
    starts: Mapping[str, str] = {}
    """Keep only rows whose field starts with this text, which may contain ``{language}``: ``{id: "{language}-"}``, if
    one configuration has all languages."""
    hold_out: HoldOut | None = None
    """How to split a dataset that has only one split."""
    same_file_for_all_splits: bool = False
    """Whether training and evaluation may use the same rows, as with ``splits: {test: train}``."""


def check_format(builder: DatasetBuilder, name: str) -> None:
    """Raise DataError for a dataset that is not parquet, JSON, CSV or text, since other formats may run code.

    ``builder`` is the builder that ``datasets`` would read it with.
    """
    from datasets.packaged_modules.csv.csv import Csv
    from datasets.packaged_modules.json.json import Json
    from datasets.packaged_modules.parquet.parquet import Parquet
    from datasets.packaged_modules.text.text import Text

    if not isinstance(builder, Parquet | Json | Csv | Text):
        raise DataError(
            f"dataset {name!r} needs {type(builder).__name__}, but only parquet, JSON, CSV and text files are read: "
            "other formats may run code. Convert a copy that you trust to parquet"
        )


@readers.register("hub")
class HubReader(Reader[HubOptions]):
    """A dataset on the Hub. SQuAD's nested answers become a tuple of texts, and class labels become their names.

    In CSV and JSON, every text is kept as it is written (:mod:`xlgen.data.readers.hub_text`); other formats, such as
    parquet, are typed.
    """

    Options = HubOptions

    def read(self, language: str, split: str) -> Iterator[Record]:
        """Rows of one language and split. Raises DataError if the dataset cannot be loaded."""
        return islice(self._records(language, split), self.options.limit)

    def _records(self, language: str, split: str) -> Iterator[Record]:
        options = self.options
        code = options.codes.get(language, language)
        config = options.config.replace("{language}", code) if options.config else None
        files = options.data_files
        if isinstance(files, str):
            files = files.replace("{language}", code)
        elif files is not None:
            files = {key: value.replace("{language}", code) for key, value in files.items()}
        local = self.data_dir / options.dataset
        name = str(local) if local.is_dir() else options.dataset
        self._check_split(name, config, code, split)
        try:
            rows, features = self._load(name, config, options.splits.get(split, split), files)
            classes = _classes(features)
            starts = {key: text.replace("{language}", code) for key, text in options.starts.items()}
            for index, row in enumerate(rows):
                if not all(str(row.get(key, "")).startswith(text) for key, text in starts.items()):
                    continue
                whole = _in_language({**row, **_named(row, classes)}, options.of_language, language)
                for fields in self._rows(whole, split):
                    yield Record(fields, f"{name} {config or code} {split}, row {index}")
        except Exception as error:  # `datasets` raises any exception of its backends; all are handled alike
            raise DataError(f"cannot load dataset {name!r} (config {config}, split {split}): {error}") from None

    def _check_split(self, name: str, config: str | None, code: str, split: str) -> None:
        """Raise DataError if rows would be used for both training and evaluation."""
        options = self.options
        if options.same_file_for_all_splits or options.hold_out is not None:
            return
        theirs, files = options.splits.get(split, split), options.data_files
        pattern = files.get(theirs) if isinstance(files, Mapping) else None
        rows = pattern.replace("{language}", code) if pattern else theirs
        if not self.is_apart(repr((name, config, rows)), split):
            raise DataError(
                f"dataset {name!r}: {rows!r} would be both training data and {split} data. Give each split its "
                "own rows with splits, data_files or hold_out, or set same_file_for_all_splits: true"
            )

    def _load(
        self, name: str, config: str | None, split: str, files: str | Mapping[str, str] | None
    ) -> tuple[Iterable[JsonObject], Features | None]:
        """The rows of a split, and their known features."""
        from datasets import load_dataset, load_dataset_builder

        where: dict[str, object] = {"data_files": files, "revision": self.options.revision}
        builder = load_dataset_builder(name, config, **where)
        check_format(builder, name)
        found = text_rows(builder, split, self.options.streaming)
        if found is not None:
            return found, builder.info.features
        rows = load_dataset(name, config, split=split, streaming=self.options.streaming, **where)
        return rows, rows.features

    def _rows(self, row: JsonMapping, split: str) -> Iterator[JsonObject]:
        """Yield the rows for ``split`` from a row of the dataset: itself, several, or none."""
        options = self.options
        for fields in _unfold(_flatten(row), options.unfold):
            if options.hold_out is not None and options.hold_out.split(fields) != split:
                continue
            for found in _paragraphs(fields, options.paragraphs):
                if not any(_is_missing(found.get(name)) for name in options.required):
                    yield found


def _in_language(row: JsonObject, fields: Iterable[str], language: str) -> JsonObject:
    """The row with multilingual ``fields`` replaced by their text in ``language``; None if it is missing."""
    found = {name: row[name].get(language) for name in fields if isinstance(row.get(name), Mapping)}
    return {**row, **found}


def _is_missing(value: object) -> bool:
    """Whether a value is null, NaN, blank text, or a list or mapping of only such values."""
    if isinstance(value, Mapping):
        return all(map(_is_missing, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_missing, value))
    return value is None or value != value or not str(value).strip()


def _classes(features: Features | None) -> dict[str, ClassLabel]:
    """The fields whose values, or list elements, are numbers of named classes."""
    inner = {name: getattr(feature, "feature", feature) for name, feature in (features or {}).items()}
    return {name: feature for name, feature in inner.items() if hasattr(feature, "int2str")}


def _named(row: JsonMapping, classes: Mapping[str, ClassLabel]) -> JsonObject:
    """The names of a row's classes; a negative number, which means no label, is kept."""
    found: JsonObject = {}
    for name, feature in classes.items():
        value = row.get(name)
        several = value if isinstance(value, list) else [value]
        names = [_name(feature, each) for each in several]
        found[name] = names if isinstance(value, list) else names[0]
    return found


def _name(feature: ClassLabel, value: JsonValue) -> JsonValue:
    """A class's name from its number, which is text in CSV."""
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    return feature.int2str(number) if isinstance(number, int) and number >= 0 else value


def _flatten(row: JsonMapping) -> JsonObject:
    """Replace SQuAD's nested answers ``{"text": [...], "answer_start": [...]}`` with their distinct texts."""
    fields = dict(row)
    answers = fields.get("answers")
    if isinstance(answers, Mapping) and "text" in answers:
        fields["answers"] = tuple(dict.fromkeys(answers["text"] or ()))
    return fields


def _unfold(fields: JsonObject, name: str | None) -> Iterator[JsonObject]:
    """Yield a row for each element of the field ``name``, in either form of ``datasets`` for a sequence of mappings."""
    if name is None:
        yield fields
        return
    around = {key: value for key, value in fields.items() if key != name}
    inner = fields[name] or ()
    if isinstance(inner, Mapping):
        inner = [dict(zip(inner, values, strict=True)) for values in zip(*inner.values(), strict=True)]
    for element in inner:
        yield {**around, **element}


def _paragraphs(fields: JsonObject, least: int | None) -> Iterator[JsonObject]:
    """Yield a row for each line of the field ``text`` with at least ``least`` characters."""
    if least is None:
        yield fields
        return
    for line in (fields["text"] or "").splitlines():
        if len(line.strip()) >= least:
            yield {**fields, "text": line.strip()}
