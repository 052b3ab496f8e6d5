"""Tasks: a YAML file configures the source of examples, their conversion to text, and the scoring of outputs."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from pathlib import Path
from typing import Literal

from pydantic import Field

from xlgen.core.config import Config, Stage, validate
from xlgen.core.config_base import MOST_TOKENS
from xlgen.core.config_plugins import ReaderField
from xlgen.core.json_types import JsonMapping, JsonObject, JsonValue
from xlgen.core.languages import Language, distinct
from xlgen.core.registry import InputError
from xlgen.core.shipped import find_task
from xlgen.core.yaml_config import read_yaml
from xlgen.data.cutting import cut
from xlgen.data.examples import LabelledExample, Record
from xlgen.data.readers import DataError, Reader
from xlgen.data.task_checks import check_task
from xlgen.data.templates import FIELD, field, fill, is_blank_source, labels, written
from xlgen.metrics.options import FILES, located
from xlgen.metrics.subset import subset

_NEWLINE = re.compile(r"\r\n?|\n")


class TaskConfig(Config):
    """The keys of a task file. Lengths are in tokens of the backbone, including special tokens."""

    name: str
    """The task's name. By default, the file's name."""
    reader: ReaderField
    """``{name: jsonl, path: "{language}.{split}.jsonl"}``; see xlgen.data.readers."""
    languages: tuple[str, ...] = Field(min_length=1)
    """The languages of the data."""
    kind: Literal["generation", "tagging", "classification", "ranking"] = "generation"
    """The form of the output: a text (``generation``), or, with a head on the encoder, one of ``labels`` for each word
    (``tagging``) or for each input (``classification``), or a grade to rank the inputs of a ``group`` (``ranking``)."""
    labels: tuple[str, ...] = ()
    """Labels of a task with a head, as written in predictions."""
    source: str
    """Template over the record's fields: ``"{context} {question}"``; see xlgen.data.templates. For ``tagging``, one
    field with a list of words: ``"{tokens:words}"``; ``target`` is then the field with their tags: ``tags``."""
    source_pair: str | None = None
    """Template of a second text, for tasks with a head. The model family combines both texts into one input (BERT:
    ``[CLS] A [SEP] B [SEP]``). If a pair is too long, the end of the longer text is truncated."""
    target: str
    """Name of the field with the reference output, or with several (the first is the training label); or a template for
    the label: ``"<extra_id_0>{answers}"``. Sentinels are not part of references."""
    names: Mapping[str, Mapping[str, str]] = {}
    """The text of each value of a field: ``{label: {"0": "No.", "1": "Yes."}}``."""
    group: str | None = None
    """Name of the field with the group to rank together, such as a query; its rows must be consecutive in the data."""
    id: str = "id"
    """Name of the field with the example's id; rows without an id are numbered from 0."""
    crop: str | None = None
    """Field of ``source`` to shorten if an input is too long. If None, the end of the input is cropped."""
    max_source_tokens: int = Field(default=512, ge=2, le=MOST_TOKENS)
    """Maximum length of an input."""
    max_target_tokens: int = Field(default=64, ge=2, le=MOST_TOKENS)
    """Maximum length of a label and of an output."""
    too_long_targets: Literal["error", "drop", "cut"] = "error"
    """What to do with training labels over the limit. The run's log reports the number of dropped and cut labels."""
    line_separator: str | None = Field(default=None, pattern=r"\S")
    """Text that replaces newlines in inputs and labels, such as ``<n>`` or ``|``; it becomes a newline again in
    outputs. If None, newlines become spaces, since the supported tokenizers have no newline; the log counts the
    affected texts."""
    metrics: tuple[str | JsonObject, ...] = Field(min_length=1)
    """Names of metrics or of their values; with options, ``{name: rouge, use_stemmer: true}``."""
    main_metric: str
    """The metric that selects checkpoints and is first in tables."""
    lid: str | None = None
    """Default language identifier of evaluations: see ``evaluation.lid``."""
    subset: str | None = None
    """Score only this subset: ``no-digits-in-language`` (Chirkova et al. 2023, Appendix A). Predictions are written for
    all examples."""
    parallel: bool = False
    """Whether inputs with the same id in several languages are translations of each other; evaluation then reports
    their similarity in the encoder (XLRS)."""
    pairs_by: tuple[tuple[str, ...], ...] = ()
    """Fields that pair rows of two languages for label overlap, if ids do not; the first field of each list that a row
    has is used: ``[[english_url, url], [english_section_name, section_name]]``."""
    splits: Mapping[str, str] = {}
    """The data's names for splits, if they differ: ``{validation: test}``."""

    @property
    def head(self) -> JsonObject | None:
        """The head that the task needs, as ``{kind, labels}``; None if text is generated."""
        return None if self.kind == "generation" else {"kind": self.kind, "labels": list(self.labels)}


