"""Recipes as plain data: dotted overrides from the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from xlgen.core.yaml_loader import RecipeError, parse_yaml, read_yaml

__all__ = ["RecipeError", "override", "override_keys", "parse_yaml", "read_yaml"]


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
            if not (key.isascii() and key.isdigit() and len(key) < 10) or int(key) >= len(data):
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
