"""Every command in the README, the docs and `--help` is one that xlgen takes; those that take seconds are run.

The tutorial's own task is run from its first to its last command in test_own_task.py.
"""

import gzip
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from synthetic import LANGUAGES, write_run
from xlgen.cli import app
from xlgen.cli.dependent import check_options
from xlgen.core.config import load_recipe
from xlgen.experiments.plan import load_study

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
# What a reader puts a name of their own in.
_PLACEHOLDER = re.compile(r"(?<![\w{])[A-Z][A-Z_]+(?![\w}])|\.\.\.")
_FENCE = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r'^    (xlgen (?:[^"\n]|"(?:[^"\\]|\\.)*")*)', re.MULTILINE)
_SPAN = re.compile(r"`(xlgen [^`]*)`")
COMMAND = typer.main.get_command(app)


def commands_of(text: str) -> Iterator[str]:
    for block in _FENCE.findall(text):
        yield from (line for line in block.splitlines() if line.startswith("xlgen "))
    yield from _INDENTED.findall(text)
    yield from _SPAN.findall(text)


def subcommands(command: Any) -> dict[str, Any]:
    """Of a group; typer has click's classes under names of its own."""
    return getattr(command, "commands", {})


def help_examples(command: Any) -> Iterator[str]:
    if command.epilog:
        yield command.epilog.removeprefix("Example: ")
    for each in subcommands(command).values():
        yield from help_examples(each)


FOUND = sorted(
    {
        (str(page.relative_to(ROOT)), command)
        for page in PAGES
        for command in commands_of(page.read_text(encoding="utf-8"))
    }
    | {("--help", command) for command in help_examples(COMMAND)}
)


def words_of(command: str) -> list[str]:
    words = shlex.split(command, comments=True)[1:]
    return words[: words.index(">")] if ">" in words else words  # the shell's redirection


def parse(words: list[str]) -> Any:
    """The context of a command that click takes; it runs nothing."""
    context = COMMAND.make_context("xlgen", words[:1] + words[1:], resilient_parsing=True)
    here: Any = COMMAND
    rest = list(words)
    while rest and subcommands(here):
        here = subcommands(here)[rest.pop(0)]
    whole = not _PLACEHOLDER.search(" ".join(rest)) and rest
    return here.make_context(here.name or "", rest, parent=context, resilient_parsing=not whole)


def test_there_are_many() -> None:
    assert len(FOUND) > 100
    assert {page for page, _ in FOUND} >= {"README.md", "docs/how-to/query.md", "docs/results/experiments.md", "--help"}


@pytest.mark.parametrize(("page", "command"), FOUND)
def test_it_is_a_command_with_such_options(page: str, command: str) -> None:
    words = words_of(command)
    if words == ["--help"]:
        return
    known = {option for each in _all(COMMAND) for parameter in each.params for option in parameter.opts}
    assert all(word.split("=")[0] in known for word in words if word.startswith("--") and word != "--help"), command
    # A command that is only named, without what it needs, is no example of a call.
    if len(words) > 1 or words[0] in ("doctor", "quickstart"):
        try:
            check_options(parse(words))
        except Exception as error:  # of click or of typer's copy of it
            assert type(error).__name__ in ("MissingParameter", "BadOptionUsage"), f"{command}: {error}"
            assert page != "--help" and "--out" not in words and f"`{command}`" in _text(page), command


@pytest.mark.parametrize(
    "command",
    sorted({command for _, command in FOUND if re.match(r"xlgen (train|study) [a-z]", command)}),
)
def test_its_recipe_is_there_and_takes_the_overrides(command: str) -> None:
    kind, name, *rest = words_of(command)
    overrides = [word for word in rest if re.match(r"[a-z_.]+=", word)]
    if name.endswith(".yaml"):  # the reader's own
        return
    found: Any = load_recipe(name, overrides) if kind == "train" else load_study(name, overrides)
    assert found.name


QUICK = ("list", "doctor", "score", "query")
RUN = sorted(
    {
        (page, command)
        for page, command in FOUND
        if (words_of(command)[0] in QUICK and len(words_of(command)) > 1)
        or (words_of(command)[:2] == ["analyze", "selection"] and len(words_of(command)) > 2)
    }
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small ones of what the docs name: studies, runs, files of outputs."""
    folder = tmp_path_factory.mktemp("docs")
    for study in ("quickstart", "pocket-rates", "pocket-search", "pocket-headlines"):
        for name, method, rate in (
            ("full-1e-3", "full", 1e-3),
            ("full-1e-4", "full", 1e-4),
            ("adapters", "adapters", 1e-3),
        ):
            write_run(folder / "runs" / study / "runs" / name, method=method, learning_rate=rate)
    # The quickstart's last step.
    for run in (folder / "runs" / "quickstart" / "runs").iterdir():
        (run / "predictions" / "step-100").symlink_to(run / "predictions" / "step-600")
    rows = [
        {"id": str(i), "language": "th", "prediction": LANGUAGES["th"], "references": [LANGUAGES["th"]], "system": "a"}
        for i in range(4)
    ]
    for name in ("outputs", "a", "b", "my", "headlines"):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    text = "id,language,prediction,reference\n" + "".join(
        f"{i},th,{LANGUAGES['th']},{LANGUAGES['th']}\n" for i in range(4)
    )
    (folder / "outputs.csv.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("out", "ref", "ref-1", "ref-2", "src"):
        (folder / f"{name}.txt").write_text((LANGUAGES["th"] + "\n") * 4, encoding="utf-8")
    question = {"id": "q", "question": "?", "answers": [{"text": "เรือ", "answer_start": 0}]}
    paragraphs = [{"context": LANGUAGES["th"], "qas": [question]}]
    (folder / "dev.json").write_text(json.dumps({"data": [{"title": "t", "paragraphs": paragraphs}]}), encoding="utf-8")
    (folder / "predictions.json").write_text(json.dumps({"q": "เรือ"}), encoding="utf-8")
    return folder


@pytest.mark.spread(16)
@pytest.mark.parametrize(("page", "command"), RUN)
def test_it_runs_as_it_is_written(page: str, command: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = words_of(command)
    if words == ["score", "--subset"] or (_PLACEHOLDER.search(" ".join(words)) and "select " not in command):
        pytest.skip("the reader fills in a name")
    if words[0] == "query" and words[-1] == "select ...":
        pytest.skip("the reader fills in a query")
    monkeypatch.chdir(place)
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, f"{command}: {done.output}"


def _all(command: Any) -> Iterator[Any]:
    yield command
    for each in subcommands(command).values():
        yield from _all(each)


def _text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")