@dataclass(frozen=True)
class Task:
    """A task with its reader."""

    config: TaskConfig
    reader: Reader

    @property
    def inputs_and_labels(self) -> JsonObject:
        """The keys that affect inputs and labels in training, without those for evaluation."""
        judged = {"metrics", "main_metric", "lid", "subset", "languages", "parallel", "pairs_by", "splits"}
        return self.config.model_dump(mode="json", exclude=judged)

    @property
    def data_dir(self) -> Path:
        """The folder that relative paths start from."""
        return self.reader.data_dir

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages with examples."""
        return self.config.languages

    @property
    def outputs(self) -> tuple[str, ...]:
        """All possible outputs, as written in training, if ``names`` list them; else empty."""
        return written(self.config.target, self.config.names)

    def within(self, limits: Mapping[str, int]) -> Task:
        """The task with other ``max_source_tokens`` or ``max_target_tokens``."""
        return replace(self, config=self.config.model_copy(update=dict(limits))) if limits else self

    def identifier(self, named: str | None) -> str | None:
        """The language identifier ``named``, or else the task's; a file may be in the data's folder."""
        name = named or self.config.lid
        return None if name is None else located(name, self.data_dir)

    def check_languages(self, languages: tuple[str, ...]) -> tuple[str, ...]:
        """The distinct canonical codes of ``languages``. Raises InputError for a language that the task lacks."""
        codes = tuple(Language.parse(text).code for text in languages)
        for text, code in zip(languages, codes, strict=True):
            if code not in self.languages:
                raise InputError(
                    f"task {self.config.name} has no language {text!r}; it has {', '.join(self.languages)}"
                )
        return tuple(dict.fromkeys(codes))

    def examples(
        self,
        language: str,
        split: str,
        limit: int | None = None,
        labelled: bool = True,
        *,
        counted: Callable[[str, Iterator[Record]], Iterator[Record]] = lambda name, rows: rows,
    ) -> list[LabelledExample]:
        """The first ``limit`` examples of one language and split. Raises DataError if there are none.

        For ranking, the last group is completed with its rows after the limit. Without ``labelled``, labels are not
        read and may be missing. ``counted`` wraps the rows to show progress.
        """
        rows_of = self.reader.read(language, self.config.splits.get(split, split))
        found = iter(counted(f"reading {self.config.name} in {language}", iter(rows_of)))
        rows = list(islice(found, limit))
        if self.config.group is not None and rows:
            last = field(rows[-1], self.config.group)
            rows += takewhile(lambda record: field(record, str(self.config.group)) == last, found)
        examples = [self.example(record, language, number, labelled) for number, record in enumerate(rows)]
        if self.config.group is not None:
            names = groups([str(field(record, self.config.group)) for record in rows])
            examples = [replace(example, group=name) for example, name in zip(examples, names, strict=True)]
        if not examples:
            raise DataError(f"task {self.config.name} has no examples for language {language}, split {split}")
        return examples

    def example(self, record: Record, language: str, number: int, labelled: bool) -> LabelledExample:
        """The example of a row. Raises DataError if fields are missing or wrong."""
        record = self.on_one_line(record)
        source, croppable = fill(self.config.source, record, self.config.crop, self.config.names)
        words, tags = self._tagged(record, labelled) if self.config.kind == "tagging" else ((), ())
        targets = (" ".join(tags),) if tags else self._targets(record) if labelled and not words else ()
        whole = LabelledExample(
            id=self.id_of(record, number),
            language=language,
            source=source,
            targets=targets,
            where=record.where,
            croppable=croppable,
            words=words,
            tags=tags,
            pair=self._pair(record),
            blank=not words and is_blank_source(self.config.source, record, self.config.names),
        )
        return self.shortened(whole)

    def shortened(self, example: LabelledExample) -> LabelledExample:
        """``example`` without text far over the limits, none of whose tokens would be kept. Raises DataError."""
        return cut(example, self.config.max_source_tokens, self.config.max_target_tokens)

    def on_one_line(self, record: Record) -> Record:
        """A row with newlines replaced by ``line_separator``, if set. Raises DataError if the row contains it."""
        separator = self.config.line_separator
        if separator is None:
            return record

        def one_line(value: JsonValue) -> JsonValue:
            if isinstance(value, list | tuple):
                return type(value)(map(one_line, value))
            if not isinstance(value, str):
                return value
            # Tokenizers may write a full-width ｜ as |, which would come back as a newline.
            if separator in value or separator in unicodedata.normalize("NFKC", value):
                raise DataError(f"{record.where}: the text has {separator!r}, the line_separator; choose another one")
            return _NEWLINE.sub(f" {separator} ", value)

        read = {"input", *(name for name, _ in FIELD.findall(f"{self.config.source} {self.config.source_pair or ''}"))}
        read |= {name for name, _ in FIELD.findall(self.config.target)} or {self.config.target}
        fields = {name: one_line(value) if name in read else value for name, value in record.fields.items()}
        return Record(fields, record.where)

    def with_newlines(self, text: str) -> str:
        """``text`` with a newline for each ``line_separator``."""
        separator = self.config.line_separator
        return text if separator is None else re.sub(rf"\s*{re.escape(separator)}\s*", "\n", text).strip()

    def id_of(self, record: Record, number: int) -> str:
        """The row's id; if it has none, ``number``: its position among the rows of its language, from 0.

        Raises DataError for an id that is neither text nor an integer.
        """
        value = record.fields.get(self.config.id)
        if value is not None and (isinstance(value, bool) or not isinstance(value, str | int)):
            raise DataError(f"{record.where}: {self.config.id} must be text or a whole number, not {value!r:.60}")
        return str(number if value is None or value == "" else value)

    def _pair(self, record: Record) -> str | None:
        return None if self.config.source_pair is None else fill(self.config.source_pair, record)[0]

    def _tagged(self, record: Record, labelled: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The words of a record and, if ``labelled``, their tags. Raises DataError if their numbers differ."""
        source, target = FIELD.findall(self.config.source)[0][0], self.config.target
        words = field(record, source)
        tags = field(record, target) if labelled else ()
        if not all(isinstance(found, list | tuple) for found in (words, tags)):
            raise DataError(
                f"{record.where}: fields {source!r} and {target!r} must be lists, of words and of their tags"
            )
        names = self.config.names.get(target, {})
        words, tags = tuple(words), tuple(str(names.get(str(tag), tag)) for tag in tags)
        if not words or (labelled and len(words) != len(tags)):
            raise DataError(f"{record.where}: {len(words)} words and {len(tags)} tags; each word needs one")
        if unknown := sorted(set(tags) - set(self.config.labels)):
            raise DataError(f"{record.where}: tag {unknown[0]!r} is not one of {', '.join(self.config.labels)}")
        return words, tags

    def _targets(self, record: Record) -> tuple[str, ...]:
        targets = labels(self.config.target, record, self.config.names)
        if not targets or not all(isinstance(text, str) and text.strip() for text in targets):
            found = record.fields.get(self.config.target)
            raise DataError(f"{record.where}: field {self.config.target!r} must be one or several texts, not {found!r}")
        if self.config.labels and (unknown := [text for text in targets if text not in self.config.labels]):
            raise DataError(
                f"{record.where}: label {unknown[0]!r} is not one of {', '.join(self.config.labels)}; correct it, or "
                "map it to a label in the task's `names`"
            )
        return targets


