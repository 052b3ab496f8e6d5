"""The resolved recipe of a run folder: the validated parts that tables and views read, from any version of xlgen."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from xlgen.core.json_types import JsonMapping, JsonObject, JsonValue
from xlgen.core.languages import Language, UnknownLanguageError
from xlgen.core.registry import InputError
from xlgen.core.yaml_config import override_keys
from xlgen.core.yaml_loader import read_yaml
from xlgen.runs.files import check_format
from xlgen.runs.paths import RunPaths
from xlgen.runs.records import LARGEST

_Count = Annotated[int, Field(ge=0, lt=LARGEST)]
_Text = Annotated[str, Field(max_length=10_000)]


class _Read(BaseModel):
    """Some keys of a mapping, which may have other keys from later or earlier versions."""

    model_config = ConfigDict(extra="allow", strict=True, protected_namespaces=())


class _Named(_Read):
    name: _Text | None = None


class _Training(_Read):
    steps: _Count | None = None
    learning_rate: float | None = Field(default=None, allow_inf_nan=False)
    optimizer: _Text | None = None
    schedule: _Text | None = None
    warmup_steps: _Count | None = None
    train_examples: _Count | None = None
    batch_tokens: _Count | None = None
    max_examples: _Count | None = None
    gradient_accumulation_steps: _Count | None = None


class _Evaluation(_Read):
    split: _Text | None = None
    examples: _Count | None = None
    num_beams: _Count | None = None
    length_penalty: float | None = Field(default=None, allow_inf_nan=False)
    lid: _Text | None = None
    metric_options: dict[str, JsonObject] | None = None


class _Stage(_Read):
    task: _Text | None = None
    source_languages: list[_Text] | None = None
    adaptation: _Named | None = None
    training: _Training | None = None
    evaluation: _Evaluation | None = None


class _Baseline(_Named):
    run: _Text | None = None


class _Recipe(_Read):
    name: _Text | None = None
    backbone: _Named | None = None
    stages: list[_Stage] = Field(min_length=1, max_length=1_000)
    seed: Annotated[int, Field(gt=-LARGEST, lt=LARGEST)] | None = None
    data_dir: _Text | None = None
    report_as: _Text | None = None
    baseline: _Baseline | None = None


def _plain(value: JsonValue) -> JsonValue:
    """Check that all keys are strings, so that a recipe can be written as JSON and sorted."""
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise ValueError("a key is not a string")
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _spell_out(recipe: JsonValue) -> None:
    """Replace a plain name by the mapping ``{name: ...}``."""
    if isinstance(recipe, dict):
        for key in ("backbone", "baseline"):
            if isinstance(recipe.get(key), str):
                recipe[key] = {"name": recipe[key]}


class _File(_Read):
    recipe: _Recipe
    environment: JsonObject | None = None


@dataclass(frozen=True)
class Resolved:
    """The contents of a run's ``recipe.yaml``."""

    recipe: JsonMapping = field(repr=False)
    """As in the file; the keys that are read have the same types as in :class:`xlgen.core.config.Recipe`."""
    environment: JsonMapping | None = field(repr=False, default=None)

    @property
    def stage(self) -> JsonMapping:
        """The last stage of the recipe."""
        found: JsonMapping = self.recipe["stages"][-1]
        return found

    @property
    def method(self) -> str:
        """The method's name in tables: ``report_as``, or the name of the baseline, or of the adaptation."""
        baseline, adaptation = self.recipe.get("baseline") or {}, self.stage.get("adaptation") or {}
        return str(self.recipe.get("report_as") or baseline.get("name") or adaptation.get("name") or "")

    @property
    def backbone(self) -> str:
        """The name of the backbone; empty if the recipe has none."""
        return str((self.recipe.get("backbone") or {}).get("name") or "")


def canonical(code: str) -> str:
    """The canonical code of a language, or the code itself if unknown."""
    try:
        return Language.parse(code).code
    except UnknownLanguageError:
        return code


def read_resolved(folder: Path) -> Resolved:
    """Read a run's ``recipe.yaml``.

    Raises InputError if the file is not a resolved recipe, or is damaged.
    """
    file = RunPaths(folder).recipe_file
    needed = f"{file} is not the resolved recipe of a run, or is damaged"
    try:
        data = read_yaml(file)
    except InputError as error:
        raise InputError(f"{needed}: {error}") from None
    if not isinstance(data, dict) or "recipe" not in data:
        raise InputError(f"{needed}: it needs the key `recipe` with `stages`")
    check_format(data, str(file))
    try:
        plain = override_keys(_plain(data), {})
        _spell_out(plain["recipe"])
        _File.model_validate(plain)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"{needed}: {place}: {first['msg']}") from None
    except ValueError as error:
        raise InputError(f"{needed}: {error}") from None
    return Resolved(plain["recipe"], plain.get("environment"))
