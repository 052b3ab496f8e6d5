"""Recipes as plain data: dotted overrides from the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from xlgen.core.yaml_loader import RecipeError, parse_yaml, read_yaml

NAMED: Mapping[str, str] = {
    "adaptation": "method",
    **dict.fromkeys(("backbone", "baseline", "control", "criterion", "penalty", "policy", "reader"), "name"),
}
"""Keys that hold a plugin or a backbone, with the key of its name. A name alone means the mapping that holds it."""

RENAMED: Mapping[str, Mapping[str, str]] = {
    "training": {"accumulation": "gradient_accumulation_steps", "clip_norm": "max_grad_norm"}
}
"""Old keys of recipes that are still accepted, with their current names, by the section that has them."""

__all__ = ["RecipeError", "by_name", "override", "override_keys", "parse_yaml", "read_yaml", "with_current_keys"]


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


def with_current_keys(section: str, data: Any) -> Any:
    """``data``, the mapping under the key ``section``, with renamed keys in their current spelling.

    Raises RecipeError if a key is given in both spellings.
    """
    renamed = RENAMED.get(section)
    if renamed is None or not isinstance(data, Mapping):
        return data
    for old, new in renamed.items():
        if old in data and new in data:
            raise RecipeError(f"{section}: {old!r} is the old name of {new!r}; remove one of the two")
    return {renamed.get(key, key): value for key, value in data.items()}


def by_name(key: str, value: Any) -> Any:
    """The mapping that a name alone under ``key`` stands for, with the name under the key that the field reads."""
    name = NAMED[key]
    if isinstance(value, str):
        return {name: value}
    if name != "name" and isinstance(value, Mapping) and "name" in value and name not in value:
        return {name if inner == "name" else inner: option for inner, option in value.items()}
    return value


def _copy(data: Any, section: str = "") -> Any:
    if isinstance(data, Mapping):
        return with_current_keys(section, {key: _copy(value, key) for key, value in data.items()})
    return [_copy(value) for value in data] if isinstance(data, list) else data


def _set(data: Any, keys: list[str], value: Any, assignment: str) -> None:
    for index, key in enumerate(keys):
        last = index == len(keys) - 1
        if isinstance(data, list):
            if not (key.isascii() and key.isdigit() and len(key) < 10) or int(key) >= len(data):
                raise RecipeError(f"override {assignment!r}: {key!r} is no index into a list of {len(data)}")
            slot: Any = int(key)
        elif isinstance(data, dict):
            slot = RENAMED.get(keys[index - 1], {}).get(key, key) if index else key
        else:
            raise RecipeError(f"override {assignment!r}: {'.'.join(keys[:index])!r} has no keys of its own")
        if last:
            data[slot] = value
            return
        child = data[slot] if isinstance(data, list) else data.get(key)
        if isinstance(child, str) and key in NAMED:
            child = {NAMED[key]: child}
        if child is None:
            child = {}
        data[slot] = child
        data = child
