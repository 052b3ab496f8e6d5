"""Translation: a passage in one language, its translation in another."""

import random
from typing import Any

import pytest

from xlgen.core.registry import InputError
from xlgen.data.objectives import Passage, objectives

KIND = objectives.get("translation")


def test_codes_of_both_sides(letters: Any) -> None:
    passage = Passage("สวัสดี", "th", "Здравствуйте", "ru")
    example = KIND(KIND.Options()).make(passage, random.Random(0), letters)
    source, target = letters.inside(example)
    assert (letters.text(source), letters.text(target)) == ("สวัสดี", "Здравствуйте")
    assert (example.source[0], example.target[0]) == (letters.code("th"), letters.code("ru"))
    assert example.language == "ru", "the target's language is forced in decoding"


def test_long_passages_lose_their_end(letters: Any) -> None:
    example = KIND(KIND.Options(max_tokens=4)).make(Passage("abcdef", "en", "uvwxyz", "fr"), random.Random(0), letters)
    assert tuple(map(letters.text, letters.inside(example))) == ("abcd", "uvwx")


@pytest.mark.parametrize("passage", [Passage("a", "en"), Passage("a", "en", "b"), Passage("a", "en", None, "fr")])
def test_text_without_a_translation_is_refused(passage: Passage, letters: Any) -> None:
    with pytest.raises(InputError, match="needs a parallel corpus"):
        KIND(KIND.Options()).make(passage, random.Random(0), letters)
