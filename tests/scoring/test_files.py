import gzip
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from xlgen.core import delimited
from xlgen.core.registry import InputError
from xlgen.scoring import files
from xlgen.scoring.files import check_separator, read_records


def found(path: Path, content: bytes, kind: Any = None) -> list[tuple[str, Any]]:
    """(where, fields or message) of each record, the file's name left out."""
    path.write_bytes(content)
    return [
        (where.removeprefix(f"{path}, "), str(record) if isinstance(record, InputError) else record)
        for where, record in read_records(str(path), kind)
    ]


def test_jsonl_with_every_kind_of_bad_line(tmp_path: Path) -> None:
    content = b"\n".join(
        [
            b'\xef\xbb\xbf{"id": 1}\r',
            b"",
            b'{"id": ',
            b'{"id": "\xff"}',
            b"[1]",
            b"NaN",
            b"[" * 100_000,
            b"1" * 10_000,
            b'{"id": NaN, "x": "a\xe2\x80\xa8b"}',
            b'{"id": 2}',
        ]
    )
    rows = found(tmp_path / "a.jsonl", content)
    assert [where for where, _ in rows] == [f"line {n}" for n in (1, 3, 4, 5, 6, 7, 8, 9, 10)]
    records = [record for _, record in rows]
    assert records[0] == {"id": 1}
    assert "not valid JSON: Expecting value at column" in records[1]
    assert "not UTF-8 text, from byte 9" in records[2]
    assert "must be a JSON object, not a list" in records[3]
    assert "must be a JSON object, not a number" in records[4]
    assert all("JSON" in record for record in records[5:7])
    assert records[7]["x"] == "a\u2028b"
    assert records[8] == {"id": 2}


def test_csv_with_every_kind_of_bad_row(tmp_path: Path) -> None:
    content = (
        b'\xef\xbb\xbfid,prediction\r\n1,"a, ""b"""\r\n2\r\n3,x,y\r\n\r\n4,\xff\r\n5,"two\nlines"\r\n6,"a"b\r\n7,'
        + "ไฟ\r\n8,".encode()
        + b"x" * 1_000_000
        + b'\r\n9,"open\r\n'
    )
    rows = found(tmp_path / "a.csv", content)
    assert [where for where, _ in rows] == [f"line {n}" for n in (2, 3, 4, 6, 7, 9, 10, 11, 12)]
    records = [record for _, record in rows]
    assert records[0] == {"id": "1", "prediction": 'a, "b"'}
    assert records[1] == "it has 1 columns, the header has 2"
    assert records[2] == "it has 3 columns, the header has 2"
    assert records[3] == "it is not UTF-8 text"
    assert records[4] == {"id": "5", "prediction": "two\nlines"}
    assert "is not valid CSV" in records[5]
    assert records[6] == {"id": "7", "prediction": "ไฟ"}
    assert len(records[7]["prediction"]) == 1_000_000
    assert "is a quotation mark not closed?" in records[8]


def test_an_open_quotation_mark_does_not_swallow_the_file(tmp_path: Path) -> None:
    rows = found(tmp_path / "a.csv", b'id,prediction\n1,"open\n' + b"filler\n" * 20 + b"2,fine\n")
    assert rows[0] == ("line 2", "it is not valid CSV: the file ends within a field; is a quotation mark not closed?")
    assert rows[-1] == ("line 23", {"id": "2", "prediction": "fine"})


def test_a_line_without_end_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LONGEST", 2**20)
    monkeypatch.setattr(delimited, "LONGEST", 2**20)
    rows = found(tmp_path / "a.jsonl", b'{"id": "' + b"x" * (5 * 2**20) + b'"}\n{"id": 2}\n')
    assert rows == [("line 1", "it is longer than 1 MiB"), ("line 2", {"id": 2})]


@pytest.mark.parametrize("code", ["th", "ar", "hi", "ru", "zh"])
def test_tsv_rows_that_begin_with_a_quotation_mark_stay_apart(tmp_path: Path, code: str) -> None:
    text = {"th": "เด็ก", "ar": "طفل", "hi": "बच्चा", "ru": "дитя", "zh": "孩子"}[code]
    outputs = [f'"{text}', text, f'{text}"', f'"{text}" {text}', '"']
    content = "prediction\tid\n" + "".join(f"{output}\t{row}\n" for row, output in enumerate(outputs))
    rows = found(tmp_path / "a.tsv", content.encode())
    assert [record["prediction"] for _, record in rows] == outputs
    assert [where for where, _ in rows] == [f"line {number}" for number in range(2, 7)]


