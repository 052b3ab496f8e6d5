"""Outputs whose references and inputs are in files of their own: lines of text, and answers to SQuAD's questions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from xlgen.registry import InputError
from xlgen.scoring.files import Kind, Record, describe, file_kind, open_file, read_lines, read_records
from xlgen.squad_format import Question, questions

_END = None


@dataclass(frozen=True)
class Sources:
    """Files that belong to the outputs, in the same order."""

    references: Sequence[str] = ()
    """Files with a reference a line; or one file in SQuAD's format."""
    input: str | None = None
    """A file with an input a line."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """The names that records have for fields, such as ``references``."""


def read_outputs(
    source: str, kind: Kind | None, sources: Sources, say: Callable[[str], None] = lambda text: None
) -> Iterator[Record]:
    """The records of ``source``, with what ``sources`` have for them.

    Args:
        source: As for :func:`xlgen.scoring.files.read_records`.
        kind: What it holds. If None, its name says so; a JSON file whose references are one is ``squad``, and a file
            of another name whose references or inputs are given is ``text``.
        sources: Its references and inputs.
        say: Receives what was left out and filled in.

    Raises:
        InputError: where a file cannot be read, or files have not the same number of rows.
    """
    if kind is None and (sources.references or sources.input):
        kind = _kind(source, sources)
    if kind == "squad":
        return _squad(source, sources, say)
    records = read_records(source, kind, say)
    return _with_lines(records, source, sources) if sources.references or sources.input else records


def _kind(source: str, sources: Sources) -> Kind:
    own = file_kind(source)
    if own == "jsonl" and source.removesuffix(".gz").endswith(".json") and _is_squad(sources.references):
        return "squad"
    return own or "text"


def _is_squad(references: Sequence[str]) -> bool:
    return len(references) == 1 and references[0].removesuffix(".gz").endswith(".json")


def _with_lines(records: Iterator[Record], source: str, sources: Sources) -> Iterator[Record]:
    """Each record with the lines that are at its place."""
    files = [*sources.references, *([sources.input] if sources.input is not None else [])]
    names = {each: sources.renamed.get(each, each) for each in ("references", "input")}
    streams: list[Iterator[Any]] = [records, *map(read_lines, files)]
    for number, rows in enumerate(zip_longest(*streams)):
        if _END in rows:
            ended = [source, *files][rows.index(_END)]
            raise InputError(
                f"{ended} ends after {number} rows, and other files of {', '.join([source, *files])} are longer"
            )
        (where, fields), *lines = rows
        yield where, fields if isinstance(fields, InputError) else _joined(fields, lines, sources, names)


def _joined(
    fields: dict[str, Any], lines: Sequence[str], sources: Sources, names: Mapping[str, str]
) -> dict[str, Any] | InputError:
    count = len(sources.references)
    more: dict[str, Any] = {names["references"]: list(lines[:count])} if count else {}
    more |= {names["input"]: lines[count]} if sources.input is not None else {}
    if twice := next((name for name in more if fields.get(name)), None):
        return InputError(f"it has {twice!r} of its own, and a file is given for that too")
    return {**fields, **more}


def _squad(source: str, sources: Sources, say: Callable[[str], None]) -> Iterator[Record]:
    """The answers in ``{id: text}`` to the questions of a file in SQuAD's format, in its order."""
    if not _is_squad(sources.references) or sources.input is not None:
        raise InputError("answers by id need one file with the questions in SQuAD's format: --references gold.json")
    predictions = _json(source)
    if not isinstance(predictions, dict):
        raise InputError(f"{source} must be one JSON object of ids and answers, not {describe(predictions)}")
    [gold] = sources.references
    try:
        asked = {str(question.fields["id"]): question for question in questions(_json(gold))}
        unanswerable = {name for name, question in asked.items() if not question.texts}
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{gold} is not SQuAD-format JSON (data/paragraphs/qas): missing {error}") from None
    if unanswerable:
        say(f"{gold}: {len(unanswerable)} unanswerable questions are left out")
    if missing := len(asked.keys() - predictions.keys() - unanswerable):
        say(f"{source}: {missing} questions of {gold} have no prediction, which counts as an empty one")
    return _answers(source, gold, predictions, asked)


def _answers(source: str, gold: str, predictions: Mapping[str, Any], asked: Mapping[str, Question]) -> Iterator[Record]:
    for name, question in asked.items():
        text = f"{question.context}\n{question.fields.get('question', '')}"
        fields = {"id": name, "prediction": predictions.get(name, ""), "references": list(question.texts)}
        if question.texts:
            yield f"{source}, question {name}", {**fields, "input": text}
    for name in sorted(predictions.keys() - asked.keys()):
        yield f"{source}, question {name}", InputError(f"{gold} has no such question")


def _json(path: str) -> Any:
    with open_file(path) as file:
        try:
            return json.loads(file.read().decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path} is not valid JSON: {error}") from None
