"""Reading a file of published numbers: what it gives, and what it says of a file that is wrong."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from xlgen.core.registry import InputError
from xlgen.core.shipped import find_task
from xlgen.experiments.published import PublishedError, find_cells, load_paper, load_papers
from xlgen.experiments.published.grid import read_grid, read_number

GRID = "| Size | en | fr |\n| BIG | 1.5 ± 0.2 | – |\n| SMALL | ? | -3 |\n"


def contents(**changes: Any) -> dict[str, Any]:
    table = {
        "where": "Table 1",
        "title": "A table",
        "rows": ["Size"],
        "cells": {"task": "news", "metric": "rougeL", "unit": "percent"},
        "labels": {"Size": {"BIG": {"backbone": "big"}, "SMALL": {"kind": "difference", "unit": "points"}}},
        "grid": GRID,
        **changes.pop("table", {}),
    }
    said = {
        "where": "section 2",
        "quote": "it is 7",
        "figures": [{"value": "7", "metric": "rougeL", "unit": "percent"}],
    }
    return {
        "key": "X",
        "citation": "Nobody 2000",
        "title": "On nothing",
        "arxiv": "0000.00000",
        "source": "made up",
        "protocol": {"steps": {"value": 10, "where": "section 1"}, "optimizer": {"value": None}},
        "backbones": {"big": {"family": "T", "parameters": 7}},
        "tasks": {"news": {"family": "summarization", "data": "News"}},
        "metrics": {"rougeL": "as usual"},
        "cells": {"seeds": 3, "source_languages": ["en"], "details": {"set": "a"}},
        "tables": [table],
        "statements": [{**said, **changes.pop("statement", {})}],
        **changes,
    }


def read(folder: Path, data: Any) -> Any:
    path = folder / "nobody-2000.yaml"
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    return load_paper(path)


def test_cells_have_the_fields_of_paper_table_row_and_column(tmp_path: Path) -> None:
    paper = read(tmp_path, contents(table={"columns": {"fr": {"language": "fr", "seeds": None, "details": {"n": 4}}}}))
    big, small, said = paper.cells
    assert (big.paper, big.where, big.row, big.column) == ("X", "Table 1", "BIG", "en")
    assert (big.printed, big.value, big.spread, big.decimals) == ("1.5", 1.5, 0.2, 1)
    assert (big.task, big.backbone, big.metric, big.unit, big.kind) == ("news", "big", "rougeL", "percent", "value")
    assert (big.source_languages, big.language, big.seeds, big.details) == (("en",), "en", 3, (("set", "a"),))
    assert (small.value, small.kind, small.unit, small.seeds, small.decimals) == (-3, "difference", "points", None, 0)
    assert dict(small.details) == {"set": "a", "n": 4}
    assert (said.where, said.value, said.quote, said.row) == ("section 2", 7, "it is 7", "")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"table": {"grid": GRID.replace("-3", "x3")}},
            r"nobody-2000.yaml, Table 1, row 'SMALL', column 'fr': 'x3'",
        ),
        ({"table": {"grid": GRID.replace(" | -3", "")}}, r"Table 1, line 3 of the grid has 2 cells, but 3 headers"),
        (
            {"table": {"grid": GRID.replace("| BIG", "BIG")}},
            r"Table 1, line 2 of the grid must begin and end with",
        ),
        ({"table": {"grid": "| Size | en | fr |"}}, r"Table 1: the grid needs a line of headers and at least one row"),
        ({"table": {"grid": GRID.replace("fr", "en")}}, r"Table 1: two columns have the same header"),
        ({"table": {"rows": ["Method"]}}, r"Table 1: the grid must begin with the headers Method"),
        (
            {"table": {"grid": GRID.replace("BIG", "BIGG")}},
            r"label 'BIGG' under 'Size' is not defined: did you mean 'BIG'",
        ),
        ({"table": {"grid": GRID.replace("fr", "Avg.")}}, r"the column 'Avg.' is neither a language nor defined"),
        (
            {"table": {"cells": {"task": "news", "unit": "percent"}}},
            r"'BIG', column 'en': the metric is not defined",
        ),
        (
            {"table": {"cells": {"task": "new", "metric": "rougeL"}}},
            r"the paper has no task 'new': did you mean 'news'",
        ),
        ({"table": {"labels": {"Size": {"BIG": {"methd": "x"}}}}}, r"tables.0.labels.Size.BIG.methd: Extra inputs"),
        (
            {"table": {"columns": {"fr": {"language": "fra"}}}},
            r"columns.fr.language.*canonical code of 'fra' is 'fr'",
        ),
        ({"table": {"cells": {"unit": "kilos"}}}, r"tables.0.cells.unit: Input should be 'percent'"),
        (
            {"statement": {"figures": [{"metric": "rougeL", "unit": "percent"}]}},
            r"section 2, figure 0 of 'it is 7': ''",
        ),
        (
            {"statement": {"figures": [{"value": "–", "metric": "rougeL"}]}},
            r"'it is 7': a statement needs a value",
        ),
        ({"statement": {"figures": [{"value": 1, "metrik": "a"}]}}, r"figure 0 of 'it is 7': metrik: Extra inputs"),
        ({"protocol": {"steps": {}}}, r"protocol.steps.value: Field required"),
    ],
)
def test_errors_name_the_place(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PublishedError, match=message):
        read(tmp_path, contents(**changes))


def test_a_file_that_is_no_yaml_or_no_mapping_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nobody-2000.yaml"):
        read(tmp_path, "a: [")
    with pytest.raises(PublishedError, match=r"nobody-2000.yaml is invalid"):
        read(tmp_path, "- a")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("24.5", ("24.5", 24.5, None)),
        ("24.5 ± 0.2", ("24.5", 24.5, 0.2)),
        ("-0.33*", ("-0.33", -0.33, None)),
        ("3e-6", ("3e-6", 3e-6, None)),
        ("15.0K", ("15.0K", 15_000, None)),
    ],
)
def test_numbers(text: str, expected: tuple[str, float, float | None]) -> None:
    number = read_number(text, "here")
    assert number is not None
    assert (number.printed, number.value, number.spread) == expected


@pytest.mark.parametrize("text", ["", "24,5", "24.5±0.2", "24.5 ± ", "nan", "1e", "-"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(PublishedError, match="here"):
        read_number(text, "here")


def test_blank_lines_of_a_grid_do_not_count() -> None:
    assert read_grid("\n| a | b |\n\n| 1 | 2 |\n", "here").rows == (("1", "2"),)


def test_finding_by_fields() -> None:
    found = find_cells(paper="Vu+22", where="Table 8", row="BASE PROMPT", language={"ru", "th"})
    assert [(cell.language, cell.value) for cell in found] == [("ru", 14.3), ("th", 17.3)]
    assert find_cells(paper="V", where="Table 99") == []
    assert find_cells(paper={"Vu+22", "L"}) == find_cells(paper={"V", "Li+23"}) != []
    with pytest.raises(PublishedError, match=r"no paper 'Vu\+23': did you mean 'Vu\+22'"):
        find_cells(paper="Vu+23")
    with pytest.raises(PublishedError, match="no field 'langauge': did you mean 'language'"):
        find_cells(langauge="fr")


def test_papers_say_how_they_worked() -> None:
    keys = {"steps", "optimizer", "learning_rate", "schedule", "checkpoint", "seeds"}
    for paper in load_papers():
        assert keys <= set(paper.about.protocol)
        for name, fact in paper.about.protocol.items():
            assert fact.value is None or fact.where, (paper.key, name)
    assert [paper.key for paper in load_papers()] == ["C", "V", "L", "J"]


def test_tasks_that_are_ours_have_our_names() -> None:
    ours = {"xlsum", "squad-xquad", "wikilingua"}
    assert ours <= {name for paper in load_papers() for name in paper.about.tasks}
    assert all(find_task(name).is_file() for name in ours)