@pytest.mark.parametrize(("name", "separator"), [("a.tsv", "\t"), ("A.CSV", ",")])
def test_names_say_the_format(tmp_path: Path, name: str, separator: str) -> None:
    content = f"id{separator}prediction\n1{separator}x\n".encode()
    assert found(tmp_path / name, content) == [("line 2", {"id": "1", "prediction": "x"})]
    assert found(tmp_path / "rows", content, "tsv" if separator == "\t" else "csv")[0][1] == {
        "id": "1",
        "prediction": "x",
    }


def test_gzip(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    whole = gzip.compress(b'{"id": 1}\n' * 5_000)
    assert len(found(path, whole)) == 5_000
    for broken in (whole[: len(whole) // 2], b'{"id": 1}\n', whole[:20] + b"\xff" * 30):
        with pytest.raises(InputError, match=r"a\.jsonl\.gz is not complete gzip data"):
            found(path, broken)


def test_a_folder_is_its_files_in_order(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.jsonl", "notes.txt"):
        (tmp_path / name).write_text(json.dumps({"id": name}))
    assert [record["id"] for _, record in read_records(str(tmp_path)) if isinstance(record, dict)] == [
        "a.jsonl",
        "b.jsonl",
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'[{"id": 1},\n{"id": 2}]', "is one JSON array: write one object per line"),
        ("a.jsonl", '{"id": 1}'.encode("utf-16"), "is UTF-16 text: save it as UTF-8"),
        ("a.xlsx", b"PK", "its name must end in .jsonl, "),
        (".", None, "no file in "),
        ("absent.jsonl", None, "no file "),
    ],
)
def test_what_cannot_be_read_at_all(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        list(read_records(str(tmp_path / name)))


def test_an_empty_file_has_no_records(tmp_path: Path) -> None:
    for name, content in (("a.jsonl", b""), ("a.csv", b""), ("b.csv", b"id\n")):
        assert found(tmp_path / name, content) == []


HEADERS = [
    ("a.csv", "id;language;prediction", "semicolons: set `separator` (--separator) to ';'"),
    ("a.csv", "\ufeffid;language;prediction", "semicolons: set `separator` (--separator) to ';'"),
    ("a.csv", '"id";"language";"prediction, raw"', "semicolons: set `separator` (--separator) to ';'"),
    ("a.csv", "\n\nid\tlanguage\tprediction", "tabs: set `separator` (--separator) to tab"),
    ("a.csv", "id|language|prediction", "bars: set `separator` (--separator) to '|'"),
    ("a.tsv", "id,language,prediction", "commas: set `separator` (--separator) to ','"),
    ("a.tsv", "id;language;prediction", "semicolons: set `separator` (--separator) to ';'"),
]


@pytest.mark.parametrize(("name", "header", "message"), HEADERS)
def test_a_header_that_is_separated_by_something_else_is_named(
    tmp_path: Path, name: str, header: str, message: str
) -> None:
    (tmp_path / name).write_text(f"{header}\n1;fr;x\n", encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(f"is one field, which looks separated by {message}")):
        list(read_records(str(tmp_path / name)))


@pytest.mark.parametrize("separator", [";", "\t", "|", ",", "~"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_the_separator_may_be_given(tmp_path: Path, name: str, separator: str) -> None:
    rows = [["id", "language", "prediction"], ["1", "fr", '"un ""chat"""'], ["2", "fr", f'"a{separator}b"']]
    (tmp_path / name).write_text("\n".join(map(separator.join, rows)), encoding="utf-8")
    if name == "a.tsv" and separator == "\t":  # in TSV quotation marks are text
        return
    found = [record for _, record in read_records(str(tmp_path / name), separator=separator)]
    assert found == [
        {"id": "1", "language": "fr", "prediction": 'un "chat"'},
        {"id": "2", "language": "fr", "prediction": f"a{separator}b"},
    ]


@pytest.mark.parametrize("text", ["prediction\nx; y\n", "id,prediction;raw\n1,x\n", '"a;b"\nx\n'])
def test_other_characters_in_a_header_are_part_of_names(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    [(_, record)] = read_records(str(tmp_path / "a.csv"))
    assert isinstance(record, dict)


def test_a_separator_is_one_character() -> None:
    assert [check_separator(text) for text in (None, ";", "tab", "\\t", "\t")] == [None, ";", "\t", "\t", "\t"]
    for text in ("", ";;", '"', "\n", "comma"):
        with pytest.raises(InputError, match=r"`separator` \(--separator\) must be one character"):
            check_separator(text)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_might_never_end_is_not_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "rows.csv"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        (path / "x").mkdir(parents=True)
    with pytest.raises(InputError, match=r"rows\.csv|no file in"):
        list(read_records(str(path)))


def test_what_a_shell_has_opened_is_read(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.write(write, b'{"prediction": "x"}\n')
    os.close(write)
    assert [fields for _, fields in read_records(f"/dev/fd/{read}", "jsonl")] == [{"prediction": "x"}]
