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
    *("वह चला गया|", "वह चला गया |", 'उसने कहा, "मैं जाऊंगा" |', "সে ২০১৮ সালে গেল |", "ସେ ଗଲା|", "ਉਹ ਗਿਆ ||"),
    *("እሱ ሄደ::", "እሱ ሄደ ፡፡", "እሱ ሄደ፡:", "Նա գնաց:", "«Նա գնաց»:", "ཁོང་སོང་།"),
    *("すごいと言った（笑）", "すごい(笑)", "行こう♪", "出発♪", "またね～", "またね~", "ありがとう☆", "ラーメンー〜"),
    *("그래~", "그래요 ㅋㅋ", "그래요ㅋㅋㅋ", "슬퍼 ㅠㅠ", "おはよう(^^)"),
    *("♪ la la la ♪", "Bis morgen :)", "Bis morgen ;-)", "Bis morgen. :D", "He left! <3", "That is all ^_^"),
]
CUT = ["He left", "He went;", "see [1]", "He bought 1. 2", "He left 😀", "Er sagte: „Nei", "Τι κάνεις"]
CUT += [
    "He left |",
    "see a::b::",
    "He left:",
    "He went:",
    "price ~",
    "10~",
    "वह चला",
    "वह चला | और",
    "Նա գնաց",
    "እሱ ሄደ:",
]
CUT += ["彼は（", "彼は言った（東京）", "Note (see :) and", "He left (a)", "그래 ㅋ", "ratio 3:1"]


@pytest.mark.parametrize("text", WHOLE)
def test_whole_sentences_end(text: str) -> None:
    assert ends(text)
    assert truncated(Example("en", text, ("Done.",))) == 0


@pytest.mark.parametrize("text", CUT)
def test_cut_sentences_do_not_end(text: str) -> None:
    assert not ends(text)
    assert truncated(Example("en", text, ("Done.",))) == 1
