"""Typed options of plugins: in recipes, in lists, in JSON schemas, and from other packages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

import xlgen
from xlgen.adaptation.adapters import AdapterOptions, Adapters
from xlgen.adaptation.base import methods
from xlgen.api.catalog import options_of, registries
from xlgen.cli import app
from xlgen.core.config import Evaluation, Recipe, Stage, Training, load_recipe
from xlgen.core.field_docs import field_docs
from xlgen.core.plugins import SCHEMA_FILE, PluginRegistry
from xlgen.core.shipped import shipped, shipped_recipes
from xlgen.core.yaml_config import RecipeError, read_yaml
from xlgen.data.tasks import TaskConfig
from xlgen.experiments.plan import SearchConfig, StudyConfig

SCHEMAS = {kind: Draft202012Validator(xlgen.schema(kind)) for kind in ("recipe", "study", "task")}
PLUGINS = [
    (kind, name) for kind, found in registries().items() for name in found.registry.names() if kind != "skeletons"
]


def test_a_recipe_holds_the_options_that_build_the_plugin() -> None:
    recipe = load_recipe({"backbone": "x", "task": "y", "adaptation": {"name": "adapters", "bottleneck_dim": 7}})
    options = recipe.stages[0].adaptation
    assert isinstance(options, AdapterOptions) and options.bottleneck_dim == 7
    method = options.build()
    assert isinstance(method, Adapters) and method.options is options


def test_options_made_in_python_need_no_name_if_one_plugin_has_them() -> None:
    stage = Stage(task="y", adaptation=AdapterOptions(bottleneck_dim=7))
    assert stage.adaptation.name == "adapters" and stage.model_dump()["adaptation"]["bottleneck_dim"] == 7
    with pytest.raises(RecipeError, match=r"MethodOptions needs the `name` of a method: one of .*full"):
        methods.options(methods.get("full").Options())


def test_what_a_run_records_is_what_was_written() -> None:
    """So that an option that is added later distinguishes no run from an older copy."""
    recipe = load_recipe({"backbone": "x", "task": "y", "adaptation": {"method": "lora", "rank": 2}})
    assert recipe.model_dump(mode="json")["stages"][0]["adaptation"] == {"name": "lora", "rank": 2}
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe


@pytest.mark.parametrize(("kind", "name"), PLUGINS)
def test_every_option_has_a_type_and_a_meaning(kind: str, name: str) -> None:
    for option in options_of(registries()[kind].registry.get(name)):
        assert option.meaning and option.type != "any value", option


@pytest.mark.parametrize("model", [Recipe, Stage, Training, Evaluation, TaskConfig, StudyConfig, SearchConfig])
def test_every_key_has_a_meaning(model: Any) -> None:
    assert set(field_docs(model)) >= set(model.model_fields)


def test_a_plugin_is_listed_with_its_options() -> None:
    text = CliRunner().invoke(app, ["list", "methods", "adapters"]).stdout
    assert "bottleneck_dim" in text and "64" in text and "`houlsby`, `bapna` or `parallel`" in text
    assert "use_stemmer" in CliRunner().invoke(app, ["list", "metrics", "rouge"]).stdout
    assert "full has no options" in CliRunner().invoke(app, ["list", "methods", "full"]).stdout


# -- JSON schemas


def test_the_shipped_schema_is_that_of_the_code() -> None:
    """After a change of options: ``xlgen schema recipe > src/xlgen/recipes/recipe.schema.json``."""
    assert json.loads(SCHEMA_FILE.read_text(encoding="utf-8")) == xlgen.schema("recipe")


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_are_valid(name: str) -> None:
    data = read_yaml(shipped_recipes()[name])
    SCHEMAS["study" if "base" in data or "grids" in data else "recipe"].validate(data)


@pytest.mark.parametrize("name", shipped("tasks"))
def test_shipped_tasks_are_valid(name: str) -> None:
    SCHEMAS["task"].validate(read_yaml(shipped("tasks")[name]))


FLAT = {"backbone": "x", "task": "y"}
WRONG: list[tuple[str, dict[str, Any]]] = [
    ("recipe", {"backbone": "x", "tusk": "y"}),
    ("recipe", {"task": "y"}),
    ("recipe", {**FLAT, "training": {"steps": 0}}),
    ("recipe", {**FLAT, "stages": [{"task": "y"}]}),
    ("recipe", {**FLAT, "adaptation": "adaptors"}),
    ("recipe", {**FLAT, "adaptation": {"name": "adapters", "rank": 3}}),
    ("recipe", {**FLAT, "penalty": "ewc"}),  # its text is required
    ("recipe", {**FLAT, "evaluation": {"control": {"name": "retry", "under": {"name": "rerank", "candidate": 2}}}}),
    ("recipe", {**FLAT, "unlabelled": [{"objective": "lm", "corpus": {"name": "jsonl"}}]}),
    ("task", {"reader": "jsonl", "languages": ["en"], "source": "a", "target": "b", "metrics": ["rouge"]}),
    ("study", {"base": {"backbone": "x", "tusk": "y"}, "runs": {"a": {}}}),
    ("study", {"base": FLAT, "runs": {"a": {}}, "search": {"policy": {"name": "grid"}}}),
]


@pytest.mark.parametrize(("kind", "data"), WRONG)
def test_wrong_files_are_not(kind: str, data: dict[str, Any]) -> None:
    assert not SCHEMAS[kind].is_valid(data)


def test_an_unknown_kind_of_schema_is_refused() -> None:
    with pytest.raises(xlgen.InputError, match="no schema of 'recipes': did you mean 'recipe'"):
        xlgen.schema("recipes")  # type: ignore[arg-type]


# -- refused before anything heavy is imported

KEYS = [
    "trainin=3",
    "training.step=3",
    "adaptation.bottleneck=3",
    "evaluation.control.candidate=3",
    "baseline.x=1",
]
REFUSE = """
import sys
from xlgen.core.config import load_recipe
from xlgen.core.registry import InputError
try:
    load_recipe({"backbone": "x", "task": "y", "adaptation": "adapters", "baseline": "lead",
                 "evaluation": {"control": "rerank"}}, [sys.argv[1]])
