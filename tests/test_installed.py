"""The wheel in fresh virtual environments: light, and with all extras. The light one needs the package index."""

from __future__ import annotations

import json
import re
import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from test_api import SCRIPT
from test_extras import METRICS, check_scores, write_rows

pytestmark = pytest.mark.exhaustive
ROOT = Path(__file__).resolve().parents[1]
TORCH = ("torch", "transformers", "accelerate", "datasets", "numba", "matplotlib", "duckdb", "pandas")


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program without this checkout on its path."""
    return subprocess.run(
        list(map(str, command)), cwd=cwd, env={"PATH": "/usr/bin:/bin", **environment}, capture_output=True, text=True
    )


def environment(folder: Path, *arguments: str | Path) -> Path:
    """A new virtual environment with what `pip install ARGUMENTS` installs; its folder of programs."""
    venv.create(folder, with_pip=True)
    pip = folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"
    done = run(*pip, *arguments, cwd=folder)
    if "No matching distribution" in done.stderr or "Connection" in done.stderr:
        pytest.skip(f"the package index cannot be reached: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return folder / "bin"


@pytest.fixture(scope="module")
def light(wheel_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`pip install xlgen`."""
    constraints = ROOT / "constraints.txt"
    return environment(tmp_path_factory.mktemp("light"), "--constraint", constraints, wheel_file)


@pytest.fixture(scope="module")
def full(wheel_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, with the packages of this environment, so that PyTorch is not installed again."""
    binaries = environment(tmp_path_factory.mktemp("full"), "--no-deps", wheel_file)
    (packages,) = (binaries.parent / "lib").glob("python*/site-packages")
    # Without what .pth files of this environment would add: an editable xlgen is among them.
    (packages / "others.pth").write_text("\n".join(site.getsitepackages()) + "\n", encoding="utf-8")
    return binaries


def test_a_light_installation_scores(light: Path, tmp_path: Path) -> None:
    faults = tmp_path / "faults.jsonl"
    rows = write_rows(tmp_path)
    command = ("score", rows, "--metrics", METRICS, "--faults", faults, "--format", "json")
    done = run(light / "xlgen", *command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    check_scores(done.stdout, faults)
    assert run(light / "xlgen", "--help", cwd=tmp_path).returncode == 0
    listed = run(light / "python", "-m", "pip", "list", "--format", "json", cwd=tmp_path)
    assert not {each["name"] for each in json.loads(listed.stdout)} & set(TORCH)


def test_a_light_installation_says_what_training_needs(light: Path, tmp_path: Path) -> None:
    done = run(light / "xlgen", "train", "quickstart", "--out", "run", cwd=tmp_path)
    assert done.returncode == 2 and not (tmp_path / "run").exists()
    message = r"error: training needs torch, .* are not installed: pip install 'xlgen\[train\]'\n"
    assert re.fullmatch(message, done.stderr), done.stderr


def test_the_script_of_the_docs_runs_with_the_wheel(full: Path, tmp_path: Path) -> None:
    where = run(full / "python", "-c", "import xlgen; print(xlgen.__file__)", cwd=tmp_path)
    assert where.stdout.startswith(str(full.parent)), where.stdout + where.stderr
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    done = run(full / "python", "script.py", cwd=tmp_path, OMP_NUM_THREADS="1", HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr[-2_000:]


def test_the_script_of_the_docs_is_typed_by_the_wheel(full: Path, tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy comes with the lint extra")
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    mypy = sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--python-executable", full / "python"
    done = run(*mypy, "script.py", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
