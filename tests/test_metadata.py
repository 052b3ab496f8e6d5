"""What the package says of itself: one version everywhere, typed, and the papers by their names."""

import re
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

import xlgen
from xlgen.cli import app
from xlgen.experiments.published import load_papers

ROOT = Path(__file__).resolve().parents[1]
CITATION: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
AUTHORS = {
    "2310.09917": ["Chirkova", "Liang", "Nikoulina"],
    "2205.12647": ["Vu", "Barua", "Lester", "Cer", "Iyyer", "Constant"],
    "2305.17325": ["Li", "Murray"],
    "2403.16777": ["Ji", "Mickus", "Segonne", "Tiedemann"],
}
"""As the papers print them, in order."""


def test_every_version_is_the_same() -> None:
    heading = re.search(r"^## \[?([\d.]+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert heading
    said = CliRunner().invoke(app, ["--version"]).stdout.strip()
    assert said == xlgen.__version__ == metadata.version("xlgen") == CITATION["version"] == heading[1]


def test_the_project_takes_its_version_from_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "version" not in project and project["dynamic"] == ["version"]
    assert project["license"] == CITATION["license"]


@pytest.fixture(scope="module")
def wheel(wheel_file: Path) -> zipfile.ZipFile:
    """The contents of the wheel."""
    return zipfile.ZipFile(wheel_file)


@pytest.mark.exhaustive
def test_the_wheel_is_typed_and_holds_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    shipped = {name for name in wheel.namelist() if name.startswith("xlgen/")}
    assert "xlgen/py.typed" in shipped
    ours = {
        str(path.relative_to(ROOT / "src"))
        for path in (ROOT / "src" / "xlgen").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert shipped == ours


def test_the_weights_in_the_wheel_are_small(wheel: zipfile.ZipFile) -> None:
    weights = [each for each in wheel.infolist() if each.filename.endswith("model.safetensors")]
    assert len(weights) == 3 and sum(each.compress_size for each in wheel.infolist()) < 40e6


def test_the_wheel_describes_the_package(wheel: zipfile.ZipFile) -> None:
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    text = wheel.read(name).decode()
    assert f"\nVersion: {xlgen.__version__}\n" in text
    assert "\nClassifier: Typing :: Typed\n" in text and "\nKeywords: " in text
    assert "\nProject-URL: Issues, https://" in text and "\nProvides-Extra: train\n" in text
    required = re.findall(r"^Requires-Dist: ([\w-]+)(?!.*extra ==)", text, re.MULTILINE)
    assert not {"torch", "transformers", "duckdb", "matplotlib"} & set(required) and "sacrebleu" in required


@pytest.mark.parametrize("paper", load_papers(), ids=lambda paper: paper.key)
def test_each_paper_is_cited_as_its_text_prints_it(paper: Any) -> None:
    about = paper.about
    found = [each for each in CITATION["references"] if each["url"] == f"https://arxiv.org/abs/{about.arxiv}"]
    assert [each["title"] for each in found] == [about.title]
    assert about.citation.endswith(str(found[0]["year"]))
    assert [author["family-names"] for author in found[0]["authors"]] == AUTHORS[about.arxiv]
    assert all(author["given-names"] for author in found[0]["authors"])
    assert about.citation.split()[0] == AUTHORS[about.arxiv][0]


def test_there_are_four_papers() -> None:
    assert len(CITATION["references"]) == len(AUTHORS) == len(load_papers())
