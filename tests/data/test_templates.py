"""Templates: text of fields, lists in each form, named classes, and labels."""

from typing import Any

import pytest

from xlgen.data.examples import Record
from xlgen.data.markup import shown, token, tokens_in
from xlgen.data.readers import DataError
from xlgen.data.templates import SENTINELS, fill, labels

NAMES = {"label": {"0": "No.", "1": "Yes."}}


def record(**fields: Any) -> Record:
    return Record(fields, "row 7")


@pytest.mark.parametrize(
    ("template", "fields", "expected"),
    [
        ("a {x} b", {"x": "1"}, "a 1 b"),
        ("tag: {x:words}", {"x": ["In", "my"]}, "tag: In my"),
        ("{x:spans}", {"x": ["PER: Ada", "LOC: Paris"]}, "PER: Ada $$ LOC: Paris"),
        ("{x:sentinels}", {"x": ["In", "my"]}, "<extra_id_0>In <extra_id_1>my"),
        ("<extra_id_0>{label}", {"label": 1}, "<extra_id_0>Yes."),
    ],
)
def test_fill(template: str, fields: dict[str, Any], expected: str) -> None:
    assert shown(fill(template, record(**fields), names=NAMES)[0]) == expected


@pytest.mark.parametrize("form", ["{x}", "{x:words}", "{x:sentinels}", "<extra_id_0>{x}"])
def test_what_data_spells_is_no_special_token(form: str) -> None:
    """The sentinels of the template are; those in a row, and marks that a row forges, are not."""
    said = "was <s>100</s> <extra_id_0> " + token("<extra_id_7>")
    value = said if form.endswith("{x}") else [said]
    for text in (fill(form, record(x=value))[0], *labels(form, record(x=[said] if "{x}" in form else value))):
        assert tokens_in(text) == (["<extra_id_0>"] if form in ("{x:sentinels}", "<extra_id_0>{x}") else [])
        assert "was <s>100</s> <extra_id_0> \ufffd<extra_id_7>\ufffd" in text


def test_what_is_cropped_is_found_behind_other_fields() -> None:
    text, croppable = fill("{q:words} in {c}", record(q=["who", "?"], c="Rain fell."), "c")
    assert croppable is not None and text[slice(*croppable)] == "Rain fell."


def test_no_more_sentinels_than_mt5_has() -> None:
    text, _ = fill("{x:sentinels}", record(x=["w"] * (SENTINELS + 5)))
    assert shown(text).endswith(f"<extra_id_{SENTINELS - 1}>w")


@pytest.mark.parametrize(
    ("target", "fields", "expected"),
    [
        ("answers", {"answers": ("rain", "snow")}, ("rain", "snow")),
        ("<extra_id_0>{answers}", {"answers": ("rain", "snow")}, ("<extra_id_0>rain", "<extra_id_0>snow")),
        ("{x:words}", {"x": ["A", "B"]}, ("A B",)),
        ("label", {"label": 0}, ("No.",)),
    ],
)
def test_labels(target: str, fields: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert tuple(map(shown, labels(target, record(**fields), NAMES))) == expected


@pytest.mark.parametrize(
    ("template", "fields", "message"),
    [
        ("{y}", {"x": "1"}, "row 7: no field 'y'; it has x"),
        ("{x}", {"x": 1}, "must be text, not int"),
        ("{x:words}", {"x": "text"}, "must be a list of texts"),
        ("{label}", {"label": 2}, "field 'label' is 2, but the task has names for 0, 1"),
    ],
)
def test_errors(template: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        fill(template, record(**fields), names=NAMES)
