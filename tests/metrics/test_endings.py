"""How sentences end: ``truncated`` where generation does not say so."""

import pytest

from xlgen.metrics.base import Example
from xlgen.metrics.endings import ends, truncated

WHOLE = [
    "He left.",
    "Он ушёл!",
    "Τι κάνεις;",
    "Τι κάνεις\u037e",
    "वह चला गया।",
    "他走了。",
    "彼は去った！」",
    "هل ذهب؟",
    "Er sagte: „Nein.“",
    "He left.[1]",
    "He left.[12][13]",
    "He left.[citation needed]",
    "He left.¹",
    "He left. 😀",
    "He left! 👍🏽",
    "He left. 👨‍👩‍👧 🇫🇷",
    "He left …",
    "He left.)*",
]
CUT = ["He left", "He went;", "see [1]", "He bought 1. 2", "He left 😀", "Er sagte: „Nei", "Τι κάνεις"]


@pytest.mark.parametrize("text", WHOLE)
def test_whole_sentences_end(text: str) -> None:
    assert ends(text)
    assert truncated(Example("en", text, ("Done.",))) == 0


@pytest.mark.parametrize("text", CUT)
def test_cut_sentences_do_not_end(text: str) -> None:
    assert not ends(text)
    assert truncated(Example("en", text, ("Done.",))) == 1
