"""The house rules that a machine can check: import directions, what is light to import, and the length of modules."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from xlgen.core.run_layout import ABOUT, FILES, FOLDERS, TRACKERS, TRANSLATIONS

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted((ROOT / "src" / "xlgen").rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in MODULES}
MOST_ANY = 40
"""Occurrences of ``Any``. A value whose type is known only at run time has a named alias that says what it is, such as
``JsonValue`` in ``xlgen.core.json_types``."""
HEAVY = ("torch", "transformers", "datasets", "accelerate")


def test_imports_go_one_way() -> None:
    """The contracts in pyproject.toml: layers, and no torch in metrics and report."""
    # In a process of its own: its console outlives the capture of the test that it was made in.
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


def test_modules_fit_on_a_few_screens() -> None:
    assert [path for path in MODULES if len(path.read_text(encoding="utf-8").splitlines()) > 330] == []
    assert [path for path in MODULES if path.stem in ("utils", "util", "helpers", "common", "misc")] == []


def test_mypy_is_strict() -> None:
    """Exceptions of single modules may relax only the rules below, each with a reason next to it."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
    assert config["strict"] is True
    allowed = {"module", "ignore_missing_imports", "follow_imports", "disallow_untyped_decorators"}
    assert {key for override in config["overrides"] for key in override} <= allowed


def test_any_is_rare() -> None:
    lines = [line for path in MODULES for line in path.read_text(encoding="utf-8").splitlines()]
    found = [line for line in lines if not re.match(r"\s*(?:from|import) ", line)]
    assert sum(len(re.findall(r"\bAny\b", line)) for line in found) <= MOST_ANY


def test_ignored_type_errors_have_a_code_and_a_reason() -> None:
    lines = [line for path in MODULES for line in path.read_text(encoding="utf-8").splitlines()]
    ignored = [line for line in lines if "# type: ignore" in line]
    assert [line for line in ignored if not re.search(r"# type: ignore\[[\w-]+\]  # \w", line)] == []


@pytest.mark.spread(6)
@pytest.mark.parametrize(
    "statement",
    [
        "import xlgen.cli",
        "import sys; sys.argv = ['xlgen', '--help']; from xlgen.cli import main; main()",
        "import sys; sys.argv = ['xlgen', 'list', 'recipes']; from xlgen.cli import main; main()",
        "import xlgen.core.config, xlgen.core.registry, xlgen.core.languages, xlgen.experiments.plan",
        "import xlgen.metrics as package",
        "import xlgen.scoring as package",
        "import xlgen.runs.run_discovery, xlgen.experiments.views, xlgen.experiments.query, xlgen.experiments.formats",
        "import xlgen; xlgen.query",
        "import xlgen; xlgen.score",
        "import xlgen.report as package",
        "import xlgen.pocket.world, xlgen.pocket.grammar",
    ],
)
def test_light_parts_do_not_import_heavy_ones(statement: str) -> None:
    """In a process of its own; of a package, every module is imported."""
    script = f"""
import atexit, importlib, pkgutil, sys
def heavy():
    found = sorted(set(sys.modules) & set({HEAVY!r}))
    print("heavy:", *found)
atexit.register(heavy)
package = None
{statement}
for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".") if package else ():
    importlib.import_module(module.name)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "heavy:"


NAMES = (*FILES, ABOUT, TRACKERS, TRANSLATIONS)
"""Files that only ``xlgen.runs`` reads and writes."""
NAMING = (ROOT / "src/xlgen/core/run_layout.py", *(ROOT / "src/xlgen/runs").glob("*.py"))


def spelled(tree: ast.AST) -> Iterator[str]:
    """The texts that name files of runs: files by themselves, and folders in paths."""
    documentation = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    joined = [side for node in ast.walk(tree) if isinstance(node, ast.BinOp) for side in (node.left, node.right)]
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or node in documentation:
            continue
        text, parts = node.value, node.value.split("/")
        is_path = len(parts) > 1 and " " not in text and {*parts} & {*NAMES, *FOLDERS}
        is_file = text in NAMES or any(f"/{name}" in text for name in NAMES)
        if is_path or is_file or (node in joined and text in FOLDERS):
            yield text


def test_only_runs_names_the_files_of_a_run() -> None:
    found = {path: list(spelled(TREES[path])) for path in MODULES if path not in NAMING}
    assert {str(path): names for path, names in found.items() if names} == {}


def questions_of_heads(tree: ast.AST) -> Iterator[str]:
    """The code that asks whether a backbone has a head."""
    for node in ast.walk(tree):
        is_test = isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass", "type")
        text = ast.unparse(node) if is_test or isinstance(node, ast.MatchClass | ast.Attribute) else ""
        asks_class = not isinstance(node, ast.Attribute) and re.search(r"\bEncoder(Classifier|WithHead)\b", text)
        if asks_class or text.endswith(".fresh_modules"):
            yield text


def test_only_backbones_asks_whether_a_backbone_has_a_head() -> None:
    """Other modules choose by the task's kind, or call a method that the class with a head overrides."""
    outside = [path for path in MODULES if path.parent.name != "backbones"]
    asked = {path: list(questions_of_heads(TREES[path])) for path in outside}
    assert {str(path): found for path, found in asked.items() if found} == {}