def load_task(name: str, data_dir: Path) -> Task:
    """The task called ``name`` (shipped), or the one in the file ``name``. Raises InputError."""
    path = find_task(name)
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise InputError(f"{path} must hold keys and values")
    return build_task({"name": path.stem, **data}, path, data_dir)


def task_of_stage(stage: Stage, data_dir: Path) -> Task | None:
    """The task of a recipe's stage with the lengths that the stage sets; None if the stage has no task.

    Raises InputError, also if the task lacks a language of the stage.
    """
    if not stage.task:
        return None
    task = load_task(stage.task, data_dir).within(stage.limits)
    task.check_languages((*stage.source_languages, *stage.evaluation.languages))
    return task


def build_task(data: JsonMapping, path: Path, data_dir: Path) -> Task:
    """Build the task from ``data``, which was read from ``path``. Raises InputError."""
    config = validate(TaskConfig, dict(data), str(path))
    check_task(config, path)
    if config.subset:
        subset(config.subset)  # fail on a wrong name before training
    config = config.model_copy(update={"metrics": tuple(_located_options(spec, data_dir) for spec in config.metrics)})
    languages = tuple(distinct(config.languages, f"{path}: languages"))
    return Task(config.model_copy(update={"languages": languages}), config.reader.build(data_dir))


def _located_options(spec: str | JsonObject, folder: Path) -> str | JsonObject:
    """A metric with options, in which names of files are resolved in ``folder`` too."""
    if isinstance(spec, str):
        return spec
    return {**spec, **{key: located(spec[key], folder) for key in FILES if isinstance(spec.get(key), str)}}


def groups(names: Sequence[str]) -> list[str]:
    """The group name of each row, from the names in the data.

    A name that occurs again after other names is another group (XGLUE's rule for web pages), numbered from 2.
    """
    times: Counter[str] = Counter()
    found: list[str] = []
    for before, name in zip([None, *names], names, strict=False):
        times[name] += name != before
        found.append(name if times[name] == 1 else f"{name} ({times[name]})")
    return found


def interleave(parts: list[list[LabelledExample]], limit: int | None) -> list[LabelledExample]:
    """Take examples from each part in turn, up to ``limit``, so that several source languages have one total size."""
    taken: list[LabelledExample] = []

    def turns() -> Iterator[LabelledExample]:
        for row in range(max(map(len, parts))):
            yield from (part[row] for part in parts if row < len(part))

    taken.extend(islice(turns(), limit))
    return taken
