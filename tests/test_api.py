"""The Python API: the script of docs/how-to/python.md, its types, and that commands and functions are the same."""

from __future__ import annotations

import inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
import typer

import xlgen
from xlgen.cli import app
from xlgen.core.config import load_recipe
from xlgen.core.registry import InputError
from xlgen.training.callbacks import Callback
from xlgen.training.state import TrainingState

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "how-to" / "python.md"
SCRIPT = "\n".join(re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The names of the page's script after it has run in a folder of its own."""
    folder = tmp_path_factory.mktemp("script")
    names: dict[str, Any] = {"__name__": "script", "folder": folder}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(compile(SCRIPT, str(PAGE), "exec"), names)
    return names


@pytest.mark.undrawn
def test_the_script_of_the_page_runs(ran: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ran["folder"])
    assert len(ran["run"].checkpoints) == 1 and ran["page"].name == "report.html"
    assert ran["thai"] and {row["language"] for row in ran["thai"]} == {"th"}
    assert len(ran["outputs"]) == 2 and ran["count"] == 1
    assert {row["metric"] for row in ran["scores"]} >= {"rougeL", "correct_language_rate"}
    assert ran["difference"].pairs["paired"] == 8
    assert ran["similarity"].files[0].name == "cka.json"
    assert {row["language"] for row in ran["similarity"].rows.where(analysis="cka-models")} == {"en", "fr", "th"}
    assert [row["value"] for row in ran["labels"].rows.where(language="average")] == [pytest.approx(100)]
    assert not ran["study"].failed and ran["study"].runs
    assert ran["best"] and ran["parity"].equal == ran["parity"].compared > 0


def test_generate_is_predict(ran: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same outputs as the file of `predict`, alone and among other languages."""
    import json

    monkeypatch.chdir(ran["folder"])
    text = ran["texts"][0]
    written = json.loads(Path("out.jsonl").read_text(encoding="utf-8"))["prediction"]
    model = ran["model"]
    assert model.generate([text], language="en") == [written]
    assert model.generate([text, "", text], language=["th", "en", "en"])[1:] == ["", written]
    assert list(model.generate_stream([text, text], language="en")) == [written, written]
    assert model.generate([], language="en") == []


def test_a_backbone_as_it_is_generates() -> None:
    model = xlgen.load("pocket-nllb", languages=["fr"])
    assert len(model.generate(["The mayor opened a school."], language="fr", max_new_tokens=5)) == 1
    assert "th" in model.languages


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: model.generate("text", language="en"), "texts must be a list"),
        (lambda model: model.generate(["a", "b"], language=["en"]), "2 texts and 1 languages"),
        (lambda model: model.generate(["a"], language="sw"), "does not know Swahili"),
        (lambda model: model.generate(["a"], language="en", num_beams=0), "num_beams"),
        (lambda model: model.generate([{"text": "a"}], language="en"), "document"),
        (lambda model: model.generate(["a"], language="en", control="nothing"), "nothing"),
        (lambda model: xlgen.load("pocket-mt5", languages="en"), "languages must be a list"),
        (lambda model: xlgen.evaluate("run", languages="en"), "languages must be a list"),
        (lambda model: xlgen.load("runs/nothing/at/all"), "no model .runs/nothing/at/all.*pocket-mbart"),
        (lambda model: xlgen.train({"backbone": "pocket-mt5", "taks": "x"}, out="x"), "taks"),
    ],
)
def test_wrong_input(
    call: Callable[[Any], Any], message: str, ran: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ran["folder"])
    with pytest.raises(InputError, match=message):
        call(ran["model"])
    assert not Path("x").exists()


def test_callbacks_are_called_after_each_step(
    checkpoint: Callable[[str], Path], tiny_task: Callable[..., str], tmp_path: Path
) -> None:
    class Steps(Callback):
        def __init__(self) -> None:
            self.seen: list[int] = []

        def after_step(self, state: TrainingState) -> None:
            self.seen.append(state.step)

    recipe = {
        "backbone": str(checkpoint("mt5")),
        "task": tiny_task(["en"]),
        "training": {"steps": 3, "warmup_steps": 0, "batch_tokens": 300},
        "evaluation": {"every": None, "examples": 1, "bootstrap": 0, "max_new_tokens": 2},
    }
    steps = Steps()
    run = xlgen.train(recipe, out=tmp_path / "run", callbacks=[steps])
    assert steps.seen == [1, 2, 3]
    assert repr(xlgen.load(run)) == f"<model {run.folder}: MT5, full, task tiny, fp32>"
    with pytest.raises(InputError, match="callbacks are not called in a search"):
        xlgen.train(recipe, out=tmp_path / "search", auto=True, callbacks=[steps])


def test_an_analysis_is_printed_on_one_line() -> None:
    found = xlgen.analyze.overlap("pocket-labels", languages=["fr", "th"], max_examples=3)
    assert repr(found) == f"<overlap: 3 rows, table {found.tables[0].title!r}>"


def test_a_wrong_precision_is_refused() -> None:
    with pytest.raises(InputError, match="precision must be fp32 or bf16, not 'fp64'"):
        xlgen.load("pocket-mt5", precision="fp64")  # type: ignore[arg-type]


def test_inputs_of_another_type_are_refused() -> None:
    model = xlgen.load("pocket-mt5")
    texts: Any = ["a text", 5]
    with pytest.raises(InputError, match="text 1 must be text or a mapping with fields, not int"):
        model.generate(texts, language="en")


def test_overrides_reach_into_flat_and_staged_recipes(tmp_path: Path) -> None:
    flat = {"backbone": "pocket-mt5", "task": "pocket-summaries"}
    staged = {"backbone": "pocket-mt5", "stages": [{"task": "pocket-summaries"}]}
    for recipe, key in ((flat, "training.steps"), (staged, "stages.0.training.steps")):
        for overrides in ({key: 7}, [f"{key}=7"]):
            assert load_recipe(recipe, overrides).stages[0].training.steps == 7  # type: ignore[arg-type]
    assert load_recipe("squad-xquad", {"training.steps": 7}) == load_recipe("squad-xquad", ["training.steps=7"])


FUNCTIONS = {
    **{
        name: name
        for name in (
            *("train", "evaluate", "predict", "export", "study", "query", "score", "tokenizer", "schema"),
            *("trim", "untrim"),
        )
    },
    "list": "catalog",
    "report": "build_report",
    **{f"analyze {name}": f"analyze.{name}" for name in xlgen.analyze.__all__ if name != "Analyzed"},
}
"""The function of each command. `quickstart` is a study, and `doctor` and `choices` need none."""
WITHOUT_FUNCTION = {"quickstart", "doctor", "choices", "analyze"}
PYTHON_ONLY = {"progress", "console", "say", "status", "limit", "callbacks"}
# A command's name for an argument, where it is another one.
NAMES = {
    "checkpoint": "model",
    "field": "fields",
    "file": "out",
    "folder": "out",
    "metric_option": "metric_options",
    "no_measure": "measure",
    "place": "out",
    "sample": "sampling",
}
COMMAND_NAMES = {"report": {"folder": "run"}, "query": {"folder": "path"}, "score": {"file": "rows"}}
COMMAND_ONLY = {"score": {"compare", "format"}}
DIFFERENT = {
    "predict": {"output"},  # standard output by default
    "score": {"strict"},  # a bad row is reported, and the others are scored
    "study": {"measure"},  # the command has a flag that turns it off
}
"""Arguments with another default on the command line."""


def options_of(command: str) -> dict[str, Any]:
    """The options and arguments of a command with their defaults, under the names of the API."""
    found: Any = typer.main.get_command(app)
    for name in command.split():
        found = found.commands[name]
    names = NAMES | COMMAND_NAMES.get(command, {})
    options = {names.get(each.name, each.name): each for each in found.params}
    return {
        name: inspect.Parameter.empty if each.required else each.default
        for name, each in options.items()
        if name not in COMMAND_ONLY.get(command, ())
    }


def arguments_of(function: str) -> dict[str, Any]:
    """The arguments of a function with their defaults."""
    parameters = inspect.signature(attrgetter(function)(xlgen)).parameters
    return {name: each.default for name, each in parameters.items() if name not in PYTHON_ONLY}


def plain_default(value: Any) -> Any:
    """A default without its type: lists have no values, or are numbers with commas between them; paths are texts."""
    if value is None or (isinstance(value, tuple) and not value):
        return None
    if isinstance(value, tuple):
        return ",".join(each if isinstance(each, str) else f"{each:g}" for each in value)
    return str(value) if isinstance(value, Path) else value


@pytest.mark.parametrize(("command", "function"), FUNCTIONS.items())
def test_a_command_has_the_arguments_and_defaults_of_its_function(command: str, function: str) -> None:
    options, arguments = options_of(command), arguments_of(function)
    assert set(options) == set(arguments)
    for name in set(options) - DIFFERENT.get(command, set()):
        assert plain_default(options[name]) == plain_default(arguments[name]), name


def test_comparing_takes_the_arguments_of_scoring() -> None:
    """`xlgen score --compare` is `compare`."""
    score, compare = arguments_of("score"), arguments_of("compare")
    assert set(compare) == set(score) - {"rows"} | {"first", "second"}
    assert all(score[name] == compare[name] for name in set(score) - {"rows"})


def test_every_command_has_a_function() -> None:
    group: Any = typer.main.get_command(app)
    commands = {*group.commands, *(f"analyze {name}" for name in group.commands["analyze"].commands)}
    assert commands - WITHOUT_FUNCTION == set(FUNCTIONS)


def test_an_analysis_refuses_what_the_command_line_cannot_be_given(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="languages must be a list"):
        xlgen.analyze.cka("pocket-mt5", languages="en,fr")
    with pytest.raises(InputError, match="models must be a list"):
        xlgen.analyze.probe("pocket-mt5")
    with pytest.raises(InputError, match="task and texts"):
        xlgen.analyze.probe(["pocket-mt5"], task="pocket-summaries", texts={"corpus": {"reader": "pocket"}})
    with pytest.raises(InputError, match="is given twice"):
        xlgen.analyze.spectra("pocket-mt5", ["pocket-mt5"], out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_package_lists_its_names() -> None:
    assert set(xlgen.__all__) <= set(dir(xlgen))
    for name in xlgen.__all__:
        assert getattr(xlgen, name) is not None
        assert name.startswith("__") or (getattr(xlgen, name).__doc__ or "").strip(), name
    # Importing a module of the package would replace a function of the same name.
    assert not [name for name in xlgen.__all__ if (ROOT / "src/xlgen" / name).exists()]
    with pytest.raises(AttributeError, match="nothing"):
        xlgen.nothing  # noqa: B018


def test_importing_is_light() -> None:
    script = "import sys, xlgen; print(sorted({'torch', 'numpy', 'pydantic', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.exhaustive
def test_the_script_is_typed(tmp_path: Path) -> None:
    """As a user's type checker sees it: the package's own types, strictly. test_installed.py checks the wheel."""
    pytest.importorskip("mypy", reason="mypy comes with the lint extra")
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_public_name_is_that_of_a_module() -> None:
    """An import of the module would replace the function on the package."""
    modules = {module.name for module in pkgutil.iter_modules(xlgen.__path__)}
    assert not modules & set(xlgen.__all__)
