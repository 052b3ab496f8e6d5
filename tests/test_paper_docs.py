"""What the docs say of the papers: the tests that they name are there, and what was wrong once stays right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from xlgen.core.config import Training
from xlgen.core.shipped import shipped
from xlgen.experiments.published import load_papers

ROOT = Path(__file__).resolve().parents[1]
PAPERS = (ROOT / "docs" / "results" / "papers.md").read_text(encoding="utf-8")
RECIPES = (ROOT / "docs" / "results" / "experiments.md").read_text(encoding="utf-8")
SOURCES = (
    sorted((ROOT / "src").rglob("*.py"))
    + sorted((ROOT / "src").rglob("*.yaml"))
    + sorted((ROOT / "docs").rglob("*.md"))
    + sorted(path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__).resolve())
    + [ROOT / "README.md", ROOT / "CITATION.cff"]
)


def audit() -> list[list[str]]:
    """The cells of the audit's table, row by row."""
    section = PAPERS.partition("## Details that are easy to get wrong")[2]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row] for row in rows[1:]]


def test_each_line_of_the_audit_has_a_test_that_is_there() -> None:
    assert len(audit()) >= 25
    for point, paper, here, tests in audit():
        assert point and paper and here
        named = re.findall(r"`(tests/[\w/]+\.py)`", tests)
        assert named, point
        for path in named:
            assert "def test_" in (ROOT / path).read_text(encoding="utf-8"), path


def test_every_path_in_the_page_is_there() -> None:
    for path in re.findall(r"`(tests/[\w/]+(?:\.py|/))`", PAPERS):
        assert (ROOT / path).exists(), path


def test_recipes_and_tasks_in_the_page_are_shipped() -> None:
    known = {name for kind in ("papers", "examples", "pocket", "tasks") for name in shipped(kind)}
    for name in re.findall(r"`([cvlj]-[a-z0-9-]+)`", PAPERS + RECIPES):
        assert name in known or name.endswith("-"), name


def test_the_example_of_published_numbers_works() -> None:
    code = re.findall(r"^```python\n(.*?)^```", PAPERS, re.MULTILINE | re.DOTALL)[0]
    names: dict[str, object] = {}
    compared = 0
    for line in code.splitlines():
        expression, _, comment = line.partition("  # ")
        if line.startswith("find_cells"):
            found = eval(expression, names)
            assert found
            compared += isinstance(found, float) and found == float(comment)
        else:
            exec(line, names)
    assert compared == 1


def test_tables_of_selection_are_in_their_section() -> None:
    """Li and Murray (2023): 6.2, Model Selection Using Parallel Sentences."""
    assert "| 6.2, Tables 7 and 8:" in PAPERS
    assert not re.search(r"\| 7, Tables 7 and 8", PAPERS)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_attributions(path: Path) -> None:
    """The search and its recipes are of Chirkova, Liang and Nikoulina (2023); Vu et al. (2022) have no section 3.4."""
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"Chirkova and Nikoulina|Chirkova[^\n]{0,30}2024", text)
    assert not re.search(r"Vu et al\. \(2022\)?, section 3\.4", text)
    assert not re.search(r"Li and Murray \(?2023, section 7", text)


def test_what_needs_two_recipes_says_so() -> None:
    """Figure 5 and Table 4 of Li and Murray compare classification with generation."""
    rows = {
        name: line
        for line in RECIPES.splitlines()
        for name in ("l-generation", "l-understanding")
        if f"| `{name}` |" in line
    }
    for line in rows.values():
        assert "of Table 4" in line and "of Figure 5" in line
    assert re.search(r"Table 4 and Figure 5 \| they compare tasks of both recipes", RECIPES)


def test_no_paper_says_how_gradients_are_clipped() -> None:
    for paper in load_papers():
        for point in ("max_grad_norm", "weight_decay"):
            fact = paper.fact(point)
            assert fact is not None and fact.value is None, (paper.key, point)
    assert Training().max_grad_norm == 1.0 and Training().weight_decay == 0.0
    (ji,) = [paper for paper in load_papers() if paper.key == "J"]
    assert ji.fact("head_input").value is None  # type: ignore[union-attr]
    for point in ("gradient clipping", "weight decay", "input of a classification head"):
        assert point in PAPERS


def test_repeated_endings_are_vu_et_al_s_alone() -> None:
    facts = {paper.key: str(fact.value) + fact.note for paper in load_papers() if (fact := paper.fact("cleanup"))}
    assert "repeated" in facts["V"] and "no repeated endings" in facts["C"]
    for line in RECIPES.splitlines():
        if "Chirkova et al. (2023), appendix A" in line:
            assert "no repeated endings" in line
