"""The runs of a study: a base recipe and, for each run, the keys that differ."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TypeAlias

from pydantic import Field, model_validator

from xlgen.core.config import Config, Recipe, validate
from xlgen.core.config_plugins import CriterionField, PolicyField
from xlgen.core.json_schema import model_schema, recipe_schema
from xlgen.core.json_types import JsonMapping, JsonObject, JsonValue
from xlgen.core.registry import InputError, nearest
from xlgen.core.shipped import find_recipe
from xlgen.core.untrusted import check_name
from xlgen.core.yaml_config import RecipeError, override, override_keys, read_yaml
from xlgen.metrics.options import check_identifier, located

Changes: TypeAlias = JsonObject
"""Dotted keys of a recipe and their new values."""


class StudyGrid(Config):
    """All combinations of some axes, except for excluded ones."""

    axes: dict[str, list[JsonValue] | dict[str, Changes]] = Field(min_length=1)
    """Either a key of the recipe and its values, ``{seed: [0, 1, 2]}``, or a name and the changes for each value,
    ``{method: {full: {adaptation: full}, prompt: {adaptation.name: prompt, training.learning_rate: 0.3}}}``. Later
    axes override earlier ones."""
    base: JsonObject | None = None
    """A complete base recipe. If None, the study's."""
    exclude: tuple[JsonObject, ...] = ()
    """Combinations to leave out: ``{method: full, seed: [1, 2]}``, with one or several values per axis."""

    @model_validator(mode="after")
    def _exclusions_name_what_there_is(self) -> StudyGrid:
        for pattern in self.exclude:
            for axis, wanted in pattern.items():
                if axis not in self.axes:
                    raise ValueError(f"exclude: no axis {axis!r}: {nearest(axis, self.axes)}")
                for value in _listed(wanted):
                    if value not in self.axes[axis]:
                        raise ValueError(f"exclude: axis {axis} has no value {value!r}")
        return self

    def runs(self) -> Iterator[tuple[str, Changes]]:
        """(name, changes) of each run. A name is composed of the axes' values, in the order of the file."""
        for values in product(*(list(axis) for axis in self.axes.values())):
            chosen = dict(zip(self.axes, values, strict=True))
            if any(_matches(chosen, pattern) for pattern in self.exclude):
                continue
            labels: list[str] = []
            changes: Changes = {}
            for key, value in chosen.items():
                axis = self.axes[key]
                changes |= axis[value] if isinstance(axis, dict) else {key: value}
                labels.append(str(value) if isinstance(axis, dict) else f"{key.split('.')[-1]}={_short(value)}")
            yield "-".join(labels), changes


class SearchConfig(Config):
    """Search for the learning rate of each run instead of using the recipe's."""

    policy: PolicyField = Field(default="chirkova", validate_default=True)
    """The search policy; see ``xlgen list policies``."""
    criterion: CriterionField = Field(default="target", validate_default=True)
    """The criterion to maximize; see ``xlgen list criteria``."""
    policies: dict[str, PolicyField] = Field(default_factory=dict)
    """Policies for runs with the given part in their names: ``{prompt: {name: chirkova, start: [1, 2]}}``."""
    follow: dict[str, str] = Field(default_factory=dict)
    """Runs that reuse another run's rate. With ``{mixing: full}``, runs with the part ``mixing`` in their names try the
    best rate of the run with ``full`` instead, and ten times that rate (Chirkova et al. 2023, Appendix A)."""
    repeat: dict[str, list[JsonValue]] = Field(default_factory=dict)
    """Keys of the recipe and the values for which the run at the best rate is repeated: ``{seed: [1, 2]}``."""


class StudyConfig(Config):
    """The keys of a study file."""

    name: str
    """The study's name. By default, the file's name."""
    base: JsonObject
    """A complete recipe, which the runs change."""
    runs: dict[str, Changes] = Field(default_factory=dict)
    """The dotted keys of the recipe to change, by run name: ``{high: {training.learning_rate: 3e-3}}``."""
    grids: tuple[StudyGrid, ...] = ()
    """More runs, as combinations of axes. A study with one grid may have ``axes`` and ``exclude`` at the top level."""
    search: SearchConfig | None = None
    """Search for the learning rate of each run except baselines."""

    @model_validator(mode="before")
    @classmethod
    def _one_grid_at_top_level(cls, data: object) -> object:
        if not isinstance(data, Mapping) or "axes" not in data:
            return data
        grid = {key: data[key] for key in ("axes", "exclude") if key in data}
        outer = {key: value for key, value in data.items() if key not in grid}
        return {**outer, "grids": [*outer.get("grids", ()), grid]}

    @model_validator(mode="after")
    def _not_empty(self) -> StudyConfig:
        if not self.runs and not self.grids:
            raise ValueError("a study needs `runs`, `axes` or `grids`")
        return self


