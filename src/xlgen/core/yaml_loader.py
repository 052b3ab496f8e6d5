"""The reader and writer of YAML: plain data, without features that a recipe never needs.

YAML 1.2's scalars: ``no`` is Norwegian and not false, ``1e-3`` is a number and not text, a date is text. Refused are
tags, duplicate keys, recursive aliases, more than one document, and excessive depth, digits of a number, or values
after aliases are resolved. Aliases and merge keys (``<<``) are read.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import yaml

from xlgen.core.json_types import JsonValue
from xlgen.core.registry import InputError
from xlgen.core.untrusted import read_text

DEEPEST = 40
"""Maximum nesting depth of lists and mappings."""
_MOST_VALUES = 1_000_000
_LARGEST_FILE = 16 * 2**20
_LONGEST_NUMBER = 100
_LARGEST_INTEGER = 2**63
# Where libyaml is there, it is many times as fast.
_PARSER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = ("", "~", "null", "Null", "NULL")
_BOOL = {**dict.fromkeys(("true", "True", "TRUE"), True), **dict.fromkeys(("false", "False", "FALSE"), False)}
_INTEGER = re.compile(r"[-+]?(?:\d[\d_]*|0x[\da-fA-F]+|0o[0-7]+|0b[01]+)", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:(?:\.\d+|\d+(?:\.\d*)?)[eE][-+]?\d+|\.\d+|\d+\.\d*|\.inf)|\.nan", re.ASCII)


class RecipeError(InputError):
    """The recipe, or an override of it, is invalid."""


class _Mark(Protocol):
    """The position of an event in a YAML document."""

    @property
    def line(self) -> int:
        """Counted from 0."""


class _RefusedError(Exception):
    """Valid YAML that is not supported."""

    def __init__(self, problem: str, mark: _Mark | None) -> None:
        super().__init__(problem)
        self.line = mark.line + 1 if mark else 0


def parse_yaml(text: str, where: str) -> JsonValue:
    """Read YAML. Raises RecipeError that names ``where`` and the line."""
    try:
        return _Builder().build(text)
    except _RefusedError as error:
        raise RecipeError(f"{where}, line {error.line}: {error}") from None
    except yaml.YAMLError as error:
        raise RecipeError(f"{where} is not valid YAML: {error}") from None
    except UnicodeError:
        raise RecipeError(f"{where} is not UTF-8 text") from None


def read_yaml(path: Path) -> JsonValue:
    """Read the YAML file ``path``. Raises RecipeError if it cannot be read."""
    try:
        text = read_text(path, _LARGEST_FILE)
    except InputError as error:
        raise RecipeError(str(error)) from None
    return parse_yaml(text, str(path))


@dataclass
class _Open:
    """A list or a mapping that is being read."""

    value: JsonValue
    mark: _Mark | None
    anchor: str | None
    before: int
    """Number of values that had been read when it began."""
    key: Hashable = None
    has_key: bool = False
    merged: list[dict[Hashable, JsonValue]] = field(default_factory=list)


_MERGE = object()


class _Builder:
    """Converts the events of a YAML document to data, without recursion."""

    def __init__(self) -> None:
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[JsonValue, int]] = {}
        self._values = 0
        self._root: JsonValue = None

    def build(self, text: str) -> JsonValue:
        """The data in ``text``; None if it is empty."""
        documents = 0
        for event in yaml.parse(text, Loader=_PARSER):
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _RefusedError("a second document begins here; one is expected", event.start_mark)
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event)
            elif isinstance(event, yaml.ScalarEvent):
                self._check(event)
                value = self._scalar(event)
                self._add(value, event.start_mark)
                self._name(event.anchor, value, 1)
            elif isinstance(event, yaml.CollectionStartEvent):
                self._check(event)
                if len(self._open) >= DEEPEST:
                    raise _RefusedError(f"lists and mappings are over {DEEPEST} levels deep", event.start_mark)
                value = {} if isinstance(event, yaml.MappingStartEvent) else []
                self._open.append(_Open(value, event.start_mark, event.anchor, self._values))
            elif isinstance(event, yaml.CollectionEndEvent):
                self._close()
        return self._root

    def _check(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.tag is not None:
            raise _RefusedError(f"the tag {event.tag[:80]!r} is not read: write plain data", event.start_mark)

    def _name(self, anchor: str | None, value: JsonValue, size: int) -> None:
        if anchor is not None:
            self._anchors[anchor] = value, size

    def _alias(self, event: yaml.AliasEvent) -> None:
        if any(each.anchor == event.anchor for each in self._open):
            raise _RefusedError(f"the alias *{event.anchor} is inside the value of its own anchor", event.start_mark)
        if event.anchor not in self._anchors:
            raise _RefusedError(f"the alias *{event.anchor} has no anchor before it", event.start_mark)
        value, size = self._anchors[event.anchor]
        self._values += size - 1
        self._add(value, event.start_mark)

    def _scalar(self, event: yaml.ScalarEvent) -> JsonValue:
        text: str = event.value
        if not event.implicit[0]:  # in quotation marks, or a block of text
            return text
        if text == "<<":
            return _MERGE
        if text in _NULL:
            return None
        if text in _BOOL:
            return _BOOL[text]
        if text[0] in "-+.0123456789":
            if _INTEGER.fullmatch(text):
                return _integer(text, event.start_mark)
            if _FLOAT.fullmatch(text):
                return _float(text, event.start_mark)
        return text

    def _close(self) -> None:
        done = self._open.pop()
        value = done.value
        for each in done.merged:
            value |= {key: inner for key, inner in each.items() if key not in value}
        self._add(value, done.mark)
        self._name(done.anchor, value, self._values - done.before)

    def _add(self, value: JsonValue, mark: _Mark | None) -> None:
        self._values += 1
        if self._values > _MOST_VALUES:
            raise _RefusedError(f"it holds over {_MOST_VALUES:,} values", mark)
        if not self._open:
            self._root = "<<" if value is _MERGE else value
            return
        here = self._open[-1]
        if isinstance(here.value, list):
            here.value.append("<<" if value is _MERGE else value)
        elif not here.has_key:
            if not isinstance(value, Hashable):
                raise _RefusedError("a list or a mapping cannot be a key", mark)
            if value is not _MERGE and value in here.value:
                raise _RefusedError(f"the key {str(value)[:80]!r} occurs twice in one mapping", mark)
            here.key, here.has_key = value, True
        else:
            self._set(here, "<<" if value is _MERGE else value, mark)

    def _set(self, here: _Open, value: JsonValue, mark: _Mark | None) -> None:
        here.has_key = False
        if here.key is not _MERGE:
            here.value[here.key] = value
            return
        merged = value if isinstance(value, list) else [value]
        if not all(isinstance(each, dict) for each in merged):
            raise _RefusedError("<< takes a mapping, or several in a list", mark)
        here.merged += merged
        self._values += sum(map(len, merged))


def _integer(text: str, mark: _Mark | None) -> int:
    if len(text) <= _LONGEST_NUMBER:
        digits = text.replace("_", "")
        other = re.match(r"[-+]?0[xob]", digits)
        value = int(digits, 0) if other else int(digits)
        if -_LARGEST_INTEGER <= value < _LARGEST_INTEGER:
            return value
    raise _RefusedError(f"the number {text[:20]}… has too many digits; in quotation marks it is text", mark)


def _float(text: str, mark: _Mark | None) -> float:
    if len(text) > _LONGEST_NUMBER:
        raise _RefusedError(f"the number {text[:20]}… has too many digits; in quotation marks it is text", mark)
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


class _Dumper(yaml.SafeDumper):
    """Quotes text that :func:`parse_yaml` would read as something else."""


_Dumper.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(rf"^(?:{_INTEGER.pattern})$", re.ASCII), None)
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(rf"^(?:{_FLOAT.pattern})$", re.ASCII), None)


def dump_yaml(data: object) -> str:
    """Plain data as YAML that :func:`parse_yaml` reads back to the same."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
