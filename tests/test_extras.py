"""What works without optional packages, and what an error says about a missing one."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from xlgen.core.extras import EXTRAS, MissingExtraError, is_installed, require
from xlgen.metrics.identifiers.base import identifiers

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ABSENT = sorted(
    {module for modules in EXTRAS.values() for module in modules} | {"datasets", "huggingface_hub", "numba", "pandas"}
)
WITHOUT = f"""
import sys
absent = set({ABSENT!r})

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
"""
"""The start of a program that cannot import what a light installation lacks."""
ROWS = [
    {"id": 1, "language": "fr", "prediction": "the cat sleeps", "references": ["le chat dort"], "input": "a"},
    {"id": 2, "language": "th", "prediction": "แมวนอนหลับ", "references": ["แมวนอน"], "input": "a"},
    {"id": 3, "language": "ja", "prediction": "猫が寝ている。", "references": ["猫が寝ている"], "input": "a"},
    {"id": 4, "language": "ar", "prediction": "القط نائم", "references": ["القط نائم الآن"], "input": "a"},
    {
        "id": 5,
        "language": "hi",
        "prediction": "बिल्ली सो रही है <extra_id_0>",
        "references": ["बिल्ली सोती है"],
        "input": "a",
    },
    {"id": 6, "language": "ru", "prediction": "кот кот кот кот кот кот кот", "references": ["кот спит"], "input": "a"},
]
METRICS = "rouge,chrf,language_rate,leftover_rate"


def light(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command as in an installation without extras."""
    program = f"{WITHOUT}\nsys.argv = ['xlgen', *sys.argv[1:]]\nfrom xlgen.cli import main\nmain()"
    return subprocess.run([sys.executable, "-c", program, *map(str, command)], capture_output=True, text=True)


def write_rows(folder: Path) -> Path:
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS), encoding="utf-8")
    return file


def check_scores(printed: str, faults: Path) -> None:
    """The scores and faults of :data:`ROWS`."""
    rows = json.loads(printed)["rows"]
    assert {row["language"] for row in rows} == {"fr", "th", "ja", "ar", "hi", "ru", "mean"}
    values = {(row["language"], row["metric"]): row["value"] for row in rows}
    assert values["fr", "correct_language_rate"] == 0 and values["ar", "correct_language_rate"] == 100
    assert values["ar", "rougeL"] == pytest.approx(80) and values["th", "chrf"] > 40
    assert values["hi", "leftover_rate"] == 100
    labels = [json.loads(line)["labels"] for line in faults.read_text(encoding="utf-8").splitlines()]
    assert len(labels) == len(ROWS) and labels[0] and labels[5]


def test_scoring_needs_no_extra(tmp_path: Path) -> None:
    faults = tmp_path / "faults.jsonl"
    done = light("score", write_rows(tmp_path), "--metrics", METRICS, "--faults", faults, "--format", "json")
    assert done.returncode == 0, done.stderr
    check_scores(done.stdout, faults)


@pytest.mark.spread(2)
@pytest.mark.parametrize(
    "command", ["--help", "train --help", "list", "list metrics", "list recipes", "list languages"]
)
def test_help_and_lists_need_no_extra(command: str) -> None:
    done = light(*command.split())
    assert done.returncode == 0 and done.stdout, done.stderr


@pytest.mark.spread(2)
@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("train quickstart --out run", "train"),
        ("study quickstart --out study", "train"),
        ("evaluate run", "train"),
        ("list methods", "train"),
        ("analyze cka pocket-mt5", "train"),
        ("schema recipe", "train"),
        ("report run", "report"),
        ("query run 'select 1'", "query"),
    ],
)
def test_a_missing_extra_is_one_line_with_the_command_that_installs_it(command: str, extra: str) -> None:
    done = light(*shlex.split(command))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and done.stderr.endswith(f"pip install 'xlgen[{extra}]'\n"), done.stderr
    assert not Path("run").exists() and not Path("study").exists()


def test_public_names_can_be_imported_without_extras() -> None:
    script = f"{WITHOUT}\nimport xlgen\nfor name in xlgen.__all__: getattr(xlgen, name)\nprint(xlgen.load.__name__)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "load\n", done.stderr


def test_functions_raise_an_input_error_for_a_missing_extra() -> None:
    script = f"""{WITHOUT}
import xlgen
for call in (
    lambda: xlgen.load("pocket-mt5"),
    lambda: xlgen.train("quickstart", out="run"),
    lambda: xlgen.query(".", "select 1"),
    lambda: xlgen.build_report("run"),
    lambda: xlgen.analyze.spectra("pocket-mt5"),
    lambda: xlgen.Rows().to_pandas(),
):
    try:
        call()
    except xlgen.InputError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    commands = [line.partition(": ")[2] for line in done.stdout.splitlines()]
    assert commands == [
        f"pip install 'xlgen[{extra}]'" for extra in ("train", "train", "query", "report", "train", "train")
    ]


def test_every_extra_in_an_error_is_declared() -> None:
    extras = PROJECT["optional-dependencies"]
    assert set(EXTRAS) == set(extras) - {"all", "test", "docs", "lint"}
    assert {name.removesuffix("-low") for name in identifiers.names()} - {"lid.176.ftz"} <= set(EXTRAS)


def test_all_is_everything_that_needs_no_service() -> None:
    (every,) = map(Requirement, PROJECT["optional-dependencies"]["all"])
    assert every.extras | {"report", "ray", "wandb", "mlflow"} == set(EXTRAS)


def test_a_package_is_missing_if_its_import_is_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lingua", None)
    assert not is_installed("lingua") and is_installed("json")
    with pytest.raises(
        MissingExtraError, match=r"^this needs lingua, which is not installed: pip install 'xlgen\[lingua\]'"
    ):
        require("lingua", "this")
