"""The command line: bounds of every option, empty values, and texts that look like markup or hold control codes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest
import typer
from typer.models import OptionInfo

from synthetic import write_run
from xlgen.cli import main
from xlgen.cli.console import app, plain
from xlgen.cli.old_spellings import RENAMED, current
from xlgen.core.config import Evaluation, Recipe, Sampling, Stage, Training, Unlabelled, validate
from xlgen.core.yaml_config import override
from xlgen.core.yaml_loader import RecipeError, dump_yaml, parse_yaml, read_yaml


def commands(group: typer.Typer, path: str = "") -> Iterator[tuple[str, dict[str, tuple[Any, Any]]]]:
    """Name and options of every command; of an option its type and what typer is told of it."""
    for command in group.registered_commands:
        function: Any = command.callback
        hints = get_type_hints(function, include_extras=True)
        found = {name: get_args(hint) for name, hint in hints.items() if get_origin(hint) is Annotated}
        yield (
            f"{path} {command.name or function.__name__}".strip(),
            {name: (kind, info) for name, (kind, info, *_) in found.items()},
        )
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from commands(inner.typer_instance, f"{path} {inner.name}")


COMMANDS = dict(commands(app))


def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["xlgen", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    found = capfd.readouterr()
    return int(caught.value.code or 0), found.out, found.err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_number_has_a_smallest_and_a_largest_value(name: str) -> None:
    for option, (kind, info) in COMMANDS[name].items():
        if {int, float} & {kind, *get_args(kind)}:
            assert info.min is not None and info.max is not None, option


@pytest.mark.parametrize("name", COMMANDS)
def test_an_empty_value_is_refused_and_named(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    for option, (kind, info) in COMMANDS[name].items():
        if isinstance(info, OptionInfo) and kind is not bool:
            written = next(iter(info.param_decls or ()), f"--{option.replace('_', '-')}")
            for arguments in ([written, ""], [f"{written}="]):
                code, _, message = run(monkeypatch, capfd, *name.split(), *arguments)
                assert code == 2 and f"the value of {written} is empty" in message
    code, _, message = run(monkeypatch, capfd, *name.split(), "")
    assert code == 2 and "an argument is empty" in message


def test_all_commands_are_tried() -> None:
    assert {"train", "study", "predict", "analyze cka", "analyze lens", "query"} <= set(COMMANDS)
    assert sum(len(options) for options in COMMANDS.values()) > 80


@pytest.mark.parametrize("text", ["fr,", ",", "fr,,de", " "])
def test_a_list_with_an_empty_name(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path, text: str
) -> None:
    code, _, message = run(monkeypatch, capfd, "evaluate", str(tmp_path), "--languages", text)
    assert code == 2 and "--languages takes comma-separated names" in message


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "1e300"])
def test_hours_are_a_finite_number(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], value: str
) -> None:
    code, _, message = run(monkeypatch, capfd, "study", "quickstart", "--out", "x", "--hours", value)
    assert code == 2 and "--hours" in message


@pytest.mark.spread(2)
@pytest.mark.parametrize("name", ["[/red]", "[bold]x", "x[/]", "[link=file:x]", ":smile:", "\\[x]", "a\\"])
def test_brackets_in_names_are_text(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    for arguments in (
        ["report"],
        ["analyze", "selection"],
        ["query"],
        ["score"],
        ["analyze", "correlation"],
        ["analyze", "spectra"],
    ):
        code, _, message = run(monkeypatch, capfd, *arguments, str(tmp_path / name))
        assert code == 2 and name.replace("/", "") in message.replace("\n", "").replace("/", "")
    row = {"language": "fr", "prediction": "un", "references": ["un"], name: name}
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(row) + "\n")
    code, shown, message = run(monkeypatch, capfd, "score", str(file), "--by", name, "--metrics", "rouge1")
    assert code == 0, message
    assert name in shown


def test_control_codes_do_not_reach_the_terminal() -> None:
    assert plain("a\x1b[31mb\x07\x9b") == "a\\x1b[31mb\\x07\\x9b"
    assert plain("नाव\u200dไทย 中\u3000文\n\t[x]") == "नाव\u200dไทย 中\u3000文\n\t[x]"


def test_an_argument_that_is_not_utf8(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    code, _, message = run(monkeypatch, capfd, "report", "runs/\udcff")
    assert code == 2 and "is not UTF-8 text" in message


# -- YAML


REFUSED = {
    "a: 1\nb: 2\na: 3": "line 3: the key 'a' occurs twice in one mapping",
    "a: {b: 1, b: 1}": "the key 'b' occurs twice",
    "a: !!str 3": "the tag",
    "!!python/name:x.y {}": "the tag",
    "!x 3": "the tag",
    "a: &x [*x]": "inside the value of its own anchor",
    "a: *x": "has no anchor before it",
    "[" * 50_000: "levels deep",
    "{a: " * 1_000: "levels deep",
    "9" * 5_000: "too many digits",
    "-" + "9" * 20: "too many digits",
    "0x" + "f" * 40: "too many digits",
    "1." + "0" * 5_000: "too many digits",
    "{[1]: 2}": "cannot be a key",
    "1\n---\n2": "a second document",
    "<<: 3": "<< takes a mapping",
    "\x00": "not valid YAML",
    "a: [": "not valid YAML",
    "\ud800": "not UTF-8",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: repr(text[:16]))
def test_yaml_that_no_recipe_needs(text: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_yaml(text, "here")
    assert str(caught.value).startswith("here")
    assert REFUSED[text] in str(caught.value)


def test_aliases_of_aliases_are_counted_as_what_they_stand_for() -> None:
    text = "- &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    for before, name in zip("abcdefg", "bcdefgh", strict=True):
        text += f"- &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    with pytest.raises(RecipeError, match="holds over 1,000,000 values"):
        parse_yaml(text, "here")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2001-02-30", "2001-02-30"),
        ("12:30:45", "12:30:45"),
        ("no", "no"),
        ("1e-3", 1e-3),
        ("1_000", 1000),
        ("010", 10),
        ("0x1F", 31),
        ("{<<: [{a: 1}, {a: 2, b: 2}], b: 3}", {"a": 1, "b": 3}),
        ("- &x {a: 1}\n- *x", [{"a": 1}, {"a": 1}]),
        ("", None),
    ],
)
def test_what_yaml_means(text: str, value: Any) -> None:
    assert parse_yaml(text, "here") == value


@pytest.mark.parametrize(
    "value",
    [
        *("1e-3", "0o17", "010", "no", "true", "null", "1:30", "2001-01-01", "=", "<<", "~", "1_000", ".5", ".inf"),
        *("a\nb", " x", 5, 1e-5, float("inf"), True, None),
    ],
)
def test_what_is_written_is_read_back(value: Any) -> None:
    found = parse_yaml(dump_yaml({"key": value}), "here")["key"]
    assert found == value and type(found) is type(value)


def test_files_that_are_no_recipes(tmp_path: Path) -> None:
    (tmp_path / "large.yaml").write_bytes(b"#" * (17 * 2**20))
    for path, said in ((tmp_path, "a folder"), (Path("/dev/zero"), "a device"), (tmp_path / "large.yaml", "at most")):
        with pytest.raises(RecipeError, match=said):
            read_yaml(path)


# -- bounds


@pytest.mark.parametrize(
    ("model", "key", "value"),
    [
        (Training, "steps", True),
        (Training, "steps", 10**12),
        (Training, "learning_rate", float("inf")),
        (Training, "learning_rate", float("nan")),
        (Training, "learning_rate", False),
        (Training, "weight_decay", float("inf")),
        (Training, "warmup_steps", 2**60),
        (Training, "max_grad_norm", float("nan")),
        (Evaluation, "num_beams", 1_000_000),
        (Evaluation, "max_new_tokens", 10_000_000),
        (Evaluation, "length_penalty", float("nan")),
        (Evaluation, "bootstrap", 10**9),
        (Sampling, "seed", 2**32),
        (Sampling, "temperature", float("inf")),
        (Unlabelled, "rate", float("nan")),
        (Unlabelled, "temperature", float("nan")),
        (Recipe, "seed", 2**32),
        (Recipe, "seed", -1),
        (Recipe, "seed", True),
    ],
)
def test_numbers_that_no_run_can_use(model: Any, key: str, value: Any) -> None:
    base = {
        Recipe: {"name": "x", "backbone": "pocket-mt5", "task": "pocket-summaries"},
        Unlabelled: {"objective": {"name": "lm"}},
    }.get(model, {})
    with pytest.raises(RecipeError, match=key):
        validate(model, {**base, key: value}, "here")


def test_every_number_of_every_plugin_is_bounded() -> None:
    """Whatever class a config is: no truth value, infinity or huge number passes for a number."""
    from xlgen.adaptation.base import methods
    from xlgen.data.objectives import objectives
    from xlgen.decoding.control import controls
    from xlgen.experiments.policies import policies
    from xlgen.training.baselines import baselines
    from xlgen.training.penalties import penalties

    checked = 0
    for registry in (methods, objectives, controls, policies, baselines, penalties):
        for name in registry.names():
            options: Any = registry.get(name).Options  # type: ignore[attr-defined]
            for key, field in options.model_fields.items():
                if field.annotation in (int, float, int | None, float | None):
                    for value in (True, float("inf"), float("nan"), 2**60):
                        with pytest.raises(RecipeError, match=key):
                            validate(options, {key: value}, "here")
                        checked += 1
    assert checked > 50


def test_infinite_temperature_of_languages_stays() -> None:
    assert Unlabelled(objective={"name": "lm"}, temperature=float("inf")).temperature == float("inf")
    assert Stage(task="x").training.steps


@pytest.mark.parametrize("key", ["stages.²", "stages." + "9" * 5_000, "stages.-1", "stages.1"])
def test_an_override_of_no_index(key: str) -> None:
    with pytest.raises(RecipeError, match="is no index"):
        override({"stages": [{}]}, [f"{key}.task=x"])


# -- what is listed and shown


@pytest.mark.undrawn
def test_names_are_whole_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from synthetic import know_the_sentences, write_run

    know_the_sentences(monkeypatch)
    name = "a-run-with-a-name-that-is-longer-than-a-column-of-eighty-characters-has-room-for"
    for number in (1, 2):
        write_run(tmp_path / f"{name}-{number}")
    code, shown, message = run(monkeypatch, capfd, "report", str(tmp_path))
    assert code == 0, message
    assert f"{name}-1" in shown and f"{name}-2" in shown


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_no_digit_and_no_name_is_lost_in_a_narrow_terminal(width: int) -> None:
    import io

    from rich.console import Console
    from rich.table import Column, Table

    from xlgen.cli.console import fit

    names = ["a-run-with-a-name-longer-than-any-column-has-room-for", "短い名前でも幅は二倍になる"]
    numbers = ["12345678.123456", "0.00203316", "-71.5 ±3.25\n(of 20)"]
    table = Table("run", *(Column(title, justify="right") for title in ("learning rate", "value", "of references (%)")))
    for name in names:
        table.add_row(name, *numbers)
    file = io.StringIO()
    needed = fit(table, width)
    Console(file=file, width=needed, force_terminal=False).print(table)
    shown = file.getvalue()
    assert needed <= max(width, 80) and all(part in shown for number in numbers for part in number.split("\n"))
    cells = ["".join(cell.strip() for cell in column) for column in _columns_of(shown)]
    assert all(name in cells[0] for name in names) and "…" not in shown
    assert "oflearningratevalue" not in shown and "referen" in cells[3]


def _columns_of(shown: str) -> list[list[str]]:
    rows = [line.replace("┃", "│").strip("│").split("│") for line in shown.splitlines() if line[0] in "│┃"]
    return [list(column) for column in zip(*rows, strict=True)]


def test_query_and_score_print_whole_tables_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from synthetic import know_the_sentences, write_run

    monkeypatch.setenv("COLUMNS", "80")
    know_the_sentences(monkeypatch)
    write_run(tmp_path / "runs" / "a")
    code, shown, message = run(monkeypatch, capfd, "query", str(tmp_path), "from scores order by value limit 2")
    assert code == 0, message
    assert "…" not in shown and "|test:1" in shown
    texts = tmp_path / "a-file-of-outputs-with-a-long-name.jsonl"
    row = {"language": "fr", "prediction": "un chat", "references": ["un chat"], "system": "s" * 90}
    texts.write_text("".join(json.dumps({**row, "id": str(n)}) + "\n" for n in range(3)))
    for words in (["score", str(texts), "--by", "system"], ["score", str(texts), "--compare", str(texts)]):
        code, shown, message = run(monkeypatch, capfd, *words)
        assert code == 0, message
        assert "…" not in shown and (("s" * 90) in shown or "--compare" in words)


def test_doctor_shows_brackets(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(
        "xlgen.core.machine_facts.machine_facts", lambda: iter([("ray", "absent", "pip install 'xlgen[ray]'")])
    )
    code, shown, _ = run(monkeypatch, capfd, "doctor")
    assert code == 0 and "pip install 'xlgen[ray]'" in shown


def test_descriptions_are_whole_sentences(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    for kind in ("tasks", "recipes"):
        code, shown, _ = run(monkeypatch, capfd, "list", kind)
        assert code == 0
        for line in shown.splitlines():
            assert line.endswith((".", "?", "!")) and not line.endswith("al."), line
            assert line.count("(") == line.count(")"), line


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("One (Raman et al. 2022). Two.", "One (Raman et al. 2022)."),
        ("By Raman et al. in 2022. Two.", "By Raman et al. in 2022."),
        ("News: one. Two.", "News: one."),
        ("A question? Two.", "A question?"),
        ("Version 2.5 of it. Two.", "Version 2.5 of it."),
        ("No end", "No end"),
    ],
)
def test_the_first_sentence(text: str, first: str) -> None:
    from xlgen.api.catalog import first_sentence

    assert first_sentence(text) == first


def test_readers_are_listed(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    code, shown, _ = run(monkeypatch, capfd, "list", "readers")
    assert code == 0 and "jsonl" in shown and "separator" in shown
    code, _, message = run(monkeypatch, capfd, "list", "reader")
    assert code == 2 and "readers" in message


def test_an_unknown_language_names_the_way_out() -> None:
    from xlgen.backbones.base import BackboneError
    from xlgen.backbones.loading import load

    with pytest.raises(BackboneError, match=r"does not know Korean .*`unknown_languages: allow` in the recipe"):
        load("pocket-mt5", languages=("ko",))
    with pytest.raises(BackboneError) as caught:  # which has codes: nothing lets another one through
        load("pocket-mbart", languages=("ko",))
    assert "allow" not in str(caught.value)


def test_old_names_of_options_and_commands_work_with_a_note(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = []
    for option in ("--limit=3", "--max-examples=3"):
        code, shown, message = run(monkeypatch, capfd, "analyze", "overlap", "pocket-summaries", option)
        assert code == 0, message
        assert ("note: --limit is now called --max-examples" in message) == ("limit" in option)
        found.append(shown)
    assert found[0] == found[1] != ""
    write_run(tmp_path / "runs" / "a", method="full", learning_rate=1e-3)
    write_run(tmp_path / "runs" / "b", method="full", learning_rate=1e-4)
    old, new = (run(monkeypatch, capfd, *words, str(tmp_path)) for words in (["choices"], ["analyze", "selection"]))
    assert old[0] == new[0] == 0 and old[1] == new[1] != ""
    assert "xlgen choices is now called xlgen analyze selection" in old[2] and "now called" not in new[2]


@pytest.mark.parametrize("old", sorted(RENAMED))
def test_every_old_option_is_replaced_where_the_command_has_the_new_one(old: str) -> None:
    new = RENAMED[old]
    assert current([old, "3", f"{old}=4", "--", old], {new}) == (
        [new, "3", f"{new}=4", "--", old],
        [f"{old} is now called {new}"] * 2,
    )
    assert current([old, "3"], {"--other"}) == ([old, "3"], [])
    assert current([old, "3"], {old, new}) == ([old, "3"], [])
