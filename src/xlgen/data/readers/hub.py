"""Data sets of the Hugging Face hub (or a local folder in the same layout), through ``datasets``; no remote code."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from xlgen.core.config import Config
from xlgen.data.examples import Record
from xlgen.data.readers import DataError, Reader, canonical_codes, readers
from xlgen.data.readers.hub_text import text_rows


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
    codes: Annotated[Mapping[str, str], AfterValidator(canonical_codes)] = {}
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
    of_language: tuple[str, ...] = ()
    """Fields with a text in each of several languages, ``{fr: ..., en: ...}``: of these a row has the one in its own
    language."""
    required: tuple[str, ...] = ()
    """Rows in which one of these fields is missing are left out: absent, null, NaN, blank, or a list of such."""
    starts: Mapping[str, str] = {}
    """Only rows whose field begins so, with ``{language}`` in it: ``{id: "{language}-"}``, where one configuration
    holds all languages."""
    hold_out: HoldOut | None = None
    same_file_for_all_splits: bool = False
    """Whether ``train`` and ``validation`` or ``test`` may be the same rows, as ``splits: {test: train}`` has it."""


def check_format(builder: Any, name: str) -> None:
    """Raise DataError for a data set that is not of parquet, JSON, CSV or text: others may be pickled, and run code.

    ``builder``: what ``datasets`` would read it with.
    """
    from datasets.packaged_modules.csv.csv import Csv
    from datasets.packaged_modules.json.json import Json
    from datasets.packaged_modules.parquet.parquet import Parquet
    from datasets.packaged_modules.text.text import Text

    if not isinstance(builder, Parquet | Json | Csv | Text):
        raise DataError(
            f"data set {name!r} is read by {type(builder).__name__}, and only parquet, JSON, CSV and text files are: "
            "other formats may run code. Convert a copy that you trust to parquet"
        )


@readers.register("hub")
class HubReader(Reader):
    """Rows of a hub data set. SQuAD's nested answers come as a tuple of texts, class labels as their names.

    In CSV and JSON every text stays as it is written (:mod:`xlgen.data.readers.hub_text`); other formats, such as
    parquet, say themselves what is text.
    """

    Options = HubOptions

    def read(self, language: str, split: str) -> Iterator[Record]:
        """Rows of one language and split. Raises DataError where the data set cannot be loaded."""
        return islice(self._records(language, split), self.options.limit)

    def _records(self, language: str, split: str) -> Iterator[Record]:
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
        except Exception as error:  # `datasets` raises whatever its backends raise; all of them mean the same here
            raise DataError(f"cannot load data set {name!r} (config {config}, split {split}): {error}") from None

    def _check_split(self, name: str, config: str | None, code: str, split: str) -> None:
        """Raise DataError where rows that are trained on are evaluated on too."""
        options = self.options
        if options.same_file_for_all_splits or options.hold_out is not None:
            return
        theirs, files = options.splits.get(split, split), options.data_files
        pattern = files.get(theirs) if isinstance(files, Mapping) else None
        rows = pattern.replace("{language}", code) if pattern else theirs
        if not self.is_apart(repr((name, config, rows)), split):
            raise DataError(
                f"data set {name!r}: {rows!r} would be both training data and {split} data. Give each split rows "
                "of its own with splits, data_files or hold_out, or set same_file_for_all_splits: true"
            )

    def _load(self, name: str, config: str | None, split: str, files: Any) -> tuple[Iterable[dict[str, Any]], Any]:
        """The rows of a split, and the features that are known of them."""
        from datasets import load_dataset, load_dataset_builder

        where: dict[str, Any] = {"data_files": files, "revision": self.options.revision}
        builder = load_dataset_builder(name, config, **where)
        check_format(builder, name)
        found = text_rows(builder, split, self.options.streaming)
        if found is not None:
            return found, builder.info.features
        rows = load_dataset(name, config, split=split, streaming=self.options.streaming, **where)
        return rows, rows.features

    def _rows(self, row: Mapping[str, Any], split: str) -> Iterator[dict[str, Any]]:
        """What a row of the data set gives for ``split``: itself, several, or nothing."""
        options = self.options
        for fields in _unfold(_flatten(row), options.unfold):
            if options.hold_out is not None and options.hold_out.split(fields) != split:
                continue
            for found in _paragraphs(fields, options.paragraphs):
                if not any(_is_missing(found.get(name)) for name in options.required):
                    yield found


def _in_language(row: dict[str, Any], fields: Iterable[str], language: str) -> dict[str, Any]:
    """The row with one text in ``fields`` that have one in each of several languages; null where it is not there."""
    found = {name: row[name].get(language) for name in fields if isinstance(row.get(name), Mapping)}
    return {**row, **found}


def _is_missing(value: Any) -> bool:
    """Whether there is nothing: null, NaN, blank text, or a list or mapping of nothing else."""
    if isinstance(value, Mapping):
        return all(map(_is_missing, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_missing, value))
    return value is None or value != value or not str(value).strip()


def _classes(features: Mapping[str, Any] | None) -> dict[str, Any]:
    """The fields whose values, or the values of whose lists, are numbers of classes with names."""
    inner = {name: getattr(feature, "feature", feature) for name, feature in (features or {}).items()}
    return {name: feature for name, feature in inner.items() if hasattr(feature, "int2str")}


def _named(row: Mapping[str, Any], classes: Mapping[str, Any]) -> dict[str, Any]:
    """The names of a row's classes; a number below 0 says that there is no label, and stays."""
    found: dict[str, Any] = {}
    for name, feature in classes.items():
        value = row.get(name)
        several = value if isinstance(value, list) else [value]
        names = [_name(feature, each) for each in several]
        found[name] = names if isinstance(value, list) else names[0]
    return found


def _name(feature: Any, value: Any) -> Any:
    """A class's name by its number, which CSV has as text."""
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    return feature.int2str(number) if isinstance(number, int) and number >= 0 else value


def _flatten(row: Mapping[str, Any]) -> dict[str, Any]:
    """SQuAD on the hub nests answers as ``{"text": [...], "answer_start": [...]}``; keep the texts."""
    fields = dict(row)
    answers = fields.get("answers")
    if isinstance(answers, Mapping) and "text" in answers:
        fields["answers"] = tuple(dict.fromkeys(answers["text"] or ()))
    return fields


def _unfold(fields: dict[str, Any], name: str | None) -> Iterator[dict[str, Any]]:
    """A row for each element of the field ``name``, whichever way ``datasets`` gives a sequence of mappings."""
    if name is None:
        yield fields
        return
    around = {key: value for key, value in fields.items() if key != name}
    inner = fields[name] or ()
    if isinstance(inner, Mapping):
        inner = [dict(zip(inner, values, strict=True)) for values in zip(*inner.values(), strict=True)]
    for element in inner:
        yield {**around, **element}


def _paragraphs(fields: dict[str, Any], least: int | None) -> Iterator[dict[str, Any]]:
    """A row for each long enough line of the field ``text``."""
    if least is None:
        yield fields
        return
    for line in (fields["text"] or "").splitlines():
        if len(line.strip()) >= least:
            yield {**fields, "text": line.strip()}
