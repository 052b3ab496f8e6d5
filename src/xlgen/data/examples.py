"""What flows through training and evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import regex

from xlgen.data.markup import shown, without_tokens

_BLANK = regex.compile(r"[\s\p{Cc}\p{Cf}]*")


def is_blank(text: str) -> bool:
    """Whether ``text`` has nothing but white space and characters that do not show, such as U+200B and U+FEFF."""
    return _BLANK.fullmatch(text) is not None


@dataclass(frozen=True)
class Record:
    """One row as a reader found it: raw fields, and where it stands, for error messages."""

    fields: Mapping[str, Any]
    where: str
    """"train.jsonl, line 7" or "xquad.th.json, question 56be4db0"."""


@dataclass(frozen=True)
class LabelledExample:
    """One input with its reference outputs, in one language.

    In ``source``, ``pair`` and ``targets`` special tokens are marked (:mod:`xlgen.data.markup`); all else is text.
    ``source`` may be cropped only inside ``croppable`` (start, end): what stands outside, such as a question behind a
    long paragraph, is kept whole.
    """

    id: str
    language: str
    source: str
    targets: tuple[str, ...]
    where: str
    croppable: tuple[int, int] | None = None
    words: tuple[str, ...] = ()
    """The input's words, where each has a tag."""
    tags: tuple[str, ...] = ()
    """The words' tags, where they are known."""
    pair: str | None = None
    """The second text, of an input that is a pair."""
    group: str = ""
    """What it is ranked with: a query, of which it is one of the documents."""
    cut: int = 0
    """Characters that were taken from a source far over the limit before it was tokenized."""
    blank: bool = False
    """Whether nothing was filled into the input's template; what else the template says is no input."""

    @property
    def shown(self) -> str:
        """The input as one text, for people and files; of a pair both, a line each."""
        return shown(self.source if self.pair is None else f"{self.source}\n{self.pair}")

    @property
    def references(self) -> tuple[str, ...]:
        """The targets as outputs are compared with them: without special tokens."""
        return tuple(map(without_tokens, self.targets))

    @property
    def is_empty(self) -> bool:
        """Whether there is no input: nothing is generated for one."""
        return not self.words and (self.blank or is_blank(self.source)) and is_blank(self.pair or "")

    @property
    def texts(self) -> tuple[str, ...]:
        """What of its input becomes pieces by itself."""
        return self.words or (self.source, *(() if self.pair is None else (self.pair,)))


@dataclass(frozen=True)
class EncodedExample:
    """Token ids, with whatever the backbone puts around them (language codes, ``</s>``)."""

    source: tuple[int, ...]
    target: tuple[int, ...]
    language: str
    task: str = ""
    """The task's or objective's name, for methods that differ by task."""
