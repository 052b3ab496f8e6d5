"""The Python API: the script of docs/python.md, its types, and that commands and functions are the same."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

import xlgen
from xlgen.cli import app
from xlgen.core.config import load_recipe
from xlgen.core.registry import InputError

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "python.md"
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


def test_the_script_of_the_page_runs(ran: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ran["folder"])
    assert len(ran["run"].checkpoints) == 1 and ran["page"].name == "report.html"
    assert ran["thai"] and {row["language"] for row in ran["thai"]} == {"th"}
    assert len(ran["outputs"]) == 2 and ran["count"] == 1
    assert {row["metric"] for row in ran["scores"]} >= {"rougeL", "correct_language_rate"}
    assert ran["difference"].pairs["paired"] == 8
    assert not ran["study"].failed and ran["study"].runs
    assert ran["best"] and ran["parity"].equal == ran["parity"].asked > 0


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
        (lambda model: xlgen.load("runs/nothing/at/all"), "neither a checkpoint nor a run"),
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


def test_overrides_reach_into_flat_and_staged_recipes(tmp_path: Path) -> None:
    flat = {"backbone": "pocket-mt5", "task": "pocket-summaries"}
    staged = {"backbone": "pocket-mt5", "stages": [{"task": "pocket-summaries"}]}
    for recipe, key in ((flat, "training.steps"), (staged, "stages.0.training.steps")):
        for overrides in ({key: 7}, [f"{key}=7"]):
            assert load_recipe(recipe, overrides).stages[0].training.steps == 7  # type: ignore[arg-type]
    assert load_recipe("squad-xquad", {"training.steps": 7}) == load_recipe("squad-xquad", ["training.steps=7"])


FUNCTIONS = {"train": "train", "evaluate": "evaluate", "predict": "predict", "export": "export", "study": "study"}
PYTHON_ONLY = {"progress", "console", "say"}
# A command's name for an argument, where it is another one.
NAMES = {
    "folder": "out",
    "place": "out",
    "checkpoint": "model",
    "sample": "sampling",
    "metric_option": "metric_options",
}
COMMAND_ONLY = {"study": {"dry_run", "no_measure"}}


@pytest.mark.parametrize(("command", "function"), FUNCTIONS.items())
def test_a_command_has_the_arguments_of_its_function(command: str, function: str) -> None:
    group: Any = typer.main.get_command(app)
    options = {NAMES.get(each.name, each.name) for each in group.commands[command].params}
    arguments = set(inspect.signature(getattr(xlgen, function)).parameters)
    assert options - COMMAND_ONLY.get(command, set()) == arguments - PYTHON_ONLY


def test_the_package_lists_its_names() -> None:
    assert set(xlgen.__all__) <= set(dir(xlgen))
    for name in xlgen.__all__:
        assert getattr(xlgen, name) is not None
        assert name.startswith("__") or (getattr(xlgen, name).__doc__ or "").strip(), name
    with pytest.raises(AttributeError, match="nothing"):
        xlgen.nothing  # noqa: B018


def test_importing_is_light() -> None:
    script = "import sys, xlgen; print(sorted({'torch', 'numpy', 'pydantic', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.exhaustive
def test_the_script_is_typed(tmp_path: Path) -> None:
    """As a user's type checker sees it: the package's own types, strictly."""
    pytest.importorskip("mypy", reason="mypy comes with the lint extra")
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
