"""SQuAD-format JSON: answers against offsets, the byte order mark inside XQuAD's contexts, and real files."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xlgen.data.examples import Record
from xlgen.data.readers import DataError
from xlgen.data.readers.files import FileOptions
from xlgen.data.readers.squad import SquadOptions, SquadReader

XQUAD = Path(__file__).resolve().parents[4] / "shared" / "data" / "xquad"
LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ro", "ru", "th", "tr", "vi", "zh")
CONTEXT = "กรุงเทพ เป็นเมืองหลวง"
QUESTION = {"id": "q1", "question": " ที่ไหน? ", "answers": [{"text": "กรุงเทพ", "answer_start": 0}]}
PARAGRAPH = {"context": CONTEXT, "qas": [QUESTION]}

Read = Callable[[Any], list[Record]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def records(data: Any) -> list[Record]:
        content = data if isinstance(data, bytes) else json.dumps(data, ensure_ascii=False).encode()
        (tmp_path / "s.json").write_bytes(content)
        return list(SquadReader(FileOptions(path="s.json"), tmp_path).read("th", "test"))

    return records


def squad(**changes: Any) -> dict[str, Any]:
    """One paragraph with one question, of which some keys are changed."""
    paragraph = copy.deepcopy(PARAGRAPH)
    paragraph["qas"][0].update({k: v for k, v in changes.items() if k != "context"})  # type: ignore[index,attr-defined]
    return {"data": [{"title": "T", "paragraphs": [{**paragraph, "context": changes.get("context", CONTEXT)}]}]}


def test_fields(read: Read) -> None:
    (record,) = read(squad())
    assert record.fields == {
        "id": "q1",
        "title": "T",
        "context": CONTEXT,
        "question": "ที่ไหน?",
        "answers": ("กรุงเทพ",),
    }
    assert record.where.endswith("s.json, question q1")


def test_equal_answers_count_once_and_keep_their_order(read: Read) -> None:
    texts = ["เมือง", "กรุงเทพ", "เมือง"]
    answers = [{"text": text, "answer_start": CONTEXT.index(text)} for text in texts]
    assert read(squad(answers=answers))[0].fields["answers"] == ("เมือง", "กรุงเทพ")


def test_a_byte_order_mark_in_a_context_counts_in_offsets(read: Read) -> None:
    shifted = [{"text": "กรุงเทพ", "answer_start": 1}]
    (record,) = read(squad(context="\ufeff" + CONTEXT, answers=shifted))
    assert record.fields["context"] == CONTEXT
    with pytest.raises(DataError, match="not at offset 0"):
        read(squad(context="\ufeff" + CONTEXT))


def test_a_byte_order_mark_before_the_file(read: Read) -> None:
    assert len(read(b"\xef\xbb\xbf" + json.dumps(squad()).encode())) == 1


@pytest.mark.parametrize("start", [1, 7, 1000, -1])
def test_a_wrong_offset_is_an_error_with_the_question(read: Read, start: int) -> None:
    with pytest.raises(DataError, match=rf"s\.json, question q1: answer 'กรุงเทพ' is not at offset {start}"):
        read(squad(answers=[{"text": "กรุงเทพ", "answer_start": start}]))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"data": [', "not valid JSON"),
        (b"\xff\xfe", "not UTF-8 text"),
        ([], "not SQuAD-format"),
        ({"version": "1.1"}, "not SQuAD-format.*'data'"),
        ({"data": [{"title": "T"}]}, "not SQuAD-format.*'paragraphs'"),
        ({"data": ["T"]}, "not SQuAD-format"),
        ({"data": [{"paragraphs": [{"context": "c", "qas": [{"id": "q"}]}]}]}, "not SQuAD-format.*'answers'"),
        (squad(answers=[{"text": "กรุงเทพ"}]), "not SQuAD-format.*'answer_start'"),
        (squad(answers=["กรุงเทพ"]), "not SQuAD-format"),
    ],
)
def test_other_json(read: Read, data: Any, message: str) -> None:
    with pytest.raises(DataError, match=rf"s\.json is {message}"):
        read(data)


@pytest.mark.skipif(not XQUAD.is_dir(), reason=f"XQuAD is absent: {XQUAD}")
@pytest.mark.parametrize("language", LANGUAGES)
def test_xquad_holds_1190_questions_whose_answers_stand_in_their_contexts(language: str) -> None:
    reader = SquadReader(FileOptions(path="xquad.{language}.json"), XQUAD)
    records = list(reader.read(language, "test"))
    assert len({record.fields["id"] for record in records}) == 1190
    for record in records:
        assert "\ufeff" not in record.fields["context"][:1]
        assert record.fields["answers"]
        assert all(answer and answer in record.fields["context"] for answer in record.fields["answers"])


@pytest.mark.skipif(not XQUAD.is_dir(), reason=f"XQuAD is absent: {XQUAD}")
def test_the_trap_is_there() -> None:
    """Should XQuAD ever be mended, the code for U+FEFF may go."""
    marked = [name for name in LANGUAGES if '"context": "\\ufeff' in _ascii(XQUAD / f"xquad.{name}.json")]
    assert marked


def _ascii(path: Path) -> str:
    return json.dumps(json.loads(path.read_text(encoding="utf-8")))


# -- SQuAD 2.0

UNANSWERABLE: list[dict[str, Any]] = [
    {"is_impossible": True, "answers": [], "plausible_answers": [{"text": "กรุงเทพ", "answer_start": 0}]},
    {"is_impossible": True, "answers": [{"text": "กรุงเทพ", "answer_start": 0}]},
    {"answers": []},
    {"answers": [{"text": " ", "answer_start": 7}]},
]


@pytest.mark.parametrize("question", UNANSWERABLE)
def test_unanswerable_questions_are_left_out_or_get_the_answer_that_is_named(
    tmp_path: Path, question: dict[str, Any]
) -> None:
    data = squad(**question)
    data["data"][0]["paragraphs"][0]["qas"].append({**QUESTION, "is_impossible": False})
    (tmp_path / "s.json").write_text(json.dumps(data))

    def answers(**options: Any) -> list[tuple[str, ...]]:
        reader = SquadReader(SquadOptions(path="s.json", **options), tmp_path)
        return [record.fields["answers"] for record in reader.read("th", "test")]

    assert answers() == [("กรุงเทพ",)]
    assert answers(no_answer="ไม่มีคำตอบ") == [("ไม่มีคำตอบ",), ("กรุงเทพ",)]
    with pytest.raises(ValueError, match="cannot be blank"):
        answers(no_answer=" ")
