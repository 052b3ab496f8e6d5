"""The command line: every command explains itself, lists are lines, exit codes mean what they say."""

import gc
import importlib
import pkgutil
import re
import shlex
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

import xlgen
from xlgen.adaptation.base import methods, trainable_parameters
from xlgen.api.catalog import LISTS, methods_on, registries
from xlgen.backbones.loading import load
from xlgen.cli import app, main
from xlgen.core.config import load_recipe
from xlgen.core.languages import all_languages
from xlgen.core.registry import InputError, Registry, RunEndedError
from xlgen.core.shipped import shipped
from xlgen.data.objectives import objectives
from xlgen.experiments.plan import load_study
from xlgen.metrics.base import metrics

GROUP: Any = typer.main.get_command(app)
COMMANDS = sorted(GROUP.commands)
runner = CliRunner()


def test_the_commands_of_the_design_are_there() -> None:
    assert {"quickstart", "train", "evaluate", "predict", "report", "query", "list", "doctor"} <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_an_example_that_parses(name: str) -> None:
    done = runner.invoke(app, [name, "--help"])
    assert done.exit_code == 0
    text = " ".join(done.stdout.split())
    example = text.rsplit("Example: ", 1)[1]
    program, command, *arguments = shlex.split(example)
    assert (program, command) == ("xlgen", name)
    found = GROUP.commands[name].make_context(name, arguments).params
    if name == "train":
        load_recipe(found["recipe"], found["overrides"])
    if name == "list":
        assert found["kind"] in LISTS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained(name: str) -> None:
    command = GROUP.commands[name]
    assert command.help
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{name} {parameter.name}"


def test_without_a_command_there_is_help() -> None:
    done = runner.invoke(app, [])
    assert "Usage" in done.output
    assert all((name in done.output) != GROUP.commands[name].hidden for name in COMMANDS)


@pytest.mark.spread(8)
@pytest.mark.parametrize("kind", LISTS)
def test_list_gives_one_line_each_with_a_description(kind: str) -> None:
    done = runner.invoke(app, ["list", kind])
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert len(lines) == len(list(LISTS[kind]()))
    for line in lines:
        assert re.fullmatch(r"\S.* +\S.*", line), line
    assert "[bold]" not in done.stdout


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("languages", [language.code for language in all_languages()]),
        ("methods", methods.names()),
        ("metrics", metrics.names()),
        ("objectives", objectives.names()),
        ("tasks", shipped("tasks")),
        ("recipes", ["quickstart", "squad-xquad", "pocket-mt5"]),
        ("backbones", ["pocket-mt5", "pocket-mbart", "pocket-nllb"]),
    ],
)
def test_lists_hold_what_there_is(kind: str, names: Any) -> None:
    lines = runner.invoke(app, ["list", kind]).stdout.splitlines()
    assert set(names) <= {line.split()[0] for line in lines}


def test_every_registry_is_listed() -> None:
    """Those that exist once every module is imported, though no list names them."""
    for module in pkgutil.walk_packages(xlgen.__path__, "xlgen."):
        if module.name not in ("xlgen.__main__", "xlgen.evaluation.export.xlgen_adapted"):
            importlib.import_module(module.name)
    existing = {id(each): each for each in gc.get_objects() if isinstance(each, Registry)}
    of_ours = {key: each for key, each in existing.items() if each._package.startswith("xlgen.")}
    assert {id(found.registry) for found in registries().values()} == set(of_ours)
    for name, found in registries().items():
        assert {line.split()[0] for line in runner.invoke(app, ["list", name]).stdout.splitlines()} == set(
            found.registry.names()
        )


