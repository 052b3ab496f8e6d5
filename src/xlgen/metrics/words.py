"""Words of any language, for the metrics that count or compare words.

English is split as ``rouge_score`` splits it, so that figures agree with published ones. That rule drops every
letter outside a-z, so other languages have their own.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal, TypeAlias, get_args

import regex

from xlgen.core.languages import Language
from xlgen.core.registry import InputError, nearest
from xlgen.metrics.case import has_dotless_i, lower_case
from xlgen.metrics.english import english_numbers, english_words
from xlgen.metrics.ragged import Ragged, numbered
from xlgen.metrics.segmenters import dictionary
from xlgen.metrics.unspaced import UNSPACED

_LETTER = r"[\p{L}\p{N}]"
# Combining marks are the vowels of Hindi, Thai and Arabic: they belong to the letter before them. A joiner counts only
# between two letters (Persian, Sinhala), since at the end of a word it does not show.
_WORD = rf"{_LETTER}\p{{M}}*+(?:[\u200c\u200d]*+{_LETTER}\p{{M}}*+)*+"
_SPACED_LETTER = rf"[{_LETTER}--[{UNSPACED}]]"
_CHARACTERS_AND_WORDS = rf"[{_LETTER}&&[{UNSPACED}]]\p{{M}}*+|(?:{_SPACED_LETTER}\p{{M}}*+)++"

_word = regex.compile(_WORD, regex.V1)
_character_or_word = regex.compile(_CHARACTERS_AND_WORDS, regex.V1)
# Invisible marks (text direction, soft hyphens) would cut words in two. Joiners are left to _WORD, and the zero-width
# space separates words.
_invisible = regex.compile(r"[\p{Cf}--[\u200b\u200c\u200d]]+", regex.V1)
_turkic_lower = lower_case("tr")
Segmenter: TypeAlias = Literal["characters", "dictionary"]
"""How to split text whose script writes no spaces."""


@dataclass(frozen=True)
class Splitter:
    """A way to split text into words, and its name for signatures."""

    name: str
    split: Callable[[str], list[str]]
    by_sentence: bool = True
    """Whether the words of a text are those of its sentences, one after another."""
    all_at_once: Callable[[Sequence[str]], Ragged] | None = None
    """A faster way to the same numbers, where there is one."""

    def numbers(self, texts: Sequence[str]) -> Ragged:
        """The words of each text as numbers, equal where the words are equal."""
        return self.all_at_once(texts) if self.all_at_once else numbered(texts, self.split)


@cache
def splitter(language: str, segmenter: Segmenter = "characters") -> Splitter:
    """The word splitter of a language.

    - ``rouge-score`` for English: lower case, runs of a-z and 0-9 (``rouge_score`` 0.1.2, ``DefaultTokenizer``).
    - ``unicode-words`` where spaces separate words: NFKC, lower case, runs of letters, digits and combining marks.
      ``unicode-words-tr`` is that for Turkish and Azerbaijani, whose lower case of I is ı and of İ is i.
    - ``unicode-chars`` elsewhere: NFKC, lower case, each letter of a script without spaces (Han, kana, Thai, ...) alone
      with its combining marks; letters of other scripts in the same text as words.
    - the words of a dictionary for Chinese, Japanese and Thai, if ``segmenter`` is ``dictionary``
      (:mod:`xlgen.metrics.segmenters`); other languages have none and stay as above.

    Raises:
        UnknownLanguageError: for a language that is not in the table.
        InputError: for a segmenter that does not exist or whose package is not installed.
    """
    if segmenter not in get_args(Segmenter):
        raise InputError(f"unknown segmenter {segmenter!r}: {nearest(segmenter, get_args(Segmenter))}")
    known = Language.parse(language)
    if known.code == "en":
        return Splitter("rouge-score", english_words, all_at_once=english_numbers)
    if has_dotless_i(known.code):
        return Splitter("unicode-words-tr", turkic_words)
    if segmenter == "dictionary" and (found := dictionary(known.code)):
        return Splitter(found.name, lambda text: _with_letters(found.segment(_normal(text))), by_sentence=False)
    return Splitter("unicode-words", unicode_words) if known.spaced else Splitter("unicode-chars", unicode_chars)


def unicode_words(text: str) -> list[str]:
    """Runs of letters, digits and combining marks: ``l'été`` is ``l``, ``été``."""
    return _word.findall(_normal(text))


def turkic_words(text: str) -> list[str]:
    """The same in the lower case of Turkish and Azerbaijani: ``İki`` is ``iki``."""
    return unicode_words(_turkic_lower(unicodedata.normalize("NFKC", text)))


def unicode_chars(text: str) -> list[str]:
    """Single letters of scripts without spaces, words of the others: ``東京の iPhone`` is ``東 京 の iphone``."""
    return _character_or_word.findall(_normal(text))


def _with_letters(words: list[str]) -> list[str]:
    return [word.strip() for word in words if _word.search(word)]


@lru_cache(maxsize=100_000)
def porter_stem(word: str) -> str:
    """Porter's stem of an English word, by ``rouge_score``'s rule: words of up to three letters stay as they are."""
    return word if len(word) <= 3 else _porter()(word)


@cache
def _porter() -> Callable[[str], str]:
    try:
        from nltk.stem.porter import PorterStemmer  # type: ignore[import-untyped]
    except ImportError as error:
        raise InputError("the Porter stemmer needs nltk: pip install nltk, or leave stemming off") from error
    return PorterStemmer().stem


def _normal(text: str) -> str:
    return _invisible.sub("", unicodedata.normalize("NFKC", text).lower())
