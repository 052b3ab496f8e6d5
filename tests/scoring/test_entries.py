from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlgen.metrics.base import Example
from xlgen.registry import InputError
from xlgen.scoring.entries import parse_entry

ROW = {"id": "7", "language": "fra", "prediction": "un chat", "references": ["le chat", "un chat"]}


def example(**changes: Any) -> Example:
    return parse_entry({**ROW, **changes}, 1).example


def test_a_whole_row() -> None:
    entry = parse_entry({**ROW, "input": "x", "raw": "<sep> un chat", "truncated": False, "system": "b"}, 3)
    assert entry.id == "7"
    assert entry.group == ("fr",)
    assert entry.example == Example("fr", "un chat", ("le chat", "un chat"), "x", "<sep> un chat", False)


@pytest.mark.parametrize(
    ("changes", "references"),
    [
        ({}, ("le chat", "un chat")),
        ({"references": "le chat"}, ("le chat",)),
        ({"references": None, "reference": "le chat"}, ("le chat",)),
        ({"references": [], "reference": "le chat"}, ()),
        ({"references": None}, ()),
        ({"references": ""}, ()),
        ({"references": '["le chat", "un chat"]'}, ("le chat", "un chat")),
        ({"references": "[1] le chat"}, ("[1] le chat",)),
        ({"references": "[1]"}, ("[1]",)),
        ({"references": [""]}, ("",)),
    ],
)
def test_references(changes: dict[str, Any], references: tuple[str, ...]) -> None:
    assert example(**changes).references == references


@pytest.mark.parametrize(
    ("changes", "truncated"),
    [
        ({}, None),
        ({"truncated": True}, True),
        ({"truncated": "false"}, False),
        ({"truncated": "1"}, True),
        ({"truncated": "perhaps"}, None),
        ({"truncated": float("nan")}, None),
        ({"finish_reason": "length"}, True),
        ({"finish_reason": "stop"}, False),
        ({"finish_reason": "content_filter"}, None),
        ({"finish_reason": ["length"]}, None),
        ({"truncated": False, "finish_reason": "length"}, False),
    ],
)
def test_truncation(changes: dict[str, Any], truncated: bool | None) -> None:
    assert example(**changes).truncated is truncated


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prediction": None}, 'prediction must be text, not null; an empty output is ""'),
        ({"prediction": float("nan")}, "prediction must be text, not a number"),
        ({"prediction": ["x"]}, "prediction must be text, not a list"),
        ({"prediction": True}, "prediction must be text, not true"),
        ({"references": 3}, "references must be a list of texts, not a number"),
        ({"references": ["x", None]}, "each of references must be text, not null"),
        ({"references": {"text": "x"}}, "references must be a list of texts, not an object"),
        ({"input": 3}, "input must be text, not a number"),
        ({"raw": []}, "raw must be text, not a list"),
        ({"id": []}, "id must be text or a whole number, not a list"),
        ({"id": True}, "id must be text or a whole number, not true"),
        ({"language": None}, "it has no language; give one for all rows with --language"),
        ({"language": ""}, "it has no language"),
        ({"language": 3}, "language must be text, not a number"),
        ({"language": "Klingon"}, "unknown language 'Klingon'"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], message: str) -> None:
    for _ in range(2):  # the second time from memory
        with pytest.raises(InputError) as caught:
            example(**changes)
        assert str(caught.value).startswith(message)


def test_ids_are_text_or_numbers_or_the_rows_place() -> None:
    assert [parse_entry({**ROW, "id": value}, 9).id for value in ("a", 3, None, "")] == ["a", "3", "9", "9"]


def test_fields_may_have_other_names() -> None:
    row = {"lang": "de", "output": "eine Katze", "gold": ["Katze"], "prediction": 3}
    renamed = {"language": "lang", "prediction": "output", "references": "gold"}
    assert parse_entry(row, 1, renamed=renamed).example == Example("de", "eine Katze", ("Katze",))
    with pytest.raises(InputError, match="output must be text, not null"):
        parse_entry({"lang": "de"}, 1, renamed=renamed)


def test_a_language_for_rows_that_do_not_say_theirs() -> None:
    assert parse_entry({"prediction": "x"}, 1, language="German").example.language == "de"
    assert parse_entry({**ROW, "language": "th"}, 1, language="de").example.language == "th"


def test_groups_are_values_of_fields() -> None:
    row = {**ROW, "system": "b", "temperature": 0.5, "odd": "\ud83d"}
    assert parse_entry(row, 1, by=("system", "language", "temperature")).group == ("b", "fr", "0.5")
    assert parse_entry(row, 1, by=()).group == ()
    assert parse_entry(row, 1, by=("odd",)).group == ("\ufffd",)
    with pytest.raises(InputError, match="it has no 'sytem' to group by; it has id, language"):
        parse_entry(row, 1, by=("sytem",))


@given(st.text(st.characters(), max_size=20) | st.sampled_from(["\ud83d", "a\udc00b", "\ud83d\ude00", "\u202e\u200f"]))
def test_every_text_can_be_encoded(text: str) -> None:
    entry = parse_entry({**ROW, "prediction": text, "references": [text], "input": text, "raw": text}, 1)
    example = entry.example
    for found in (example.prediction, *example.references, example.input, example.raw_prediction):
        assert found is not None
        found.encode()
        assert found == text or entry.mended
    assert entry.mended == any(0xD800 <= ord(char) < 0xE000 for char in text)


def test_answers_by_id_want_their_questions() -> None:
    with pytest.raises(InputError, match="--references"):
        parse_entry({"56be4db0acb8": "Denver Broncos", "56be4db0acb9": "2015"}, 0, language="de")
