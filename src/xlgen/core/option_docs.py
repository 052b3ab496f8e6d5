"""The names, types, defaults and documentation of options, read from pydantic models, dataclasses and commands."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from xlgen.core.field_docs import field_docs, markdown
from xlgen.core.plugins import PluginField

_NAMES = {int: "integer", float: "number", str: "text", bool: "true or false", Path: "path", Any: "any value"}
_PLURALS = {name: f"{name}s" for name in ("integer", "number", "text", "path", "mapping")}
_BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than", "min": "at least", "max": "at most"}
_BOUNDS |= {"least": "at least", "most": "at most"}
_LENGTHS = {"min_length": "at least", "max_length": "at most"}


@dataclass(frozen=True)
class Key:
    """One option."""

    name: str
    type: str
    default: str | None
    """As YAML; None if the option is required."""
    meaning: str
    """Markdown; empty if the option has no docstring."""


def keys_of(kind: type) -> list[Key]:
    """The options of a pydantic model or of a dataclass, in the order of their definition."""
    documented = field_docs(kind)
    return [
        Key(name, type_text(annotation, metadata), default, markdown(documented.get(name, "")))
        for name, annotation, metadata, default in _fields(kind)
    ]


def nested(kind: type, path: str = "") -> Iterator[tuple[str, type]]:
    """(path, model) of ``kind`` and of every model that its fields contain; items of a list have the path ``key[]``."""
    yield path, kind
    for name, annotation, _, _ in _fields(kind):
        for inner, in_list in _models(annotation):
            if inner is not kind:
                yield from nested(inner, f"{path}.{name}".lstrip(".") + "[]" * in_list)


def is_options(kind: Any) -> bool:
    """Whether ``kind`` is a class with options: a pydantic model or a dataclass."""
    return isinstance(kind, type) and (issubclass(kind, BaseModel) or dataclasses.is_dataclass(kind))


def is_open(kind: type) -> bool:
    """Whether ``kind`` is a placeholder for the options of any plugin: its only field, if any, is the plugin's name."""
    return issubclass(kind, BaseModel) and set(kind.model_fields) <= {"name"}


def _fields(kind: type) -> Iterator[tuple[str, Any, Collection[Any], str | None]]:
    """(name, annotation, constraints, default) of each field."""
    if issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            required = field.is_required()
            value = PydanticUndefined if required else field.get_default(call_default_factory=True, validated_data={})
            yield name, field.annotation, field.metadata, None if required else yaml_text(value)
    elif dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind, include_extras=True)
        for each in dataclasses.fields(kind):
            value = each.default_factory() if callable(each.default_factory) else each.default
            yield each.name, hints[each.name], (), None if value is dataclasses.MISSING else yaml_text(value)


def _models(annotation: Any) -> Iterator[tuple[type, bool]]:
    """(model, whether it is an item of a list) of each model in an annotation."""
    if is_options(annotation) and not is_open(annotation):
        yield annotation, False
    in_list = get_origin(annotation) in (list, tuple)
    for inner in get_args(annotation):
        yield from ((model, in_list or deeper) for model, deeper in _models(inner))


def type_text(annotation: Any, constraints: Collection[Any] = ()) -> str:
    """A type in words: ``integer, at least 1, or null``."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, typing.TypeVar):
        return _NAMES[Any]
    if origin is typing.Annotated:
        return type_text(arguments[0], [*arguments[1:], *constraints])
    if origin in (Union, types.UnionType):
        some = [each for each in arguments if each is not type(None)]
        text = " or ".join(dict.fromkeys(type_text(each, constraints) for each in some))
        return text + (", or null" if "," in text else " or null") * (len(some) < len(arguments))
    if plugins := [each.plural for each in constraints if isinstance(each, PluginField)]:
        return f"name or mapping: see `xlgen list {plugins[0]}`"
    if origin is Literal:
        return _one_of([f"`{value}`" for value in arguments])
    limits = "".join(f", {text}" for text in _limits(constraints))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "mapping" if arguments[1] is Any else f"mapping to {type_text(arguments[1])}{limits}"
    if origin is not None and arguments:
        inner = type_text(arguments[0])
        return f"list of {_PLURALS.get(inner, inner)}{limits}"
    if is_options(annotation):
        return "mapping"
    return _NAMES.get(annotation, getattr(annotation, "__name__", str(annotation))) + limits


def _one_of(values: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(values[:-1]), values[-1])))


def _limits(constraints: Collection[Any]) -> Iterator[str]:
    """The bounds in words, of annotated-types' constraints and of options of a command (``min``, ``max``)."""
    flat = [inner for each in constraints for inner in getattr(each, "metadata", None) or (each,)]
    for constraint in flat:
        for name, words in _BOUNDS.items():
            if (value := getattr(constraint, name, None)) is not None:
                yield f"{words} {value:,}"
        for name, words in _LENGTHS.items():
            if (value := getattr(constraint, name, None)) is not None:
                yield f"{words} {value} long"


def yaml_text(value: Any) -> str:
    """A default as it is written in YAML; ``defaults`` for a mapping of options that all have their defaults."""
    if is_options(type(value)):
        return "defaults"
    if isinstance(value, list | tuple | set | frozenset):
        return f"[{', '.join(map(yaml_text, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {yaml_text(each)}" for key, each in value.items()) + "}"
    if isinstance(value, float):
        return f"{value:g}"
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, str | Path) else str(value) or '""'
