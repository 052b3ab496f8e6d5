"""Tagged words: CoNLL-U and a word a line; faults with file and line, and real files against counts made otherwise."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xlgen.core.config import validate
from xlgen.data.examples import Record
from xlgen.data.readers import DataError, readers

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
PUD = ("ar", "de", "en", "es", "fr", "hi", "id", "ja", "ko", "ru", "th", "tr", "zh")
WIKINEURAL = ("en.train", *(f"{code}.test" for code in ("de", "en", "es", "fr", "it", "nl", "pl", "pt", "ru")))
Read = Callable[..., list[Record]]


def row(number: str, form: str, tag: str = "_") -> str:
    return f"{number}\t{form}\t_\t{tag}" + 6 * "\t_"


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write lines to a file and read it with the reader called so."""

    def records(kind: str, *lines: str, **options: Any) -> list[Record]:
        (tmp_path / "f.txt").write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        reader = readers.get(kind)
        built = reader(validate(reader.Options, {"path": "f.txt", **options}, "here"), tmp_path)
        return list(built.read("th", "train"))

    return records


# -- CoNLL-U


def test_multiword_tokens_and_empty_nodes_are_no_words(read: Read) -> None:
    """The example of the format's page: Spanish ``vámonos al mar``, and a gap."""
    lines = [
        "# sent_id = es-1",
        "# text = vámonos al mar",
        *(row("1-2", "vámonos"), row("1", "vamos", "VERB"), row("2", "nos", "PRON")),
        *(row("3-4", "al"), row("3", "a", "ADP"), row("4", "el", "DET"), row("5", "mar", "NOUN")),
        row("5.1", "ir", "VERB"),
        "",
        "# newdoc",
        row("1", "日本 語", "PROPN"),
    ]
    first, second = read("conllu", *lines)
    assert first.fields == {
        "id": "es-1",
        "text": "vámonos al mar",
        "tokens": ("vamos", "nos", "a", "el", "mar"),
        "tags": ("VERB", "PRON", "ADP", "DET", "NOUN"),
    }
    assert first.where.endswith("f.txt, line 1")
    assert second.fields == {"tokens": ("日本 語",), "tags": ("PROPN",)}  # forms may hold spaces


def test_empty_lines_and_ends_of_lines(read: Read) -> None:
    found = read("conllu", "", row("0.1", "x"), row("1", "a", "X") + "\r", "\r", "", "", row("1", "b", "X"))
    assert [record.fields["tokens"] for record in found] == [("a",), ("b",)]
    assert read("conllu") == []


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["1\ta\tNOUN"], r"f\.txt, line 1 has 3 columns, but CoNLL-U has 10"),
        ([row("1", "a", "NOUN"), row("3", "b", "NOUN")], r"line 2: expected word 2, not '3'$"),
        ([row("1", "a", "NOUN"), row("1", "b", "NOUN")], r"line 2: .* sentences must be separated by an empty line"),
        ([row("x", "a", "NOUN")], r"line 1: expected word 1, not 'x'"),
        ([row("1", "a", "Noun")], r"line 1: 'Noun' is not one of UD's tags ADJ, "),
        ([row("1", "a")], r"line 1: '_' is not one of UD's tags"),
        ([row("1", " ", "NOUN")], r"line 1: word 1 has no form"),
        (["", "# sent_id = 1", ""], r"line 2: a sentence without words"),
        ([row("1-2", "al"), row("1", "a", "ADP")], r"line 1: the sentence ends before word 2"),
        ([row("2-3", "al")], r"line 1: the multiword token 2-3 is not directly before its words"),
        ([row("1-0", "al")], r"line 1: the multiword token 1-0"),
        ([row("1-2", "al"), row("1", "a", "ADP"), row("2-3", "x")], r"line 3: the multiword token 2-3"),
    ],
)
def test_wrong_conllu(read: Read, lines: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read("conllu", *lines)


@pytest.mark.spread(4)
@pytest.mark.parametrize("code", PUD)
def test_pud_has_the_words_that_its_files_have(code: str) -> None:
    """Counted by a pattern over the whole file: 1,000 sentences, a word where the id is a number alone."""
    path = DATA / "ud_pud" / f"{code}_pud-ud-test.conllu"
    if not path.exists():
        pytest.skip(f"no {path}")
    reader = readers.get("conllu")
    options = validate(reader.Options, {"path": "{language}_pud-ud-{split}.conllu"}, "here")
    found = list(reader(options, path.parent).read(code, "test"))
    text = path.read_text(encoding="utf-8")
    rows = re.findall(r"^\d+\t([^\t\n]+)\t[^\t\n]*\t([^\t\n]+)\t", text, flags=re.MULTILINE)
    assert len(found) == 1_000 == text.count("# sent_id = ") == len({record.fields["id"] for record in found})
    read = [pair for record in found for pair in zip(record.fields["tokens"], record.fields["tags"], strict=True)]
    assert read == rows


# -- a word a line


def test_a_word_a_line(read: Read) -> None:
    lines = ["# sent_id = one", "Ada\tB-PER", "#\tO", "", "", "กรุงเทพ\tB-LOC"]
    first, second = read("tagged", *lines)
    assert first.fields == {"id": "one", "tokens": ("Ada", "#"), "tags": ("B-PER", "O")}
    assert second.fields == {"tokens": ("กรุงเทพ",), "tags": ("B-LOC",)}
    assert second.where.endswith("f.txt, line 6")


def test_conll_2003(read: Read) -> None:
    lines = ["-DOCSTART- -X- O O", "", "EU NNP I-NP B-ORG", "rejects VBZ I-VP O", ""]
    (found,) = read("tagged", *lines, separator=None)
    assert found.fields == {"tokens": ("EU", "rejects"), "tags": ("B-ORG", "O")}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a\tO", "b"], r"f\.txt, line 2 must have a word and its tag; it has 1 column: 'b'"),
        (["\tO"], r"line 1 must have a word and its tag, not '' and 'O'"),
        (["", "a\t"], r"line 2 must have a word and its tag, not 'a' and ''"),
        (["a\tB PER"], r"line 1 must have a word and its tag, not 'a' and 'B PER'"),
    ],
)
def test_wrong_tagged(read: Read, lines: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read("tagged", *lines)


FILES = (
    *(f"wikineural/{name}.tsv" for name in WIKINEURAL),
    *(f"ud_english_ewt/{split}.pos.tsv" for split in ("dev", "test", "train")),
)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", FILES)
def test_real_files_have_the_sentences_that_their_page_says(name: str) -> None:
    """Words and tags counted by lines with a tab; sentences as SOURCE.md has them."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"no {path}")
    reader = readers.get("tagged")
    found = list(reader(validate(reader.Options, {"path": path.name}, "here"), path.parent).read("en", "test"))
    rows = [line.split("\t") for line in path.read_bytes().decode().split("\n") if "\t" in line]
    said = re.search(rf"\| {re.escape(path.name)} \| (\d+) sentences", (path.parent / "SOURCE.md").read_text("utf-8"))
    assert said
    assert len(found) == int(said[1])
    assert sum(len(record.fields["tokens"]) for record in found) == len(rows)
    counted = Counter(tag for record in found for tag in record.fields["tags"])
    assert counted == Counter(tag for _, tag in rows)