def test_a_new_registry_is_listed_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "later"
    (package / "samplers").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "samplers" / "__init__.py").write_text(
        "from xlgen.core.registry import Registry\n\n"
        "samplers: Registry[type] = Registry('sampler', 'later.samplers', 'samplers')\n"
        "'How tokens are drawn.'\n"
    )
    (package / "samplers" / "greedy.py").write_text(
        "from later.samplers import samplers\n\n\n@samplers.register('greedy')\n"
        'class Greedy:\n    """The most probable token."""\n'
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    found = registries(package, "later")
    assert {name: list(listing()) for name, listing in found.items()} == {
        "samplers": [("greedy", "The most probable token.")]
    }
    assert found["samplers"].kind == "sampler"
    assert found["samplers"].description == "How tokens are drawn."


def test_a_registry_without_a_docstring_is_named(tmp_path: Path) -> None:
    (tmp_path / "samplers.py").write_text("samplers: Registry[type] = Registry('sampler', 'later', 'samplers')\n")
    with pytest.raises(ValueError, match=r"a registry in later\.samplers has no docstring"):
        registries(tmp_path, "later")


def test_every_kind_and_skeleton_says_what_it_is() -> None:
    lines = dict(line.split(maxsplit=1) for line in runner.invoke(app, ["list"]).stdout.splitlines())
    assert "search tries" in lines["policies"] and "`adaptation`" in lines["methods"]
    skeletons = runner.invoke(app, ["list", "skeletons"]).stdout
    assert "NllbTokenizer and M2M100Config" in skeletons and "MT5Config" in skeletons


def test_studies_are_told_from_recipes_of_one_run() -> None:
    """As `xlgen study` and `xlgen train` tell them."""
    for line in runner.invoke(app, ["list", "recipes"]).stdout.splitlines():
        name, description = line.split(maxsplit=1)
        if description.startswith("(study) "):
            load_study(name)
        else:
            load_recipe(name)


def test_a_task_in_place_of_a_recipe_is_said() -> None:
    for command in ("train", "study"):
        done = runner.invoke(app, [command, "xnli", "--out", "out"])
        assert isinstance(done.exception, InputError) and "xnli is a task, not a recipe" in str(done.exception)


def test_without_a_kind_there_are_the_kinds() -> None:
    lines = runner.invoke(app, ["list"]).stdout.splitlines()
    assert [line.split()[0] for line in lines] == sorted(LISTS)
    assert all(line.endswith(".") for line in lines)
    assert {"policies", "criteria", "identifiers", "skeletons", "languages", "recipes"} <= set(LISTS)


def test_doctor() -> None:
    done = runner.invoke(app, ["doctor"])
    assert done.exit_code == 0
    for word in ("python", "torch", "CPU", "GPU", "free disk", metadata.version("transformers")):
        assert word in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "method"],
        ["lists"],
        ["train"],
        ["train", "squad-xquad"],
        ["doctor", "--fast"],
        ["evaluate", "x", "--num-beams", "0"],
        ["predict", "x", "--language", "fr", "--input", "y", "--num-beams", "0"],
    ],
)
def test_wrong_usage_is_2(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["xlgen", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    found = capsys.readouterr()
    assert not found.out
    assert "Traceback" not in found.err


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (RunEndedError("the loss [bold] is nan"), 1, "error: the loss [bold] is nan"),
        (OSError(28, "No space left on device"), 2, "No space left on device"),
        (NotADirectoryError(20, "Not a directory", "runs/a.jsonl"), 2, "runs/a.jsonl: Not a directory"),
        (FileExistsError(17, "File exists", "runs"), 2, "runs: File exists"),
        (PermissionError(13, "Permission denied", "/a/[b]"), 2, "no permission: /a/[b]"),
    ],
)
def test_exit_codes(
    error: Exception, code: int, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr("xlgen.cli.app", fail)
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == code
    assert message in capsys.readouterr().err


@pytest.mark.exhaustive
def test_methods_with_what_they_train_on_a_backbone(checkpoint: Callable[[str], Path]) -> None:
    found = {name: count for name, count, _, _ in methods_on(str(checkpoint("mbart")))}
    assert tuple(found) == methods.names()
    for name, count in found.items():
        backbone = load(str(checkpoint("mbart")))
        methods.build({"method": name}).prepare(backbone)
        assert count == trainable_parameters(backbone.model), name


def test_methods_that_a_backbone_cannot_have_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xlgen.cli.list.out", Console(width=200))
    done = runner.invoke(app, ["list", "methods", "--backbone", "pocket-mt5"])
    assert done.exit_code == 0
    assert re.search(r"bitfit +│ +- +│ +- +│ not on pocket-mt5: .*no bias vectors", done.stdout)
    assert re.search(r"full +│ +4,617,024 +│ +100.00 +│ Train every weight", done.stdout)


def test_only_methods_are_counted_on_a_backbone() -> None:
    done = runner.invoke(app, ["list", "tasks", "--backbone", "pocket-mt5"])
    assert isinstance(done.exception, InputError)