def study_schema() -> JsonObject:
    """The JSON schema of a study file, in which the axes of a single grid may be at the top level."""
    schema, recipe = model_schema(StudyConfig), recipe_schema()
    definitions = {**recipe.pop("$defs"), **schema["$defs"], "recipe": recipe}
    for config in (schema, schema["$defs"]["StudyGrid"]):
        config["properties"]["base"] = {
            "$ref": "#/$defs/recipe",
            "description": config["properties"]["base"]["description"],
        }
    grid = schema["$defs"]["StudyGrid"]["properties"]
    schema["properties"] |= {key: grid[key] for key in ("axes", "exclude")}
    schema["required"] = ["base"]
    return {**schema, "$defs": definitions}


@dataclass(frozen=True)
class PlannedRun:
    """One run of a study."""

    name: str
    recipe: Recipe
    until: int | None = None
    """The step of the last stage to stop at; the run can be resumed later. If None, the end."""


@dataclass(frozen=True)
class Study:
    """A study with its validated runs."""

    name: str
    runs: tuple[PlannedRun, ...]
    search: SearchConfig | None = None
    """If set, the search derives the actual runs from ``runs``."""


def load_study(name: str, overrides: Iterable[str] = ()) -> Study:
    """Read the study ``name`` (a path or a shipped one); overrides apply to its base. Raises RecipeError."""
    path = find_recipe(name)
    data = read_yaml(path)
    if isinstance(data, dict) and "backbone" in data and "base" not in data:
        raise RecipeError(f"{path} is a recipe of one run; run it with `xlgen train`")
    config = validate(StudyConfig, {"name": path.stem, **(data if isinstance(data, dict) else {})}, str(path))
    overrides = list(overrides)
    runs: dict[str, PlannedRun] = {}
    for data, found in [(config.base, config.runs.items()), *((g.base or config.base, g.runs()) for g in config.grids)]:
        base = override({"name": config.name, **data}, overrides)
        for run, changes in found:
            try:
                check_name(run, "a run's name")
            except InputError as error:
                raise RecipeError(f"{path}: {error}") from None
            if run in runs:
                raise RecipeError(f"{path}: two runs are called {run}; their outputs would be in the same folder")
            recipe = override_keys({**base, "name": run}, changes)
            runs[run] = PlannedRun(run, validate(Recipe, recipe, f"{path}: run {run}"))
    _check_repeat(config, list(runs.values()), path)
    return Study(config.name, tuple(runs.values()), config.search)


def _check_repeat(config: StudyConfig, runs: list[PlannedRun], path: Path) -> None:
    """Validate ``search.repeat`` now, because the repeated runs are only planned when the search has ended."""
    for key, values in (config.search.repeat if config.search else {}).items():
        for value in values:
            changed = override_keys(runs[0].recipe.model_dump(mode="json"), {key: value})
            validate(Recipe, changed, f"{path}: search.repeat: {key}")


def only(study: Study, patterns: Iterable[str]) -> Study:
    """The study with only the runs whose names match one of ``patterns``, such as ``prompt-base-*``.

    Raises RecipeError if a pattern matches no run.
    """
    names = [run.name for run in study.runs]
    wanted: set[str] = set()
    for pattern in patterns:
        found = fnmatch.filter(names, pattern)
        if not found:
            raise RecipeError(f"study {study.name} has no run {pattern!r}: {nearest(pattern, names)}")
        wanted.update(found)
    return replace(study, runs=tuple(run for run in study.runs if run.name in wanted))


def check_identifiers(study: Study) -> None:
    """Raise InputError if a language identifier is not available, before anything runs."""
    named = {(stage.evaluation.lid, run.recipe.data_dir) for run in study.runs for stage in run.recipe.stages}
    for lid, folder in sorted((lid, folder) for lid, folder in named if lid is not None):
        check_identifier(located(lid, Path(folder)))


def _listed(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else [value]


def _matches(chosen: JsonMapping, pattern: JsonMapping) -> bool:
    return all(chosen[axis] in _listed(wanted) for axis, wanted in pattern.items())


def _short(value: JsonValue) -> str:
    """A value as part of a folder's name."""
    text = "+".join(map(str, value)) if isinstance(value, list) else f"{value:g}" if isinstance(value, float) else value
    return str(text).replace("/", "_")
