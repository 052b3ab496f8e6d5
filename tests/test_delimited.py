"""The one reader of delimited text: equal to Python's csv module on what that writes, and strict else."""

import csv
import io
import random
from typing import Any

import pytest

from xlgen.core.delimited import looks_quoted, numbered_lines, read_delimited
from xlgen.core.registry import InputError

TEXTS = [
    *("", "NA", "null", "007", "1e5", "2020-01-01", "true", " x ", ",", "x" * 200_000),
    *("เด็ก ๆ", "قال «نعم»", "वह, बोला", "他说：“好”", "あ、い", "Он, и", "a\u2028b", "a\x85b", "a\x00b"),
    *('"', '""', '"a"', 'say "hi", ok', "a\nb", "a\r\nb", "\n"),
]


def read(content: str | bytes, separator: str | None = ",", **options: Any) -> list[tuple[int, Any]]:
    """(line, values or message) of each record."""
    data = content if isinstance(content, bytes) else content.encode()
    found = read_delimited(numbered_lines(io.BytesIO(data), "F"), separator, name="F", **options)
    return [(line, str(row) if isinstance(row, InputError) else list(row.values())) for line, row in found]


@pytest.mark.spread(2)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_what_the_csv_module_writes_is_read_back(separator: str, line_end: str) -> None:
    draw = random.Random(0)
    rows = [[draw.choice(TEXTS) for _ in range(3)] for _ in range(200)]
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL):
        text = io.StringIO()
        writer = csv.writer(text, delimiter=separator, lineterminator=line_end, quoting=quoting)
        writer.writerows([["a", "b", "c"], *rows])
        for mark in ("", "\ufeff"):
            found = read(mark + text.getvalue(), separator, quoting=True)
            assert [row for _, row in found] == rows


def test_lines_are_those_that_records_begin_on() -> None:
    content = 'a,b\n1,"x\ny\nz"\n\n2,w\n3\n"4\n",v\n5\n'
    assert [(line, row if isinstance(row, list) else "bad") for line, row in read(content)] == [
        (2, ["1", "x\ny\nz"]),
        (6, ["2", "w"]),
        (7, "bad"),
        (8, ["4\n", "v"]),
        (10, "bad"),
    ]


@pytest.mark.parametrize(
    ("content", "good"),
    [
        # The csv module reads each of these as fewer rows, some silently.
        ('a,b\n1,"open\n2,x\n3,"y"\n4,z\n', [(3, ["2", "x"]), (4, ["3", "y"]), (5, ["4", "z"])]),
        ('a,b\n1,x\n2,"open\n3,y\n', [(2, ["1", "x"]), (4, ["3", "y"])]),
        ('a,b\n"1,x\n"2",y\n', [(3, ["2", "y"])]),
    ],
)
def test_an_open_quotation_mark_is_an_error_of_its_own_row_only(content: str, good: list[Any]) -> None:
    found = read(content)
    assert [row for row in found if isinstance(row[1], list)] == good
    [bad] = [row for row in found if isinstance(row[1], str)]
    assert bad[0] in (2, 3)
    assert bad[0] not in [line for line, _ in good]
    assert "it is not valid CSV" in bad[1]


def test_tabs_quote_nothing_unless_the_header_does() -> None:
    rows = '"x\t1\ny"\t"2\n""\t""""\n'
    assert read(f"a\tb\n{rows}", "\t") == [(2, ['"x', "1"]), (3, ['y"', '"2']), (4, ['""', '""""'])]
    assert read('"a"\t"b"\n"x\t1"\t2\n""\t""""\n', "\t") == [(2, ["x\t1", "2"]), (3, ["", '"'])]
    [(_, message)] = read('a\tb\n"x\t1"\t2\n', "\t")
    assert message == "it has 3 columns, the header has 2; quotation marks are text in it and enclose nothing"


def test_a_row_of_one_column_may_be_empty_in_tsv() -> None:
    assert read("prediction\nx\n\ny\n", "\t") == [(2, ["x"]), (3, [""]), (4, ["y"])]
    assert read('prediction\nx\n""\ny\n') == [(2, ["x"]), (3, [""]), (4, ["y"])]
    assert read("a\tb\n\t\n\nx\ty\n", "\t") == [(2, ["", ""]), (4, ["x", "y"])]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b,a\n1,2,3\n", "F, line 1: the header has the column 'a' twice"),
        ('a,"b\n1,2\n', "F, line 1: it is not valid CSV"),
        ("a,b\r1,2\r", "F, line 1 is no header: it holds NUL or lone carriage returns"),
        ("a,b\n1,2\n".encode("utf-16-le"), "F, line 1 is no header: it holds NUL"),
        ("a,b\n".encode("utf-16"), "F is UTF-16 text"),
        ("é,b\n".encode("latin-1"), "F, line 1 is not UTF-8 text"),
    ],
)
def test_what_is_no_header_is_an_error_of_the_file(content: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(content)


def test_columns_take_the_place_of_a_header() -> None:
    assert read('"a\tb\n\nc\td\n', "\t", columns=("x", "y")) == [(1, ['"a', "b"]), (3, ["c", "d"])]
    assert read("a  b\nc d\n", None, columns=("x", "y")) == [(1, ["a", "b"]), (2, ["c", "d"])]


def test_text_that_looks_as_csv_quotes_it() -> None:
    assert looks_quoted({"a": '"He said ""hi"""'})
    assert not any(looks_quoted({"a": text}) for text in ('"hi"', '""', 'a ""b"" c', '"a" ""b', '""a"'))
