"""Decide ``precision: auto`` once per run, and warn about a precision that is slow on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xlgen.core.config import Recipe, validate
from xlgen.core.machine import faster_precision, slowdown
from xlgen.core.registry import InputError
from xlgen.runs.folder import recipe_in
from xlgen.runs.paths import RunPaths


def is_undecided(recipe: Recipe) -> bool:
    """Whether a stage has ``precision: auto``."""
    return any(stage.training.precision == "auto" for stage in recipe.stages)


def with_precisions(recipe: Recipe, precisions: Sequence[str]) -> Recipe:
    """``recipe`` with ``precision: auto`` replaced in each stage; other stages keep their precision."""
    stages = tuple(
        stage.model_copy(update={"training": stage.training.model_copy(update={"precision": precision})})
        if stage.training.precision == "auto"
        else stage
        for stage, precision in zip(recipe.stages, precisions, strict=True)
    )
    return recipe.model_copy(update={"stages": stages})


def with_precisions_of(recipe: Recipe, before: Recipe) -> Recipe:
    """``recipe`` with ``precision: auto`` replaced as in the run ``before``; unchanged if that has other stages."""
    if len(before.stages) != len(recipe.stages):
        return recipe
    return with_precisions(recipe, [stage.training.precision for stage in before.stages])


def decide(recipe: Recipe, folder: Path) -> Recipe:
    """``recipe`` with ``precision: auto`` replaced as when the run in ``folder`` began, or by the faster precision."""
    if is_undecided(recipe):
        recipe = as_begun(recipe, folder)
    return with_precisions(recipe, [faster_precision()] * len(recipe.stages)) if is_undecided(recipe) else recipe


def as_begun(recipe: Recipe, folder: Path) -> Recipe:
    """``recipe`` with ``precision: auto`` replaced as when the run in ``folder`` began; unchanged if there is none."""
    file = RunPaths(folder).recipe_file
    try:
        return with_precisions_of(recipe, validate(Recipe, recipe_in(file), str(file))) if file.exists() else recipe
    except InputError:  # reported when the folder is used
        return recipe


def decide_all(recipes: Sequence[Recipe], folders: Sequence[Path]) -> list[Recipe]:
    """The recipes of a study with one precision: that of the first run that has begun, or the faster one here."""
    found = [as_begun(recipe, folder) for recipe, folder in zip(recipes, folders, strict=True)]
    if not any(map(is_undecided, found)):
        return found
    begun = [
        stage.training.precision
        for before, after in zip(recipes, found, strict=True)
        if is_undecided(before) and not is_undecided(after)
        for stage in after.stages[-1:]
    ]
    chosen = begun[0] if begun else faster_precision()
    return [with_precisions(recipe, [chosen] * len(recipe.stages)) for recipe in found]


def slow_precision(recipe: Recipe) -> str | None:
    """A warning if a recipe asks for a precision in which this machine is slower than in fp32; otherwise None."""
    if recipe.baseline is not None:
        return None
    asked: dict[str, set[str]] = {
        "training.precision": {stage.training.precision for stage in recipe.stages},
        "evaluation.precision": {stage.evaluation.precision for stage in recipe.stages if stage.task is not None},
    }
    for key, precisions in asked.items():
        if "bf16" in precisions and (times := slowdown("bf16")):
            better = "auto or fp32" if key == "training.precision" else "fp32"
            return f"{key} bf16: this machine multiplies {times:.0f} times slower in bf16 than in fp32; use {better}"
    return None
