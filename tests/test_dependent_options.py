"""An option that has no effect beside the others is an error. All commands are here with all that depend on others."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from xlgen.cli import main
from xlgen.cli.console import app
from xlgen.cli.dependent import check_options, dependencies_of
from xlgen.core.registry import InputError

TRAIN = "train quickstart --out OUT"
STUDY = "study quickstart --out OUT"
PROBE = "analyze probe pocket-mt5"
REFUSED: dict[str, list[tuple[str, str]]] = {
    "quickstart": [],
    "study": [
        (f"{STUDY} --no-measure", "--no-measure has no effect without --dry-run"),
        (f"{STUDY} --dry-run --no-measure --workers 2", "--workers has no effect with --no-measure"),
        *((f"{STUDY} --dry-run {flag}", "with --dry-run") for flag in ("--smoke", "--hours 1", "--ray auto")),
        *((f"{STUDY} --smoke {flag}", "with --smoke") for flag in ("--workers 2", "--hours 1", "--ray auto")),
        (f"{STUDY} --ray auto --workers 2", "--workers has no effect with --ray"),
    ],
    "train": [
        (f"{TRAIN} --hours 1", "--hours has no effect without --auto"),
        (f"{TRAIN} --workers 2", "--workers has no effect without --auto"),
        (f"{TRAIN} --workers 0", "--workers has no effect without --auto"),  # the default, but written
        (f"{TRAIN} --auto --resume", "--resume has no effect with --auto, which resumes"),
    ],
    "report": [],
    "evaluate": [("evaluate pocket-mt5 --task pocket-summaries --interpolate 0,1", "(--interpolate) is between")],
    "predict": [],
    "export": [
        (
            "export OUT --to transformers --quantization int8 --out OUT",
            "transformers has no `quantization`",
        )
    ],
    "score": [
        ("score FILE --bootstrap 0 --seed 1", "--seed has no effect with --bootstrap 0"),
        ("score FILE --metrics rougeL --lid lingua", "--lid has no effect without a metric"),
        ("score FILE --separator ;", "`separator` (--separator) is for CSV and TSV"),
    ],
    "analyze selection": [],
    "query": [
        ("query OUT --format csv", "--format has no effect without a SELECT"),
        ("query OUT --out a.csv", "--out has no effect without a SELECT"),
    ],
    "analyze cka": [
        ("analyze cka pocket-mt5 --data-dir OUT", "--data-dir has no effect without --texts"),
        ("analyze cka pocket-mt5 --relative-depth", "--relative-depth has no effect without a second model"),
        *(
            (f"analyze cka pocket-mt5 --biased {flag}", "with --biased")
            for flag in ("--batch-size 256", "--epochs 2", "--seed 3")
        ),
    ],
    "analyze spectra": [],
    "analyze overlap": [],
    "analyze correlation": [],
    "analyze prompts": [],
    "analyze probe": [
        (f"{PROBE} --texts x.yaml --task pocket-summaries", "--task has no effect with --texts"),
        (f"{PROBE} --texts x.yaml --split test", "--split has no effect with --texts"),
        (f"{PROBE} --data-dir OUT", "--data-dir has no effect without --task or --texts"),
    ],
    "analyze lens": [
        ("analyze lens pocket-mt5 --data-dir OUT", "--data-dir has no effect without --task or --corpus"),
    ],
    "tokenizer": [],
    "trim": [],
    "untrim": [],
    "list": [
        ("list tasks --backbone pocket-mt5", "--backbone has no effect without the kind `methods`"),
        ("list methods full --backbone pocket-mt5", "--backbone has no effect without the kind `methods`"),
    ],
    "schema": [],
    "doctor": [],
}
TAKEN = [
    f"{TRAIN} --auto --hours 1 --workers 2",
    f"{TRAIN} --resume",
    f"{TRAIN} --auto --no-resume",
    f"{STUDY} --dry-run --workers 2",
    f"{STUDY} --dry-run --no-measure --only full",
    f"{STUDY} --workers 2 --hours 1",
    f"{STUDY} --ray auto --hours 1",
    "score FILE --bootstrap 10 --seed 1",
    "score FILE --metrics rougeL,language_rate --lid lingua",
    "score FILE --metrics rougeL --subset no-digits-in-language --lid lingua",
    "score FILE --metrics rougeL --faults out.jsonl --lid lingua",
    "score FILE --lid lingua",
    "analyze cka pocket-mt5 pocket-mbart --relative-depth",
    "analyze cka pocket-mt5 --texts x.yaml --data-dir OUT",
    "analyze lens pocket-mt5 --task x.yaml --data-dir OUT",
    "list methods --backbone pocket-mt5",
]
GROUP: Any = typer.main.get_command(app)


def subcommands(group: Any, path: str = "") -> dict[str, Any]:
    found = {}
    for name, command in group.commands.items():
        inner = f"{path} {name}".strip()
        if not command.hidden:
            found |= subcommands(command, inner) if hasattr(command, "commands") else {inner: command}
    return found


COMMANDS = subcommands(GROUP)


def words_of(line: str, folder: Path) -> list[str]:
    file = folder / "rows.jsonl"
    file.write_text('{"id": "1", "language": "fr", "prediction": "un chat", "references": ["un chat"]}\n')
    places = {"OUT": str(folder / "out"), "FILE": str(file)}
    return [places.get(word, word) for word in line.split()]


def test_every_command_is_here() -> None:
    assert set(REFUSED) == set(COMMANDS)


@pytest.mark.spread(12)
@pytest.mark.parametrize(("line", "message"), [each for lines in REFUSED.values() for each in lines])
def test_an_option_without_effect_is_refused(
    line: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["xlgen", *words_of(line, tmp_path)])
    with pytest.raises(SystemExit) as caught:
        main()
    said = capfd.readouterr()
    assert caught.value.code == 2 and message in " ".join(said.err.split()) and not said.out
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("line", TAKEN)
def test_an_option_with_an_effect_is_taken(line: str, tmp_path: Path) -> None:
    words = words_of(line, tmp_path)
    name = next(name for name in COMMANDS if words[: len(name.split())] == name.split())
    check_options(COMMANDS[name].make_context(name, words[len(name.split()) :]))


@pytest.mark.parametrize("name", COMMANDS)
def test_all_that_depend_are_tried(name: str) -> None:
    lines = [line for line, _ in REFUSED[name]]
    for found in dependencies_of(COMMANDS[name].callback):
        for option in found.options:
            flag = next(max(each.opts, key=len) for each in COMMANDS[name].params if each.name == option)
            assert any(re.search(rf"{flag}\b", line) for line in lines), flag


@pytest.mark.parametrize("name", COMMANDS)
def test_an_option_that_its_help_makes_dependent_is_checked(name: str) -> None:
    checked = {option for found in dependencies_of(COMMANDS[name].callback) for option in found.options}
    for parameter in COMMANDS[name].params:
        if re.match(r"With (--|methods)", parameter.help or ""):
            assert parameter.name in checked, parameter.name


def test_the_check_comes_before_the_command() -> None:
    done = CliRunner().invoke(app, ["list", "tasks", "--backbone", "pocket-mt5"])
    assert isinstance(done.exception, InputError) and not done.output
