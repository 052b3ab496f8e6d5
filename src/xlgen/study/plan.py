"""What runs a study holds: a base recipe and, for each run, the keys in which it differs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from xlgen.config import Config, Recipe, find_recipe, validate
from xlgen.overrides import override, override_keys, read_yaml


class StudyConfig(Config):
    """The keys of a study file."""

    name: str
    base: dict[str, Any]
    """A whole recipe."""
    runs: dict[str, dict[str, Any]] = Field(min_length=1)
    """By name, the dotted keys of the recipe to change: ``{high: {training.learning_rate: 3e-3}}``."""


@dataclass(frozen=True)
class PlannedRun:
    """One run of a study."""

    name: str
    recipe: Recipe


@dataclass(frozen=True)
class Study:
    """A study with its runs, all of them checked."""

    name: str
    runs: tuple[PlannedRun, ...]


def load_study(name: str, overrides: Iterable[str] = ()) -> Study:
    """Read the study ``name`` (a path or a shipped one); overrides apply to its base. Raises RecipeError."""
    path = find_recipe(name)
    data = read_yaml(path)
    config = validate(StudyConfig, {"name": path.stem, **(data if isinstance(data, dict) else {})}, str(path))
    base = override({"name": config.name, **config.base}, overrides)
    runs = []
    for run, changes in config.runs.items():
        recipe = override_keys({**base, "name": run}, changes)
        runs.append(PlannedRun(run, validate(Recipe, recipe, f"{path}: run {run}")))
    return Study(config.name, tuple(runs))
