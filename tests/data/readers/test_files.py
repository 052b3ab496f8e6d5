"""JSONL, CSV/TSV and plain lines: byte order marks, odd line ends, and faults with file and line."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xlgen.core.config import validate
from xlgen.data.readers import DataError, readers
from xlgen.data.readers.files import CsvReader, FileOptions, LinesReader
from xlgen.data.tasks import load_task

BOM = b"\xef\xbb\xbf"
Read = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write bytes to a file and read it with the reader called so."""

    def rows(kind: str, content: bytes, name: str = "data.txt", **options: Any) -> list[dict[str, Any]]:
        (tmp_path / name).write_bytes(content)
        reader = readers.get(kind)
        built = reader(validate(reader.Options, {"path": name, **options}, "here"), tmp_path)
        return [dict(record.fields) for record in built.read("th", "train")]

    return rows


# -- JSONL


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"a": "ไทย"}\n{"a": "العربية"}\n', ["ไทย", "العربية"]),
        ('{"a": 1}', [1]),
        ('{"a": 1}\r\n{"a": 2}\r\n', [1, 2]),
        ('\n{"a": 1}\n\n   \n{"a": 2}\n\n', [1, 2]),
        # Line separators within a JSON string are text, not ends of lines.
        ('{"a": "x\u2028y\u2029z\x85w"}\n{"a": 2}\n', ["x\u2028y\u2029z\x85w", 2]),
        ('{"a": "\\n"}\n', ["\n"]),
        ('{"a": "\\ud83d\\ude00"}\n', ["😀"]),
        ("", []),
    ],
)
def test_jsonl(read: Read, content: str, expected: list[Any]) -> None:
    for start in (b"", BOM):
        assert [row["a"] for row in read("jsonl", start + content.encode())] == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1}\n{"a": \n', r"data\.txt, line 2 is not valid JSON: .* at column \d+"),
        (b'\r\n{"a": 1} x\r\n', r"data\.txt, line 2 is not valid JSON"),
        ('{"a": "\u2028"}\nx\n'.encode(), r"line 2 is not valid JSON"),
        (b"[1]\n", r"line 1 must be a JSON object, not list"),
        (b'"text"\n', r"line 1 must be a JSON object, not str"),
        (b'{"a": "x\\ud83d"}\n', r"line 1 cannot be read: .*surrogates"),
        (b'{"a": ' + b"9" * 5_000 + b"}", r"line 1 cannot be read: .*digits"),
        ('{"a": "e"}\n{"a": "é"}'.encode("latin-1"), r"data\.txt is not UTF-8 text: line 2, byte 8 \(0xe9\); convert"),
        ('{"a": 1}'.encode("utf-16"), r"data\.txt is not UTF-8 text"),
    ],
)
def test_wrong_jsonl(read: Read, content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read("jsonl", content)


# -- CSV and TSV


@pytest.mark.parametrize(
    ("name", "options", "content", "expected"),
    [
        ("d.csv", {}, "a,b\nх,й\n", [{"a": "х", "b": "й"}]),
        ("d.csv", {}, "a,b\r\nх,й\r\n", [{"a": "х", "b": "й"}]),
        ("d.csv", {}, 'a,b\n"1,5","line\nline ""q"""\n', [{"a": "1,5", "b": 'line\nline "q"'}]),
        ("d.tsv", {}, "a\tb\n1,5\tq\n", [{"a": "1,5", "b": "q"}]),
        ("d.csv", {"separator": ";"}, "a;b\n1;2\n", [{"a": "1", "b": "2"}]),
        ("d.csv", {}, "a,b\nx\u2028y,2\n\n", [{"a": "x\u2028y", "b": "2"}]),
        ("d.csv", {}, "a,b\n,2\n", [{"a": "", "b": "2"}]),
        ("d.csv", {}, f"a,b\n{'x' * 200_000},2\n", [{"a": "x" * 200_000, "b": "2"}]),
        ("d.tsv", {}, 'a\tb\n"x\t1\nไ"ท\t"\n', [{"a": '"x', "b": "1"}, {"a": 'ไ"ท', "b": '"'}]),
        ("d.tsv", {"quoting": True}, 'a\tb\n"x\t1\n"\t2\n', [{"a": "x\t1\n", "b": "2"}]),
        ("d.csv", {"quoting": False}, 'a,b\n"x,1\n', [{"a": '"x', "b": "1"}]),
        ("d.csv", {}, "a,b\n", []),
        ("d.csv", {}, "", []),
    ],
)
def test_csv(read: Read, name: str, options: dict[str, str], content: str, expected: list[dict[str, str]]) -> None:
    for start in (b"", BOM):
        assert read("csv", start + content.encode(), name, **options) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1,2\n1,2,3\n", r"d\.csv, line 3: it has 3 columns, the header has 2"),
        (b"a,b\n1\n", r"d\.csv, line 2: it has 1 columns, the header has 2"),
        (b'a,b\n1,"2\n3,4\n', r"d\.csv, line 2: .* is a quotation mark not closed\?"),
        (b'a,b\n"1\n1",2\n3\n', r"d\.csv, line 4: it has 1 columns"),
        (b"a,a\n1,2\n", r"d\.csv, line 1: the header has the column 'a' twice"),
        (b'a,b\n1,"2"x\n', r"d\.csv, line 2: "),
        ("a,b\né,2\n".encode("latin-1"), r"d\.csv is not UTF-8 text: line 2, byte 1"),
    ],
)
def test_wrong_csv(read: Read, content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read("csv", content, "d.csv")


# -- lines


def test_lines(read: Read) -> None:
    found = read("lines", BOM + "राम \r\n\r\n 東京\u2028大阪\n".encode())
    assert found == [{"text": "राम", "line": 1}, {"text": "東京\u2028大阪", "line": 3}]


# -- finding files


@pytest.mark.parametrize(
    ("path", "codes", "expected"),
    [
        ("{language}.{split}.jsonl", {}, "th.train.jsonl"),
        ("{language}/{split}.jsonl", {"th": "tha"}, "tha/train.jsonl"),
        ({"train": "en.jsonl", "test": "{language}.jsonl"}, {}, "en.jsonl"),
    ],
)
def test_paths(tmp_path: Path, path: Any, codes: dict[str, str], expected: str) -> None:
    (tmp_path / expected).parent.mkdir(exist_ok=True)
    (tmp_path / expected).write_text('{"a": 1}\n')
    kind = readers.get("jsonl")
    reader = kind(validate(kind.Options, {"path": path, "codes": codes}, "here"), tmp_path)
    (record,) = reader.read("th", "train")
    assert record.where == f"{tmp_path / expected}, line 1"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("{language}.jsonl", r"no file .*th\.jsonl \(language th, split train\); .*data_dir"),
        ({"test": "x.jsonl"}, "no files are given for split 'train'; there are: test"),
    ],
)
@pytest.mark.parametrize("kind", ["jsonl", "csv", "lines", "squad"])
def test_missing_files(tmp_path: Path, kind: str, path: Any, message: str) -> None:
    reader = readers.get(kind)
    with pytest.raises(DataError, match=message):
        list(reader(validate(reader.Options, {"path": path}, "here"), tmp_path).read("th", "train"))


