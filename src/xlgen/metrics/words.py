"""Word splitting in any language, for metrics that count or compare words.

English is split by the rule of ``rouge_score``, so that scores agree with published ones. That rule drops every letter
outside a-z, so other languages have their own rules.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal, TypeAlias, get_args

import regex

from xlgen.core.extras import require
from xlgen.core.languages import Language
from xlgen.core.registry import InputError, nearest
from xlgen.metrics.case import has_dotless_i, lower_case
from xlgen.metrics.english import english_numbers, english_words
from xlgen.metrics.ragged import Ragged, numbered
from xlgen.metrics.segmenters import dictionary
from xlgen.metrics.unspaced import UNSPACED

_LETTER = r"[\p{L}\p{N}]"
# Combining marks are the vowels of Hindi, Thai and Arabic: they belong to the letter before them. A joiner counts only
# between two letters (Persian, Sinhala), since it is invisible at the end of a word.
_WORD = rf"{_LETTER}\p{{M}}*+(?:[\u200c\u200d]*+{_LETTER}\p{{M}}*+)*+"
_SPACED_LETTER = rf"[{_LETTER}--[{UNSPACED}]]"
_CHARACTERS_AND_WORDS = rf"[{_LETTER}&&[{UNSPACED}]]\p{{M}}*+|(?:{_SPACED_LETTER}\p{{M}}*+)++"

_word = regex.compile(_WORD, regex.V1)
_character_or_word = regex.compile(_CHARACTERS_AND_WORDS, regex.V1)
# Invisible marks (text direction, soft hyphens) would split words. _WORD handles joiners, and the zero-width space
# separates words.
_invisible = regex.compile(r"[\p{Cf}--[\u200b\u200c\u200d]]+", regex.V1)
_turkic_lower = lower_case("tr")
Segmenter: TypeAlias = Literal["characters", "dictionary"]
"""How to split text in a script without spaces."""


@dataclass(frozen=True)
class Splitter:
    """A way to split text into words, and its name for signatures."""

    name: str
    split: Callable[[str], list[str]]
    by_sentence: bool = True
    """Whether the words of a text are the concatenated words of its sentences."""
    all_at_once: Callable[[Sequence[str]], Ragged] | None = None
    """A faster implementation of :meth:`numbers`, if there is one."""

    def numbers(self, texts: Sequence[str]) -> Ragged:
        """The words of each text as numbers, equal for equal words."""
        return self.all_at_once(texts) if self.all_at_once else numbered(texts, self.split)


@cache
def splitter(language: str, segmenter: Segmenter = "characters") -> Splitter:
    """The word splitter of a language.

    - ``rouge-score`` for English: lower case, runs of a-z and 0-9 (``rouge_score`` 0.1.2, ``DefaultTokenizer``).
    - ``unicode-words`` for languages with spaces: NFKC, lower case, runs of letters, digits and combining marks.
      ``unicode-words-tr`` is the same for languages with a dotless i such as Turkish, where I becomes ı and İ becomes
      i.
    - ``unicode-chars`` for other languages: NFKC, lower case, each letter of a script without spaces (Han, kana, Thai,
      ...) with its combining marks; letters of other scripts in the same text are split into words.
    - Words of a dictionary for Chinese, Japanese and Thai, if ``segmenter`` is ``dictionary``
      (:mod:`xlgen.metrics.segmenters`). Other languages ignore ``segmenter``.

    Raises:
        UnknownLanguageError: if the language is not in the table.
        InputError: for an unknown segmenter, or if its package is not installed.
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
    """:func:`unicode_words` with Turkic lower-casing: ``İki`` is ``iki``."""
    return unicode_words(_turkic_lower(unicodedata.normalize("NFKC", text)))


def unicode_chars(text: str) -> list[str]:
    """Single letters of scripts without spaces, words of other scripts: ``東京の iPhone`` is ``東 京 の iphone``."""
    return _character_or_word.findall(_normal(text))


def _with_letters(words: list[str]) -> list[str]:
    return [word.strip() for word in words if _word.search(word)]


@lru_cache(maxsize=100_000)
def porter_stem(word: str) -> str:
    """Porter's stem of an English word, by ``rouge_score``'s rule: words of up to three letters are unchanged."""
    return word if len(word) <= 3 else _porter()(word)


@cache
def _porter() -> Callable[[str], str]:
    require("stemmer", "the Porter stemmer")
    from nltk.stem.porter import PorterStemmer  # type: ignore[import-untyped]  # nltk has no annotations

    stem: Callable[[str], str] = PorterStemmer().stem
    return stem


def _normal(text: str) -> str:
    return _invisible.sub("", unicodedata.normalize("NFKC", text).lower())
