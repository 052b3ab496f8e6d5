"""First-sentence prediction (C's intermediate tuning), and sentences where the corpus tells none."""

import random
from typing import Any

import pytest

from xlgen.data.objectives import Passage, objectives
from xlgen.data.objectives.first_sentence import first_and_rest
from xlgen.data.objectives.sentences import sentence_ends, sentences_of
from xlgen.pocket import world

PARAGRAPHS = [
    (
        "en",
        "The mayor paid 3.5 million. He was glad! Was he?",
        ["The mayor paid 3.5 million.", "He was glad!", "Was he?"],
    ),
    ("zh", "市长开放了图书馆。读者很多！你去吗？", ["市长开放了图书馆。", "读者很多！", "你去吗？"]),
    ("ja", "「開いた。」と市長は言った。客は多い。", ["「開いた。」", "と市長は言った。", "客は多い。"]),
    ("hi", "महापौर ने पुस्तकालय खोला। लोग आए। क्यों?", ["महापौर ने पुस्तकालय खोला।", "लोग आए।", "क्यों?"]),
    ("ar", "افتتح الرئيس المكتبة. هل جاء الناس؟ نعم.", ["افتتح الرئيس المكتبة.", "هل جاء الناس؟", "نعم."]),
    ("th", "นายกเปิดห้องสมุด คนมามาก ทุกคนดีใจ", ["นายกเปิดห้องสมุด", "คนมามาก", "ทุกคนดีใจ"]),
    ("am", "ከንቲባው ከፈቱ። ሰዎች መጡ።", ["ከንቲባው ከፈቱ።", "ሰዎች መጡ።"]),
]


@pytest.mark.parametrize(("language", "text", "expected"), PARAGRAPHS)
def test_sentences_by_their_marks(language: str, text: str, expected: list[str], letters: Any) -> None:
    passage = Passage(text, language)
    assert list(sentences_of(passage)) == expected
    ends = sentence_ends(passage, letters.tokenize(text), letters)
    assert [text[start:end].strip() for start, end in zip([0, *ends], ends, strict=False)] == expected


@pytest.mark.parametrize(("language", "text", "expected"), PARAGRAPHS)
def test_the_first_is_asked_for_and_the_rest_shown(language: str, text: str, expected: list[str], letters: Any) -> None:
    kind = objectives.get("first_sentence")
    example = kind(kind.Options()).make(Passage(text, language), random.Random(0), letters)
    source, target = map(letters.text, letters.inside(example))
    assert target == expected[0]
    assert source == text[len(expected[0]) :].strip()


@pytest.mark.parametrize("language", ["th", "zh", "hi", "ar", "ja", "en"])
def test_what_the_corpus_tells_goes_first(language: str) -> None:
    for frame in list(world.frames("unlabelled", 5, 0)):
        story = world.render(frame, language)
        passage = Passage(story.document, language, sentences=tuple(story.sentences))
        first, rest = first_and_rest(passage)
        assert first == story.sentences[0].strip()
        assert "".join((first + rest).split()) == "".join(story.document.split()), "nothing is lost"


def test_a_single_sentence_leaves_nothing_to_show(letters: Any) -> None:
    kind = objectives.get("first_sentence")
    objective = kind(kind.Options())
    assert not objective.fits(Passage("市长开放了图书馆。", "zh"), letters)
    assert not objective.fits(Passage(" ", "zh"), letters)
    assert objective.fits(Passage("一。二。", "zh"), letters)


def test_both_parts_are_cut(letters: Any) -> None:
    kind = objectives.get("first_sentence")
    example = kind(kind.Options(max_tokens=4)).make(Passage("abcdefg. hijklmn.", "en"), random.Random(0), letters)
    assert tuple(map(letters.text, letters.inside(example))) == ("hijk", "abcd")