def test_questions_of_heads_are_found() -> None:
    lines = (
        "isinstance(backbone, EncoderClassifier)", "not issubclass(x, (A, headed.EncoderClassifier))",
        "if x and backbone.fresh_modules: pass", "match x:\n    case EncoderClassifier(): pass",
        "def f(backbone: EncoderClassifier) -> None: backbone.head", "isinstance(x, str)",
    )  # fmt: skip
    assert [bool(list(questions_of_heads(ast.parse(line)))) for line in lines] == [True, True, True, True, False, False]


OPENING = ("open", "read_text", "read_bytes", "write_text", "write_bytes", "touch", "unlink")
READERS = ("json_lines", "read_object", "read_json", "read_yaml", "loads")
PATHS = ("recipe_file", "log_file", "state_file", "lock_file", "summary_file")


def opened(tree: ast.AST) -> Iterator[str]:
    """The properties of ``RunPaths`` that are opened, or passed to a function that reads a file."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        owner = [node.func.value] if isinstance(node.func, ast.Attribute) and called in OPENING else []
        given = node.args if called in READERS else []
        yield from (each.attr for each in (*owner, *given) if isinstance(each, ast.Attribute) and each.attr in PATHS)


def test_only_runs_opens_the_files_of_a_run() -> None:
    found = {path: list(opened(TREES[path])) for path in MODULES if path not in NAMING}
    assert {str(path): names for path, names in found.items() if names} == {}


def test_opened_files_of_a_run_are_found() -> None:
    lines = (
        'RunPaths(folder).log_file.open("rb")', "read_object(paths.state_file)", "paths.summary_file.read_text()",
        "paths.log_file.exists()", "read_log(paths.log_file)",
    )  # fmt: skip
    found = [bool(list(opened(ast.parse(line)))) for line in lines]
    assert found == [True, True, True, False, False]


def test_names_of_a_run_are_found_in_paths() -> None:
    lines = (
        'folder / "metrics.jsonl"', 'folder / "checkpoints" / name', 'folder.glob("*/recipe.yaml")', 'run["stages"]',
        'f"{folder}/predictions/step-1"', '"written to metrics.jsonl"', 'sql + " || \'/metrics.jsonl\'"',
    )  # fmt: skip
    found = [bool(list(spelled(ast.parse(line)))) for line in lines]
    assert found == [True, True, True, False, True, False, True]


def options_in_texts(tree: ast.AST) -> list[str]:
    """The texts that name an option of the command line, except in whole commands."""
    ignored = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    ignored |= {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    strings = [node for node in ast.walk(tree) if isinstance(node, ast.Constant | ast.JoinedStr)]
    texts = [ast.unparse(node) for node in strings if node not in ignored]
    without_commands = [re.sub(r"`[^`]*`|pip install .*", "", text) for text in texts]
    return [text for text in without_commands if re.search(r"(?<![\w-])--[a-z]", text)]


def test_messages_name_arguments_for_python_too() -> None:
    """A function may be called from Python: messages name an argument by `argument`, with its option."""
    outside = [path for path in MODULES if path.parent.name != "cli" and path.name != "preview.py"]
    found = {path: options_in_texts(TREES[path]) for path in outside}
    assert {str(path): texts for path, texts in found.items() if texts} == {}
