"""Detection of pretraining leftovers in outputs, and of empty outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
import regex

from xlgen.metrics.base import Example, MetricSpec, Scores, metrics

# Sentinels of span corruption; names of byte tokens, which tokenizers without byte fallback write as text; unused
# tokens of a vocabulary.
_NUMBERED = (r"<extra_id_\d+>", r"<0x[0-9A-Fa-f]{2}>", r"<unused_?\d+>", r"<madeupword\d+>")
# <|im_end|>, <|eot_id|>, also with full-width bars; and the turn and instruction marks of other chat formats.
_CHAT = (r"<[|｜][^<>|｜\s]{1,60}[|｜]>", r"</?(?:start|end)_of_turn>", r"\[/?INST\]", r"<</?SYS>>")
_CODE = r"(?:[a-z]{2}_[A-Z]{2}|[a-z]{3}_[A-Z][a-z]{3}|__[a-z]{2,3}__)(?!\w)"
# Language codes of translation models at the start, possibly after other leftovers: fr_XX, fra_Latn, __fr__, <2fr>,
# >>fra<<. Codes like the first two, except those with a country, are also found at the end.
_LANGUAGE = (
    rf"(?<=^(?:\s|<[^<>\s]{{1,20}}>)*){_CODE}",
    r"(?<!\w)(?:[a-z]{2}_XX|[a-z]{3}_[A-Z][a-z]{3})(?=(?:\s|<[^<>\s]{1,20}>)*$)",
    r"<2[a-z]{2,3}(?:_[A-Za-z]{2,4})?>",
    r">>[a-z]{3}(?:_[A-Z][a-z]{3})?<<",
)
_NAMED = ("<extra_id_N>", "<0xNN>", "chat-tokens", "language-codes")
_ANGLED = ("sep", "unk", "pad", "mask", "bos", "eos", "cls", "SEP", "UNK", "PAD", "MASK", "BOS", "EOS", "CLS")
_IN_SIGNATURE = str.maketrans({char: f"%{ord(char):02X}" for char in " \n\t/\\|,"})
TOKENS = (*(f"<{name}>" for name in _ANGLED), *("[UNK]", "[PAD]", "[SEP]", "[MASK]", "[CLS]"), "<s>", "</s>", "⁇")
"""Leftovers other than sentinels, byte tokens, chat tokens and language codes. SentencePiece writes ``⁇`` for an
unknown token."""


@cache
def _compiled(tokens: tuple[str, ...]) -> regex.Pattern[str]:
    return regex.compile("|".join([*_NUMBERED, *_CHAT, *_LANGUAGE, *map(regex.escape, filter(None, tokens))]))


@cache
def _first_characters(tokens: tuple[str, ...]) -> regex.Pattern[str]:
    """A pattern that every text with a leftover matches, to skip most texts quickly."""
    return regex.compile("|".join(["[<>_]", r"\[/?INST", *(regex.escape(token[0]) for token in tokens if token)]))


def pattern(tokens: Sequence[str] = TOKENS) -> regex.Pattern[str]:
    """The pattern of sentinels, byte tokens, chat tokens, language codes and each of ``tokens``, matched exactly."""
    return _compiled(tuple(tokens))


def left_over(example: Example, tokens: Sequence[str] = TOKENS) -> bool:
    """Whether the output before clean-up, or else the prediction, contains a leftover.

    A match that is also in the input or a reference is copied text and does not count.
    """
    raw = example.prediction if example.raw_prediction is None else example.raw_prediction
    if not _first_characters(tuple(tokens)).search(raw):
        return False
    known = (example.input or "", *example.references)
    return any(not any(found in text for text in known) for found in pattern(tokens).findall(raw))


@metrics.register("leftovers")
@dataclass(frozen=True)
class Leftovers:
    """Shares of outputs with pretraining leftovers, and of empty outputs, both in percent.

    - ``leftover_rate`` uses the output before clean-up, or the prediction if that is unknown. A leftover that is also
      in the input or a reference is copied text and does not count.
    - ``empty_rate`` uses the prediction after clean-up; white space alone is empty.

    Chirkova et al. (2023), appendix A: the sentinels come from mT5, ``<sep>`` from mBART-50. ``<unk>`` and ``⁇``
    replace a character that the vocabulary lacks; ``<|im_end|>`` and the like are chat tokens, and ``fr_XX`` or
    ``fra_Latn`` at the start is the code of the target language.
    """

    tokens: tuple[str, ...] = TOKENS
    """Leftovers, matched exactly, in addition to ``<extra_id_N>``, ``<0xNN>``, chat tokens and language codes."""

    figures: ClassVar[tuple[MetricSpec, ...]] = (
        MetricSpec("leftover_rate", higher_is_better=False, best=0.0),
        MetricSpec("empty_rate", higher_is_better=False, best=0.0),
    )

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """1 or 0."""
        return {
            "leftover_rate": np.array([left_over(each, self.tokens) for each in examples], dtype=float),
            "empty_rate": np.array([not each.prediction.strip() for each in examples], dtype=float),
        }

    def signature(self, language: str) -> str:
        """The leftovers. Separators of signatures and paths are percent-encoded."""
        return f"tokens:{','.join([*_NAMED, *(token.translate(_IN_SIGNATURE) for token in self.tokens)])}"
