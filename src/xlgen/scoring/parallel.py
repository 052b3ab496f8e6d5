"""Reading of outputs with references and inputs in separate files: lines of text, or answers to SQuAD's questions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from textwrap import shorten
from typing import Any

from xlgen.core.arguments import argument
from xlgen.core.json_types import JsonMapping, JsonObject, JsonValue
from xlgen.core.registry import InputError
from xlgen.core.squad_format import Question, questions
from xlgen.scoring.files import Kind, Record, describe_value, file_kind, open_file, read_lines, read_records

_END = None
_SHOWN = 60


@dataclass(frozen=True)
class Sources:
    """Files with the references and inputs of the outputs, in the same order."""

    references: Sequence[str] = ()
    """Files with one reference per line; or one file in SQuAD's format."""
    input: str | None = None
    """A file with one input per line."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """The records' names for fields such as ``references``."""


def read_outputs(
    source: str,
    kind: Kind | None,
    sources: Sources,
    say: Callable[[str], None] = lambda text: None,
    *,
    separator: str | None = None,
) -> Iterator[Record]:
    """Read the records of ``source``, with their references and inputs from ``sources``.

    Args:
        source: As for :func:`xlgen.scoring.files.read_records`.
        kind: The format. If None, that of the suffix. With a JSON file of references, a JSON file is ``squad``; with
            references or inputs, a file with another suffix is ``text``.
        sources: The files of references and inputs.
        say: Receives messages about examples that were left out or filled in.
        separator: The character between the fields of CSV or TSV. If None, a comma or a tab.

    Raises:
        InputError: if a file cannot be read, or the numbers of rows differ.
    """
    if kind is None and (sources.references or sources.input):
        kind = _kind(source, sources)
    if kind == "squad":
        if separator is not None:
            raise InputError(f"{argument('separator')} is for CSV and TSV, not for answers by id")
        return _squad(source, sources, say)
    records = read_records(source, kind, say, separator)
    return _with_lines(records, source, sources) if sources.references or sources.input else records


def _kind(source: str, sources: Sources) -> Kind:
    own = file_kind(source)
    if own == "jsonl" and source.removesuffix(".gz").endswith(".json") and _is_squad(sources.references):
        return "squad"
    return own or "text"


def _is_squad(references: Sequence[str]) -> bool:
    return len(references) == 1 and references[0].removesuffix(".gz").endswith(".json")


def _with_lines(records: Iterator[Record], source: str, sources: Sources) -> Iterator[Record]:
    """Yield each record with the corresponding lines of the other files."""
    files = [*sources.references, *([sources.input] if sources.input is not None else [])]
    names = {each: sources.renamed.get(each, each) for each in ("references", "input")}
    streams: list[Iterator[Any]] = [records, *map(read_lines, files)]
    for number, rows in enumerate(zip_longest(*streams)):
        if _END in rows:
            ended = [source, *files][rows.index(_END)]
            others = ", ".join(name for name in (source, *files) if name != ended)
            raise InputError(f"{ended} has {number} rows, fewer than {others}: line N of each belongs to output N")
        (where, fields), *lines = rows
        yield where, fields if isinstance(fields, InputError) else _joined(fields, lines, sources, names)


def _joined(
    fields: JsonObject, lines: Sequence[str], sources: Sources, names: Mapping[str, str]
) -> JsonObject | InputError:
    count = len(sources.references)
    more: JsonObject = {names["references"]: list(lines[:count])} if count else {}
    more |= {names["input"]: lines[count]} if sources.input is not None else {}
    if twice := next((name for name in more if fields.get(name)), None):
        return InputError(f"it has the field {twice!r}, and a file is given for that too")
    return {**fields, **more}


def _squad(source: str, sources: Sources, say: Callable[[str], None]) -> Iterator[Record]:
    """Read answers in ``{id: text}`` to the questions of a file in SQuAD's format, in its order."""
    if not _is_squad(sources.references) or sources.input is not None:
        raise InputError(
            f"answers by id need one file with the questions in SQuAD's format, as {argument('references')}"
        )
    predictions = _json(source, _once)
    if not isinstance(predictions, dict):
        raise InputError(f"{source} must be one JSON object of ids and answers, not {describe_value(predictions)}")
    [gold] = sources.references
    try:
        asked = _by_id(questions(_json(gold)), gold)
        unanswerable = {name for name, question in asked.items() if not question.texts}
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{gold} is not SQuAD-format JSON (data/paragraphs/qas): missing {error}") from None
    if unanswerable:
        say(f"{gold}: {len(unanswerable)} unanswerable questions are left out")
    if missing := len(asked.keys() - predictions.keys() - unanswerable):
        say(f"{source}: {missing} questions of {gold} have no prediction, which counts as an empty one")
    return _answers(source, gold, predictions, asked)


def _by_id(found: Iterable[Question], gold: str) -> dict[str, Question]:
    """The questions by id. Raises InputError if two have the same id."""
    asked: dict[str, Question] = {}
    for question in found:
        name = str(question.fields["id"])
        if name in asked:
            raise InputError(
                f"{gold} has two questions with the id {name!r} ({_asks(asked[name])}; {_asks(question)}), so the "
                "answer is ambiguous. Remove one, or give each its own id"
            )
        asked[name] = question
    return asked


def _asks(question: Question) -> str:
    return repr(shorten(str(question.fields.get("question", "")), _SHOWN, placeholder="..."))


def _answers(source: str, gold: str, predictions: JsonMapping, asked: Mapping[str, Question]) -> Iterator[Record]:
    for name, question in asked.items():
        text = f"{question.context}\n{question.fields.get('question', '')}"
        fields = {"id": name, "prediction": predictions.get(name, ""), "references": list(question.texts)}
        if question.texts:
            yield f"{source}, question {name}", {**fields, "input": text}
    for name in sorted(predictions.keys() - asked.keys()):
        yield f"{source}, question {name}", InputError(f"{gold} has no such question")


def _once(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    found = dict(pairs)
    if len(found) < len(pairs):
        name = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise InputError(f"two values for the id {name!r}, so the answer is ambiguous. Remove one")
    return found


def _json(path: str, of_pairs: Callable[[list[tuple[str, JsonValue]]], JsonObject] | None = None) -> JsonValue:
    with open_file(path) as file:
        try:
            return json.loads(file.read().decode("utf-8-sig"), object_pairs_hook=of_pairs)
        except InputError as error:
            raise InputError(f"{path} has {error}") from None
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path} is not valid JSON: {error}") from None
