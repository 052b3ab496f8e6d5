"""Columns with tabs between them: quotation marks are text, and rows have the columns that were named."""

from pathlib import Path
from typing import Any

import pytest

from xlgen.core.config import validate
from xlgen.data.readers import DataError, readers


def rows(path: Path, content: str, **options: Any) -> list[dict[str, Any]]:
    path.write_bytes(content.encode())
    kind = readers.get("tsv")
    reader = kind(validate(kind.Options, {"path": path.name, **options}, "here"), path.parent)
    return [dict(record.fields) for record in reader.read("th", "train")]


def test_named_columns(tmp_path: Path) -> None:
    found = rows(tmp_path / "f", '"ฝน" ตก\t\t下雨\u2028了\r\n\nx\ty\tz', columns=["query", "title", "label"])
    assert found == [
        {"line": 1, "query": '"ฝน" ตก', "title": "", "label": "下雨\u2028了"},
        {"line": 3, "query": "x", "title": "y", "label": "z"},
    ]


def test_a_first_line_with_names(tmp_path: Path) -> None:
    found = rows(tmp_path / "f.tsv", "\ufeffpremise\thypo\tlabel\nДождь.\tشمس\tcontradictory\n")
    assert found == [{"line": 2, "premise": "Дождь.", "hypo": "شمس", "label": "contradictory"}]


@pytest.mark.parametrize("line", ["a\tb", "a\tb\tc\td"])
def test_other_columns_are_an_error(line: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"f, line 2: it has \d columns where 3 are expected: query, title, label"):
        rows(tmp_path / "f", f"1\t2\t3\n{line}\n", columns=["query", "title", "label"])
