"""The template grammar: forms, agreement, nesting, and faults that name the template's slot."""

from typing import Any

import pytest

from xlgen.pocket.grammar import GrammarError, capitalise, fill

SLOTS: dict[str, Any] = {
    "queen": {"nom": "королева", "g": "f"},
    "mayor": {"nom": "мэр", "gen": "мэра", "g": "m"},
    "students": {"nom": "студенты", "g": "pl"},
    "ministry": {"nom": "министерство", "g": "n"},
    "read": {"v": {"m": "читал", "f": "читала", "n": "читало", "pl": "читали"}, "o": "книгу", "pas": "книга прочитана"},
    "opened": {"v": {"sg": "hat", "pl": "haben"}, "q": "wurde geöffnet", "pas": "geöffnet"},
    "said": {"v": "said", "one": "x"},
    "who": {"v": {"one": "kim", "m": "o"}},
    "place": "в Москве",
    "result": "{n} домов",
    "date": "{n} мая, {place}",
    "n": "30",
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("no slots", "no slots"),
        ("{queen}", "королева"),
        ("{queen.nom}", "королева"),
        ("{mayor.gen}", "мэра"),
        ("{place}", "в Москве"),
        ("{place.nom}", "в Москве"),
        ("{queen} {read.v@queen} {read.o}", "королева читала книгу"),
        ("{mayor} {read.v@mayor}", "мэр читал"),
        ("{students} {read.v@students}", "студенты читали"),
        ("{ministry} {read.v@ministry}", "министерство читало"),
        # sg stands for every gender but the plural.
        ("{opened.v@queen} {opened.v@mayor} {opened.v@students}", "hat hat haben"),
        # A form that does not agree may be asked to.
        ("{said.v@students}", "said"),
        # Nobody in particular: `one` where the entry has it, then m, then sg.
        ("{who.v@one} {read.v@one} {opened.v@one}", "kim читал hat"),
        # The clause of a question is that of the passive where the entry has no other.
        ("{opened.q} {read.q}", "wurde geöffnet книга прочитана"),
        # A word of the template itself.
        ("{queen?m=один/f=одна/pl=одни}", "одна"),
        ("{students?sg=is/pl=are} {ministry?sg=is/pl=are}", "are is"),
        ("{queen?m=a=b/f=c=d}", "c=d"),
        # Entries may hold slots of their own.
        ("{result}", "30 домов"),
        ("{date}", "30 мая, в Москве"),
    ],
)
def test_fill(template: str, expected: str) -> None:
    assert fill(template, SLOTS) == expected


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{king}", "no slot 'king' for {king}; there are date, mayor"),
        ("{queen.gen}", "{queen.gen}: no form 'gen' among nom, g"),
        ("{place.gen}", "has no form 'gen'"),
        ("{read.v}", "write {read.v@SLOT}"),
        ("{read.v@place}", "has no gender/number g"),
        ("{place?m=a/f=b}", "has no gender/number g"),
        ("{queen?m=a/pl=b}", "no form for 'f'"),
        # A plural never falls back to the singular, which would be wrong without a word.
        ("{students?sg=is}", "no form for 'pl'"),
        ("{students?m=a/f=b}", "no form for 'pl'"),
    ],
)
def test_faults(template: str, message: str) -> None:
    with pytest.raises(GrammarError) as caught:
        fill(template, SLOTS)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("sentence", "language", "expected"),
    [
        ("the mayor", "en", "The mayor"),
        ("istanbul'da", "tr", "İstanbul'da"),
        ("ışık", "tr", "Işık"),
        ("istanbul", "en", "Istanbul"),
        ("в Москве", "ru", "В Москве"),
        ("«мы рады»", "ru", "«Мы рады»"),
        ("“we”", "en", "“We”"),
        ("élan", "fr", "Élan"),
        ("30 people", "en", "30 people"),
        ("ß", "de", "ß"),
        ("北京", "zh", "北京"),
        ("في القاهرة", "ar", "في القاهرة"),
        ("...", "en", "..."),
        ("", "en", ""),
    ],
)
def test_capitalise(sentence: str, language: str, expected: str) -> None:
    assert capitalise(sentence, language) == expected
