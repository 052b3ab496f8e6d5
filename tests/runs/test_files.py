from pathlib import Path

import pytest

from xlgen.core.registry import InputError
from xlgen.runs.files import finite, json_lines, step_folders, write_atomically


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
    assert [row for row in json_lines(path) if isinstance(row, dict)] == [{"a": "x\u2028y"}, {"b": 2}]
    assert [str(row) for row in json_lines(path) if isinstance(row, InputError)] == [
        f"{path}, line 2 must be a JSON object, not int",
        f"{path}, line 4 is not valid JSON: Expecting value at column 7",
    ]
    assert list(json_lines(tmp_path / "none.jsonl")) == []


def test_a_line_torn_inside_a_character_is_the_only_bad_one(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    whole = '{"a": "ไทย"}\n'.encode()
    path.write_bytes(whole + whole[:9] + b"\n" + whole)
    assert [isinstance(row, dict) for row in json_lines(path)] == [True, False, True]


def test_a_lone_surrogate_can_be_written_again(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"a": "\\ud800 x"}\n')
    assert list(json_lines(path)) == [{"a": "\ufffd x"}]


def test_copies_of_steps_are_no_steps(tmp_path: Path) -> None:
    for name in ("step-9", "step-24", "step-24.bak", "step-²", "step-", "step-x", "saving-step-3"):
        (tmp_path / name).mkdir()
    (tmp_path / "step-30").write_text("a file")
    assert [(step, path.name) for step, path in step_folders(tmp_path)] == [(9, "step-9"), (24, "step-24")]


def test_writing_leaves_no_other_file(tmp_path: Path) -> None:
    path = write_atomically(tmp_path / "new" / "file.txt", "one\n")
    write_atomically(path, "two\n")
    assert path.read_text() == "two\n"
    assert list(path.parent.iterdir()) == [path]
