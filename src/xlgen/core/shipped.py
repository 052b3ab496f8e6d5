"""The recipes, studies and task files that come with the package, and how a name finds one."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from xlgen.core.registry import nearest
from xlgen.core.yaml_config import RecipeError


def shipped(folder: str) -> dict[str, Path]:
    """The YAML files that come with the package under ``recipes/FOLDER``, by name."""
    root = Path(str(resources.files("xlgen"))) / "recipes" / folder
    return {path.stem: path for path in sorted(root.glob("*.yaml"))}


def shipped_recipes() -> dict[str, Path]:
    """All shipped recipes and studies."""
    return {**shipped("."), **shipped("papers"), **shipped("pocket"), **shipped("examples")}


def is_study(path: Path) -> bool:
    """Whether a shipped file is a study, which has several runs, and not the recipe of one run."""
    return any(line.startswith("base:") for line in path.read_text(encoding="utf-8").splitlines())


def find_recipe(name: str) -> Path:
    """The file of a recipe given as a path or as the name of a shipped one. Raises RecipeError."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        return path
    if name not in shipped_recipes() and name in shipped("tasks"):
        raise RecipeError(
            f"{name} is a task, not a recipe: set `task: {name}` in a recipe, or change the task of a shipped one "
            f"(`xlgen train squad-xquad task={name}`)"
        )
    return _named(name, "recipe", shipped_recipes())


def find_task(name: str) -> Path:
    """The file of a task given as a path or as the name of a shipped one. Raises RecipeError."""
    return Path(name) if name.endswith((".yaml", ".yml")) else _named(name, "task", shipped("tasks"))


def _named(name: str, kind: str, known: dict[str, Path]) -> Path:
    if name not in known:
        raise RecipeError(f"no {kind} {name!r}: {nearest(name, known)}. A path to a YAML file also works.")
    return known[name]
