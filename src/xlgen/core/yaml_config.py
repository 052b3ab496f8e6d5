"""Recipes as plain data: dotted overrides from the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from xlgen.core.json_types import JsonMapping, JsonValue
from xlgen.core.yaml_loader import RecipeError, parse_yaml, read_yaml

PLUGIN_KEYS = frozenset(
    [
        "adaptation",
        "backbone",
        "baseline",
        "control",
        "corpus",
        "criterion",
        "objective",
        "penalty",
        "policy",
        "reader",
        "under",
    ]
)
"""Keys that have a plugin or a backbone. A name alone is short for a mapping with the key ``name``."""

OLD_NAMES: Mapping[str, str] = {"adaptation": "method", "corpus": "reader", "reader": "reader"}
"""The key of a plugin's name in early versions, by the section that has it."""

RENAMED: Mapping[str, Mapping[str, str]] = {
    "training": {"accumulation": "gradient_accumulation_steps", "clip_norm": "max_grad_norm"}
}
"""Old keys of recipes that are still accepted, with their current names, by the section that has them."""

__all__ = [
    "RecipeError",
    "override",
    "override_keys",
    "parse_yaml",
    "read_yaml",
    "with_current_keys",
    "with_name",
    "yaml_setting",
]


def yaml_setting(setting: str | Path | JsonMapping, where: str) -> JsonValue:
    """The value of a setting: a mapping as it is, a YAML file (by its suffix), or YAML text.

    ``where`` names the setting in errors. Raises RecipeError.
    """
    if isinstance(setting, Mapping):
        return setting
    path = Path(setting)
    return read_yaml(path) if path.suffix in (".yaml", ".yml") else parse_yaml(str(setting), where)


def override(data: JsonValue, assignments: Iterable[str]) -> JsonValue:
    """Apply ``key.sub=value`` overrides (split at the first ``=``; the value is YAML) and return the new data."""
    result = _copy(data)
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or not key:
            raise RecipeError(f"override {assignment!r} must have the form key=value, e.g. training.learning_rate=1e-4")
        _set(result, key.split("."), parse_yaml(value, f"the override {assignment!r}"), assignment)
    return result


def override_keys(data: JsonValue, changes: JsonMapping) -> JsonValue:
    """Apply overrides given as a mapping of dotted keys to values and return the new data."""
    result = _copy(data)
    for key, value in changes.items():
        _set(result, key.split("."), value, f"{key}: {value}")
    return result


def with_current_keys(section: str, data: JsonValue) -> JsonValue:
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


def with_name(section: str, data: JsonValue) -> JsonValue:
    """``data``, the value of the key ``section``, with a plugin's name under ``name``.

    Raises RecipeError if there are two names.
    """
    old = OLD_NAMES.get(section)
    if old is None or not isinstance(data, Mapping) or not isinstance(data.get(old), str):
        return data
    if "name" in data:
        if section == old:  # an option of the plugin
            return data
        raise RecipeError(f"{section}: {old!r} is the old name of 'name'; remove one of the two")
    return {"name" if key == old else key: value for key, value in data.items()}


def _copy(data: JsonValue, section: str = "") -> JsonValue:
    if isinstance(data, Mapping):
        current = with_name(section, with_current_keys(section, data))
        return {key: _copy(value, key) for key, value in current.items()}
    return [_copy(value) for value in data] if isinstance(data, list) else data


def _set(data: JsonValue, keys: list[str], value: JsonValue, assignment: str) -> None:
    for index, key in enumerate(keys):
        last = index == len(keys) - 1
        if isinstance(data, list):
            if not (key.isascii() and key.isdigit() and len(key) < 10) or int(key) >= len(data):
                raise RecipeError(f"override {assignment!r}: {key!r} is no index into a list of {len(data)}")
            slot: JsonValue = int(key)
        elif isinstance(data, dict):
            slot = _current(keys[index - 1], key, value if last else None) if index else key
        else:
            raise RecipeError(f"override {assignment!r}: {'.'.join(keys[:index])!r} has no keys of its own")
        if last:
            data[slot] = value
            return
        child = data[slot] if isinstance(data, list) else data.get(slot)
        if isinstance(child, str) and key in PLUGIN_KEYS:
            child = {"name": child}
        if child is None:
            child = {}
        data[slot] = child
        data = child


def _current(section: str, key: str, value: JsonValue) -> str:
    """The current spelling of ``key`` in ``section``, to which an override assigns ``value``."""
    if OLD_NAMES.get(section) == key and isinstance(value, str):
        return "name"
    return RENAMED.get(section, {}).get(key, key)
