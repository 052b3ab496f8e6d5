import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import xlgen
from xlgen.core.registry import InputError
from xlgen.metrics.base import Example
from xlgen.scoring.entries import parse_entry
from xlgen.scoring.stream import BadRows, entries, mapping_records

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
        ({"references": "[]"}, ()),
        ({"references": ' ["le chat"]'}, ("le chat",)),
        *(
            ({"references": text}, (text,))
            for text in (
                *(
                    "[1] see there",
                    "[1, 2]",
                    "[...]",
                    "[sic] le chat",
                    "['tis] nice",
                    "('le chat')",
                    "{chat}",
                    "[le chat]",
                ),
                *("[le, 'chat']", '["le chat" est là', "[“le chat”]", "(1, 2)", "array", "[NA]", "{}"),
            )
        ),
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
        *(({"truncated": value}, True) for value in ("yes", "Y", "True", "1.0", 1.0, 1, " TRUE ", "on")),
        *(({"truncated": value}, False) for value in ("no", "n", "FALSE", "0.0", 0.0, 0, "off")),
        ({"truncated": "", "finish_reason": "length"}, True),
        *(
            ({"finish_reason": value}, True)
            for value in (
                *("LENGTH", "MAX_TOKENS", "max_output_tokens", "FinishReason.MAX_TOKENS", "maxTokens", "ERROR_LIMIT"),
                *(
                    "model_length",
                    "model_context_window_exceeded",
                    {"type": "length", "length": 8},
                    " length ",
                    "limit",
                ),
            )
        ),
        *(
            ({"finish_reason": value}, False)
            for value in (
                *("STOP", "END_TURN", "endTurn", "COMPLETE", "STOP_SEQUENCE", "eos_token", "EOS", "stop-sequence"),
                *("FINISH", "FINISHED", "endoftext", "stop_criteria_met", {"type": "stop"}, "FINISH_REASON_STOP"),
            )
        ),
    ],
)
def test_truncation(changes: dict[str, Any], truncated: bool | None) -> None:
    assert example(**changes).truncated is truncated


@pytest.mark.parametrize(
    ("changes", "unread"),
    [
        ({"finish_reason": "content_filter"}, ("finish_reason 'content_filter'",)),
        ({"finish_reason": 2}, ("finish_reason 2",)),
        ({"truncated": "perhaps", "finish_reason": "stop"}, ("truncated 'perhaps'",)),
        ({"truncated": "perhaps", "finish_reason": "SAFETY"}, ("truncated 'perhaps'", "finish_reason 'SAFETY'")),
        ({"truncated": False, "finish_reason": "SAFETY"}, ()),
        ({"finish_reason": "x" * 1000}, (f"finish_reason '{'x' * 39}...",)),
        *(({"finish_reason": value, "truncated": value}, ()) for value in (None, "", float("nan"))),
    ],
)
def test_what_is_not_known_to_say_whether_an_output_was_cut(changes: dict[str, Any], unread: tuple[str, ...]) -> None:
    assert parse_entry({**ROW, **changes}, 1).unread == unread


def test_values_that_are_not_known_are_counted_and_few_are_named() -> None:
    bad = BadRows()
    rows = [{**ROW, "id": str(i), "finish_reason": f"odd {i}"} for i in range(50)]
    assert len(list(entries(mapping_records([*rows, {**ROW, "finish_reason": "odd 1"}]), bad))) == 51
    assert len(bad.unread) == 11
    assert bad.unread.total() == 51
    note = bad.unread_note()
    assert note is not None
    assert "finish_reason 'odd 1' (2 rows)" in note
    with pytest.warns(UserWarning, match=r"the rows: .*finish_reason 'odd 0' \(1 rows\)"):
        xlgen.score(rows[:1], ["lengths"], bootstrap=0)


LISTS = ["['Paris', 'Londres']", '["a", null]', "{'text': ['a']}", '{"text": ["a"], "answer_start": [3]}', "['Paris']"]
LISTS += [
    "['Paris' 'Londres']",
    "array(['a', 'b'], dtype=object)",
    "[\"l'eau\", 'feu']",
    "[['a'], ['b']]",
    "('a', 'b')",
]
LISTS += ["['a', nan]", '["a", 3]', "[None]", '["a", "b",]', "[“Paris”, “Londres”]", "[{'text': 'a'}]"]


@pytest.mark.parametrize("field", ["references", "reference"])
@pytest.mark.parametrize("text", LISTS)
def test_a_list_that_is_not_one_of_texts_in_json_is_a_bad_row(text: str, field: str) -> None:
    with pytest.raises(InputError, match='write a JSON list of texts only, such as \\["Paris", "London"\\]'):
        example(**{"references": None, field: text})
    whole = json.dumps([text])
    assert example(references=whole).references == (text,)


@pytest.mark.parametrize("text", ["[" * 100_000, "['a', " * 50_000, '["' + "a" * 500_000, "{'a': " * 50_000 + "]"])
def test_no_text_with_brackets_is_too_deep_or_slow(text: str) -> None:
    try:
        assert example(references=text).references == (text,)
    except InputError as error:
        assert "write a JSON list" in str(error)


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
        ({"language": None}, "it has no language; give one for all rows with `language`"),
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
        assert found == text or entry.repaired
    assert entry.repaired == any(0xD800 <= ord(char) < 0xE000 for char in text)


def test_answers_by_id_want_their_questions() -> None:
    with pytest.raises(InputError, match="--references"):
        parse_entry({"56be4db0acb8": "Denver Broncos", "56be4db0acb9": "2015"}, 0, language="de")
