"""Tasks: a YAML file says where examples come from, how they become text, and how outputs are scored."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from xlgen.config import Config, validate
from xlgen.data.cutting import cut
from xlgen.data.examples import LabelledExample, Record
from xlgen.data.readers import DataError, Reader, build_reader
from xlgen.data.templates import FIELD, FORMS, field, fill, is_blank_source, labels, written
from xlgen.languages import Language
from xlgen.metrics.options import FILES, located
from xlgen.metrics.score import ALWAYS, choose, with_standing
from xlgen.metrics.subset import subset
from xlgen.overrides import read_yaml
from xlgen.registry import InputError, nearest
from xlgen.shipped import find_task
from xlgen.strict import MOST_TOKENS

_NEWLINE = re.compile(r"\r\n?|\n")


class TaskConfig(Config):
    """The keys of a task file. Lengths are in tokens of the backbone, special tokens included."""

    name: str
    reader: dict[str, Any]
    """``{name: jsonl, path: "{language}.{split}.jsonl"}``; see xlgen.data.readers."""
    languages: tuple[str, ...] = Field(min_length=1)
    kind: Literal["generation", "tagging", "classification", "ranking"] = "generation"
    """What is asked for: a text; or, by a head on the encoder, a label of ``labels`` for each word (``tagging``) or
    for each input (``classification``), or a grade by which the inputs of a ``group`` are ranked (``ranking``)."""
    labels: tuple[str, ...] = ()
    """Of a task with a head, as they are written in predictions."""
    source: str
    """Template over the record's fields: ``"{context} {question}"``; see xlgen.data.templates. Of ``tagging`` one field
    with a list of words: ``"{tokens:words}"``, and ``target`` the field with their tags: ``tags``."""
    source_pair: str | None = None
    """Template of a second text, under a head. The family says how two texts are one input (BERT: ``[CLS] A [SEP] B
    [SEP]``); of a pair that is too long the longer one is cut at its end."""
    target: str
    """Name of the field with the reference output, or with several (the first is the training label); or a template
    that makes a label of it: ``"<extra_id_0>{answers}"``. Sentinels are no part of references."""
    names: Mapping[str, Mapping[str, str]] = {}
    """How the values of a field are written: ``{label: {"0": "No.", "1": "Yes."}}``."""
    group: str | None = None
    """Name of the field that says what is ranked together, such as a query; its rows stand together in the data."""
    id: str = "id"
    """Name of the field with the example's id; rows that have none are numbered from 0."""
    crop: str | None = None
    """The field of ``source`` that is shortened when an input is too long; None crops the end of the input."""
    max_source_tokens: int = Field(default=512, ge=2, le=MOST_TOKENS)
    max_target_tokens: int = Field(default=64, ge=2, le=MOST_TOKENS)
    too_long_targets: Literal["error", "drop", "cut"] = "error"
    """What to do with training labels over the limit. Dropped and cut ones are counted in the run's log."""
    line_separator: str | None = Field(default=None, pattern=r"\S")
    """Text that stands for a newline in inputs and labels, such as ``<n>`` or ``|``; outputs get their newlines back.
    Without it newlines become spaces, since no tokenizer here has one; the log counts the texts that hold any."""
    metrics: tuple[str | dict[str, Any], ...] = Field(min_length=1)
    """Names of metrics or of figures; with options, ``{name: rouge, use_stemmer: true}``."""
    main_metric: str
    lid: str | None = None
    """The language identifier of evaluations that name none: see ``evaluation.lid``."""
    subset: str | None = None
    """Score only these examples: ``no-digits-in-language`` (C, Appendix A). Predictions of all are written."""
    parallel: bool = False
    """Whether inputs with one id in several languages are translations of one another; evaluation then tells how alike
    the encoder makes them (XLRS)."""
    splits: Mapping[str, str] = {}
    """The data's name for a split, where it differs: ``{validation: test}``."""

    @property
    def head(self) -> dict[str, Any] | None:
        """The head that the task needs, as ``{kind, labels}``; None where text is generated."""
        return None if self.kind == "generation" else {"kind": self.kind, "labels": list(self.labels)}


