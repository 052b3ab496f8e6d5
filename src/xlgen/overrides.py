"""Recipes as plain data: YAML in, and dotted overrides from the command line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from xlgen.registry import InputError


class RecipeError(InputError):
    """The recipe, or an override of it, is wrong."""


class _Loader(yaml.SafeLoader):
    """YAML 1.2's scalars: ``no`` is Norwegian and not false, ``1e-3`` is a number and not text."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern) for tag, pattern in resolvers if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:float")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:(?:\.\d+|\d+(?:\.\d*)?)[eE][-+]?\d+|\.\d+|\d+\.\d*|\.inf|\.nan)$"),
    list("-+0123456789."),
)


def parse_yaml(text: str, where: str) -> Any:
    """Read YAML. Raises RecipeError that names ``where`` and the line."""
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise RecipeError(f"{where} is not valid YAML: {error}") from None


def read_yaml(path: Path) -> Any:
    """Read the YAML file ``path``. Raises RecipeError where it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RecipeError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path} is not UTF-8 text: {error}") from None
    return parse_yaml(text, str(path))


def override(data: Any, assignments: Iterable[str]) -> Any:
    """Apply ``key.sub=value`` overrides (split at the first ``=``; the value is YAML) and return the new data."""
    result = _copy(data)
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or not key:
            raise RecipeError(f"override {assignment!r} must have the form key=value, e.g. training.learning_rate=1e-4")
        _set(result, key.split("."), parse_yaml(value, f"the override {assignment!r}"), assignment)
    return result


def override_keys(data: Any, changes: Mapping[str, Any]) -> Any:
    """Apply overrides given as a mapping of dotted keys to values and return the new data."""
    result = _copy(data)
    for key, value in changes.items():
        _set(result, key.split("."), value, f"{key}: {value}")
    return result


def _copy(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {key: _copy(value) for key, value in data.items()}
    return [_copy(value) for value in data] if isinstance(data, list) else data


def _set(data: Any, keys: list[str], value: Any, assignment: str) -> None:
    for index, key in enumerate(keys):
        last = index == len(keys) - 1
        if isinstance(data, list):
            if not key.isdigit() or int(key) >= len(data):
                raise RecipeError(f"override {assignment!r}: {key!r} is no index into a list of {len(data)}")
            slot: Any = int(key)
        elif isinstance(data, dict):
            slot = key
        else:
            raise RecipeError(f"override {assignment!r}: {'.'.join(keys[:index])!r} has no keys of its own")
        if last:
            data[slot] = value
            return
        child = data[slot] if isinstance(data, list) else data.get(key)
        if isinstance(child, str) and key in ("adaptation", "backbone", "control"):
            # A name alone stands for the mapping that holds it.
            child = {"method" if key == "adaptation" else "name": child}
        if child is None:
            child = {}
        data[slot] = child
        data = child
