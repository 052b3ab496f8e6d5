"""The house rules that a machine can check: import directions, what is light to import, and the length of modules."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted((ROOT / "src" / "xlgen").rglob("*.py"))
HEAVY = ("torch", "transformers", "datasets", "accelerate")


def test_imports_go_one_way() -> None:
    """The contracts in pyproject.toml: layers, and no torch in metrics and report."""
    # In a process of its own: its console outlives the capture of the test that it was made in.
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("path", MODULES, ids=[str(path.relative_to(ROOT / "src")) for path in MODULES])
def test_modules_fit_on_a_few_screens(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 330
    assert path.stem not in ("utils", "util", "helpers", "common", "misc")


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
