"""Line-level and word-level pass rate (Marchisio et al. 2024, Understanding and Mitigating Language Confusion in LLMs).

The details follow the paper's evaluation script at github.com/for-ai/language-confusion. With the script's identifier,
word list and segmenters, the scores are equal to the script's:

- An output is cut where a prompt's next question would begin ("\\nQ:"). ASCII punctuation and the Arabic comma are
  removed.
- An output passes by lines if each line of five tokens or more is identified as the target language with a probability
  above 0.3. Tokens are separated by spaces; in Chinese, Japanese and (unlike the script) Thai, they are words of a
  dictionary. Outputs without such a line are left out.
- An output that passes by lines also passes by words if no token is a lower-case English word of four letters or more.
  This is measured only if the target's script is not Latin.

The word list is not part of xlgen: pass its path. Without one, any four or more of the letters a-z count as an English
word, and the signature says so. Unlike in the script, which leaves it out, a blank output fails by lines.
"""

from __future__ import annotations

import gzip
import hashlib
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import regex

from xlgen.core.languages import Language
from xlgen.core.registry import InputError
from xlgen.metrics.base import Example, MetricSpec, Scores, metrics
from xlgen.metrics.lid import SMALL, load_identifier
from xlgen.metrics.segmenters import dictionary
from xlgen.metrics.words import Segmenter, Splitter, unicode_chars

FAILS, LINES_PASS, PASSES = 0.0, 0.5, 1.0
"""Levels of an output: fails by lines, passes by lines only, passes by lines and words."""

_SHORTEST_LINE, _SHORTEST_WORD, _LEAST = 5, 4, 0.3
_NEXT_QUESTION = "\nQ:"
_CLEAN = str.maketrans({"—": " ", **dict.fromkeys(string.punctuation + "،", "")})
_ASCII_WORD = regex.compile(rf"[a-z]{{{_SHORTEST_WORD},}}")


def harmonic_mean(levels: Scores) -> float:
    """LCPR from the level of each output: the harmonic mean of the line-level and word-level pass rates."""
    lines = float(np.mean(levels >= LINES_PASS))
    words = float(np.mean(levels[levels >= LINES_PASS] == PASSES)) if lines else 0.0
    return 2 * lines * words / (lines + words) if lines + words else 0.0


@metrics.register("language_confusion")
@dataclass(frozen=True)
class LanguageConfusion:
    """Line-level, word-level and language-confusion pass rate, in percent.

    - ``line_pass_rate`` (LPR): the share of outputs with all lines in the target language.
    - ``word_pass_rate`` (WPR): of those, the share without an English word. NaN for targets in Latin script, and for
      outputs that do not pass by lines.
    - ``language_confusion_pass_rate`` (LCPR): the harmonic mean of the two, over all outputs together.
    """

    identifier: str = SMALL
    """Language identifier: a name from ``xlgen list identifiers``, or the path of a fastText file."""
    words: str | None = None
    """Path of a list of English words, one per line; it may end in ``.gz``."""
    segmenter: Segmenter = "dictionary"
    """How to split Chinese, Japanese and Thai; ``characters`` needs no extra."""

    figures: ClassVar[tuple[MetricSpec, ...]] = (
        MetricSpec("line_pass_rate", best=100.0),
        MetricSpec("word_pass_rate"),
        MetricSpec("language_confusion_pass_rate", corpus=harmonic_mean),
    )

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """1 or 0 for lines and words; for LCPR the level that :func:`harmonic_mean` uses."""
        levels = np.array([self._level(example) for example in examples], dtype=float)
        lines = np.where(np.isnan(levels), np.nan, levels >= LINES_PASS)
        latin = np.array([Language.parse(example.language).script == "Latn" for example in examples], dtype=bool)
        words = np.where((levels >= LINES_PASS) & ~latin, levels == PASSES, np.nan)
        both = np.where(latin, np.nan, levels)
        return {"line_pass_rate": lines, "word_pass_rate": words, "language_confusion_pass_rate": both}

    def signature(self, language: str) -> str:
        """Identification, the word list and the segmenter."""
        known = Language.parse(language)
        words = _word_list(self.words).name if self.words else f"a-z{{{_SHORTEST_WORD},}}"
        return (
            f"lid:{load_identifier(self.identifier).name}|words:{words}|tok:{_tokens(known.code, self.segmenter).name}"
        )

    def _level(self, example: Example) -> float:
        """The level of an output; NaN if no line is long enough or the identifier has no label for the target."""
        target, identifier = Language.parse(example.language), load_identifier(self.identifier)
        code = identifier.code(target)
        if not code:
            return np.nan
        if not example.prediction.strip():
            return FAILS
        text = example.prediction.partition(_NEXT_QUESTION)[0].strip().translate(_CLEAN)
        split = _tokens(target.code, self.segmenter).split
        lines = [(line, tokens) for line in text.split("\n") if len(tokens := split(line)) >= _SHORTEST_LINE]
        if not lines:
            return np.nan
        found = identifier.identify([line for line, _ in lines])
        if any(top != code or probability <= _LEAST for top, probability in found):
            return FAILS
        is_english = _word_list(self.words).holds if self.words else _looks_english
        return LINES_PASS if any(map(is_english, (token for _, tokens in lines for token in tokens))) else PASSES


@dataclass(frozen=True)
class _Words:
    name: str
    holds: Callable[[str], bool]


@cache
def _word_list(path: str) -> _Words:
    """The words of a list that are in lower case and long enough. Raises InputError if it cannot be read."""
    file = Path(path).expanduser()
    try:
        content = file.read_bytes()
        text = (gzip.decompress(content) if file.suffix == ".gz" else content).decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the word list {path}, one word per line in UTF-8: {error}") from error
    stripped = map(str.strip, text.split("\n"))
    words = frozenset(word for word in stripped if word.islower() and len(word) >= _SHORTEST_WORD)
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()[:8]
    return _Words(f"{file.name.replace(' ', '_')}@{digest}", lambda token: token.strip() in words)


def _looks_english(token: str) -> bool:
    return _ASCII_WORD.fullmatch(token) is not None


@cache
def _tokens(code: str, segmenter: Segmenter) -> Splitter:
    """The tokenizer of a language: by spaces, or in scripts without spaces by dictionary words or letters."""
    if Language.parse(code).spaced:
        return Splitter("spaces", str.split)
    if segmenter == "dictionary" and (found := dictionary(code)):
        return Splitter(found.name, found.segment)
    return Splitter("unicode-chars", unicode_chars)
