from pathlib import Path

import pytest

from xlgen.results.files import finite, read_lines, write_atomically


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1, 1.0), (2.5, 2.5), (float("nan"), None), (float("inf"), None), (None, None), (True, None), ("3", None)],
)
def test_finite(value: object, expected: float | None) -> None:
    assert finite(value) == expected


def test_unfinished_lines_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    # U+2028 ends no line of JSONL, though str.splitlines would say so.
    path.write_text('{"a": "x\u2028y"}\n3\n{"b": 2}\n{"c": ', encoding="utf-8")
    assert read_lines(path) == [{"a": "x\u2028y"}, {"b": 2}]
    assert read_lines(tmp_path / "none.jsonl") == []


def test_writing_leaves_nothing_else_behind(tmp_path: Path) -> None:
    path = write_atomically(tmp_path / "new" / "file.txt", "one\n")
    write_atomically(path, "two\n")
    assert path.read_text() == "two\n"
    assert list(path.parent.iterdir()) == [path]