except InputError as error:
    print(error)
    print("torch" in sys.modules, "transformers" in sys.modules)
"""


@pytest.mark.parametrize("wrong", KEYS)
def test_a_wrong_key_is_refused_without_importing_pytorch(wrong: str) -> None:
    done = subprocess.run([sys.executable, "-c", REFUSE, wrong], capture_output=True, text=True, check=True)
    *message, imported = done.stdout.splitlines()
    assert f"unknown key '{wrong.partition('=')[0]}'" in message[-1] and imported == "False False"


# -- other packages

SCALED = '''
from pydantic import Field

from xlgen.adaptation.base import Method, MethodOptions, methods


class ScaledOptions(MethodOptions):
    """Options."""

    share: float = Field(default=0.5, gt=0, le=1)
    """What is trained."""


@methods.register("scaled")
class Scaled(Method[ScaledOptions]):
    """Train the biases of another package."""

    Options = ScaledOptions

    def trains(self, name, backbone):
        return name.endswith("bias")
'''
PROJECT = """
[build-system]
requires = ["setuptools>=80"]
build-backend = "setuptools.build_meta"

[project]
name = "xlgen-scaled"
version = "1.0"

[project.entry-points."xlgen.methods"]
scaled = "xlgen_scaled"
broken = "xlgen_scaled_missing"

[tool.setuptools]
py-modules = ["xlgen_scaled"]
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with a method, built and installed into a folder of its own."""
    source, place = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("place")
    (source / "xlgen_scaled.py").write_text(SCALED, encoding="utf-8")
    (source / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*install, "--target", str(place), str(source)], check=True, capture_output=True)
    return place


RUN = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from xlgen.cli import main

for words in json.loads(sys.argv[1]):
    sys.argv = ["xlgen", *words]
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        try:
            code = main()
        except SystemExit as ended:
            code = ended.code
    print(json.dumps([code or 0, out.getvalue(), err.getvalue()]))
"""


def run(package: Path, *commands: Sequence[str]) -> list[tuple[int, str, str]]:
    """The exit code, output and errors of each command, in one process that ``package`` is installed for."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")])}
    program = [sys.executable, "-c", RUN, json.dumps(commands)]
    done = subprocess.run(program, capture_output=True, text=True, env=environment, check=True)
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def test_a_method_of_another_package_is_found(package: Path, tmp_path: Path) -> None:
    recipe = {"backbone": "pocket-mt5", "task": "pocket-titles", "adaptation": {"name": "scaled", "shares": 1}}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    train = ["train", str(tmp_path / "recipe.yaml"), "--out", str(tmp_path / "run")]
    listed, refused, schema = run(package, ["list", "methods", "scaled"], train, ["schema"])
    assert listed[0] == 0 and "What is trained." in listed[1], listed
    assert "method 'broken' of the package xlgen-scaled cannot be loaded" in listed[2]
    assert refused[0] == 2 and "unknown key 'adaptation.shares': did you mean 'share'" in refused[2]
    assert "scaled" in schema[1]


def test_registries_of_plugins_with_options_have_them_typed() -> None:
    typed = {kind for kind, found in registries().items() if isinstance(found.registry, PluginRegistry)}
    assert typed == {
        "baselines", "controls", "criteria", "methods", "objectives", "penalties", "policies", "readers"
    }  # fmt: skip