def test_a_file_without_a_language_in_its_name_is_of_one(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("one\n", encoding="utf-8")
    reader = LinesReader(FileOptions(path="text.txt"), tmp_path)
    for _ in range(2):
        assert [row.fields["text"] for row in reader.read("en", "train")] == ["one"]
    with pytest.raises(DataError, match=r"text\.txt was read as en and cannot be th too; .*{language}"):
        next(reader.read("th", "train"))
    held = LinesReader(FileOptions(path="text.txt", languages={"train": ("en_XX",)}), tmp_path)
    with pytest.raises(DataError, match="split 'train' has only en, not th"):
        next(held.read("th", "train"))


@pytest.mark.parametrize("task", ["squad-xquad", "ner-wikineural", "pos-pud"])
def test_english_training_data_is_of_no_other_language(task: str) -> None:
    with pytest.raises(DataError, match="has only en, not de"):
        load_task(task, Path("nowhere")).examples("de", "train", 1)


def test_a_latin_1_table_says_which_line(tmp_path: Path) -> None:
    rows = ["a\tb", *(f"{number}\te" for number in range(8)), "9\té"]
    (tmp_path / "data.tsv").write_bytes("\n".join(rows).encode("latin-1"))
    reader = CsvReader(FileOptions(path="data.tsv"), tmp_path)
    with pytest.raises(DataError, match=r"data\.tsv is not UTF-8 text: line 10, byte 3 \(0xe9\)"):
        list(reader.read("en", "train"))


# -- Gzip


@pytest.mark.parametrize(
    ("kind", "name", "content"),
    [
        ("jsonl", "data.jsonl.gz", '{"text": "ไทย"}\n{"text": "العربية"}\n'),
        ("csv", "data.csv.gz", "text\nไทย\nالعربية\n"),
        ("csv", "DATA.TSV.gz", "text\tn\nไทย\t1\nالعربية\t2\n"),
        ("lines", "data.txt.gz", "ไทย\nالعربية\n"),
    ],
)
def test_gzipped_files_are_unpacked(read: Read, kind: str, name: str, content: str) -> None:
    rows = read(kind, gzip.compress(BOM + content.encode()), name)
    assert [row["text"] for row in rows] == ["ไทย", "العربية"]


@pytest.mark.parametrize("kind", ["jsonl", "csv", "lines"])
def test_gzip_that_is_cut_or_none_is_named(read: Read, kind: str) -> None:
    packed = gzip.compress(b'{"text": "a"}\n' * 1000)
    for content in (packed[: len(packed) // 2], b'{"text": "a"}\n'):
        with pytest.raises(DataError, match=r"data\.gz is not complete gzip data"):
            read(kind, content, "data.gz")


def test_gzipped_text_in_another_encoding_is_named_with_its_line(read: Read) -> None:
    with pytest.raises(DataError, match="not UTF-8 text: line 2, byte 10"):
        read("jsonl", gzip.compress('{"a": "x"}\n{"a": "ca\xe9"}\n'.encode("latin-1")), "data.jsonl.gz")