@dataclass(frozen=True)
class Task:
    """A task with its reader, ready to give examples."""

    config: TaskConfig
    reader: Reader

    @property
    def inputs_and_labels(self) -> dict[str, Any]:
        """What decides the inputs and labels that a model learns; not how it is evaluated."""
        judged = {"metrics", "main_metric", "lid", "subset", "languages", "parallel", "splits"}
        return self.config.model_dump(mode="json", exclude=judged)

    @property
    def data_dir(self) -> Path:
        """Where relative paths start."""
        return self.reader.data_dir

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages that have examples."""
        return self.config.languages

    @property
    def outputs(self) -> tuple[str, ...]:
        """All texts that an output may be, as they are written in training, where ``names`` list them; else none."""
        return written(self.config.target, self.config.names)

    def identifier(self, named: str | None) -> str | None:
        """The language identifier of an evaluation that names ``named`` or none; a file may be in the data's folder."""
        name = named or self.config.lid
        return None if name is None else located(name, self.data_dir)

    def check_languages(self, languages: tuple[str, ...]) -> tuple[str, ...]:
        """The canonical codes of ``languages``. Raises InputError for one the task has not."""
        codes = tuple(Language.parse(text).code for text in languages)
        for text, code in zip(languages, codes, strict=True):
            if code not in self.languages:
                raise InputError(
                    f"task {self.config.name} has no language {text!r}; it has {', '.join(self.languages)}"
                )
        return codes

    def examples(
        self, language: str, split: str, limit: int | None = None, labelled: bool = True
    ) -> list[LabelledExample]:
        """The first ``limit`` examples of one language and split. Raises DataError where there are none.

        Of what is ranked, the last group is taken whole, with those of its rows that are behind the limit. Without
        ``labelled`` their labels are not looked at, and need not be there.
        """
        found = iter(self.reader.read(language, self.config.splits.get(split, split)))
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
        """What the task makes of a row. Raises DataError where fields are missing or wrong."""
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
        """``example`` without what is so far over the limits that no token of it would be left. Raises DataError."""
        return cut(example, self.config.max_source_tokens, self.config.max_target_tokens)

    def on_one_line(self, record: Record) -> Record:
        """A row whose newlines are ``line_separator``, where there is one. Raises DataError for a row that holds it."""
        separator = self.config.line_separator
        if separator is None:
            return record

        def one_line(value: Any) -> Any:
            if isinstance(value, list | tuple):
                return type(value)(map(one_line, value))
            if not isinstance(value, str):
                return value
            # Tokenizers may write a full-width ｜ as |, which would come back as a newline.
            if separator in value or separator in unicodedata.normalize("NFKC", value):
                raise DataError(f"{record.where}: the text holds {separator!r}, the line_separator; choose another one")
            return _NEWLINE.sub(f" {separator} ", value)

        read = {"input", *(name for name, _ in FIELD.findall(f"{self.config.source} {self.config.source_pair or ''}"))}
        read |= {name for name, _ in FIELD.findall(self.config.target)} or {self.config.target}
        fields = {name: one_line(value) if name in read else value for name, value in record.fields.items()}
        return Record(fields, record.where)

    def with_newlines(self, text: str) -> str:
        """``text`` with newlines for each ``line_separator``."""
        separator = self.config.line_separator
        return text if separator is None else re.sub(rf"\s*{re.escape(separator)}\s*", "\n", text).strip()

    def id_of(self, record: Record, number: int) -> str:
        """The row's own id; where it has none, ``number``: its place among the rows of its language, from 0.

        Raises DataError for an id that is neither text nor a whole number.
        """
        value = record.fields.get(self.config.id)
        if value is not None and (isinstance(value, bool) or not isinstance(value, str | int)):
            raise DataError(f"{record.where}: {self.config.id} must be text or a whole number, not {value!r:.60}")
        return str(number if value is None or value == "" else value)

    def _pair(self, record: Record) -> str | None:
        return None if self.config.source_pair is None else fill(self.config.source_pair, record)[0]

    def _tagged(self, record: Record, labelled: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The words of a record and, where ``labelled``, their tags. Raises DataError where they do not pair."""
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
            raise DataError(f"{record.where}: tag {unknown[0]!r} is none of {', '.join(self.config.labels)}")
        return words, tags

    def _targets(self, record: Record) -> tuple[str, ...]:
        targets = labels(self.config.target, record, self.config.names)
        if not targets or not all(isinstance(text, str) and text.strip() for text in targets):
            found = record.fields.get(self.config.target)
            raise DataError(f"{record.where}: field {self.config.target!r} must hold text, or several, not {found!r}")
        if self.config.labels and (unknown := [text for text in targets if text not in self.config.labels]):
            raise DataError(
                f"{record.where}: label {unknown[0]!r} is none of {', '.join(self.config.labels)}; correct it, or say "
                "in the task's `names` which label it is"
            )
        return targets


def load_task(name: str, data_dir: Path) -> Task:
    """The task called ``name`` (shipped), or the one in the file ``name``. Raises InputError."""
    path = find_task(name)
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise InputError(f"{path} must hold keys and values")
    return build_task({"name": path.stem, **data}, path, data_dir)


def build_task(data: Mapping[str, Any], path: Path, data_dir: Path) -> Task:
    """The task that ``data`` describes; ``path`` is where that was read. Raises InputError."""
    config = validate(TaskConfig, dict(data), str(path))
    _check_kind(config, path)
    _check_main_metric(config, path)
    if config.subset:
        subset(config.subset)  # a wrong name is an error before anything trains
    config = config.model_copy(update={"metrics": tuple(_located_options(spec, data_dir) for spec in config.metrics)})
    languages = tuple(Language.parse(text).code for text in config.languages)
    if config.crop is not None and config.crop not in {name for name, _ in FIELD.findall(config.source)}:
        raise InputError(f"{path}: crop names {config.crop!r}, which is not in the source template")
    for name, form in FIELD.findall(f"{config.source} {config.source_pair or ''} {config.target}"):
        if form and form not in FORMS:
            raise InputError(f"{path}: {{{name}:{form}}}: {nearest(form, FORMS)}")
    return Task(config.model_copy(update={"languages": languages}), build_reader(config.reader, data_dir, str(path)))


def _check_kind(config: TaskConfig, path: Path) -> None:
    """A head needs to know its labels, and tags the words that they belong to."""
    if (config.kind == "generation") == bool(config.labels) or len(set(config.labels)) != len(config.labels):
        raise InputError(f"{path}: kind {config.kind} {'takes no' if config.labels else 'needs'} labels, each once")
    if config.kind == "tagging" and [form for _, form in FIELD.findall(config.source)] != ["words"]:
        raise InputError(f'{path}: the source of a tagging task is one list of words: "{{tokens:words}}"')
    if config.kind == "tagging" and (spaced := [label for label in config.labels if label.split() != [label]]):
        raise InputError(
            f"{path}: label {spaced[0]!r} is empty or has white space, which stands between the tags of words; write "
            "it as one word, with `names` where the data have it otherwise"
        )
    if config.source_pair is not None and (config.kind in ("generation", "tagging") or config.crop is not None):
        raise InputError(f"{path}: source_pair is for tasks of kind classification or ranking, and goes without crop")
    if config.kind == "ranking" and (config.group is None or not all(label.isdecimal() for label in config.labels)):
        raise InputError(f"{path}: kind ranking needs a `group`, and grades as labels: whole numbers from 0")


def _check_main_metric(config: TaskConfig, path: Path) -> None:
    """What runs are chosen by is a figure that evaluation gives: of the task's metrics, or a standing one."""
    standing = (*(ALWAYS if config.head is None else ()), "xlrs")
    names = [figure.name for _, figures in choose(config.metrics) for figure in figures]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"{path}: metrics give {twice!r} twice, with other options; a task has each figure once")
    given = {figure.name for _, figures in choose(with_standing(config.metrics, standing)) for figure in figures}
    if config.main_metric not in given:
        raise InputError(
            f"{path}: main_metric {config.main_metric!r} is no figure of the task's metrics: name one of "
            f"{', '.join(names)}, or add its metric to `metrics`"
        )


def _located_options(spec: str | dict[str, Any], folder: Path) -> str | dict[str, Any]:
    """A metric with options, of which those that name a file are looked for in ``folder`` too."""
    if isinstance(spec, str):
        return spec
    return {**spec, **{key: located(spec[key], folder) for key in FILES if isinstance(spec.get(key), str)}}


def groups(names: Sequence[str]) -> list[str]:
    """What each row is ranked with, by the name that its data give; a name that comes again behind other ones is
    another group (XGLUE's rule for web pages), numbered from 2."""
    times: Counter[str] = Counter()
    found: list[str] = []
    for before, name in zip([None, *names], names, strict=False):
        times[name] += name != before
        found.append(name if times[name] == 1 else f"{name} ({times[name]})")
    return found


def interleave(parts: list[list[LabelledExample]], limit: int | None) -> list[LabelledExample]:
    """Take examples from each part in turn until ``limit``: several source languages at one total size."""
    taken: list[LabelledExample] = []

    def turns() -> Iterator[LabelledExample]:
        for row in range(max(map(len, parts))):
            yield from (part[row] for part in parts if row < len(part))

    taken.extend(islice(turns(), limit))
    return taken
