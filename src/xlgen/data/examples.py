"""The examples of training and evaluation: records, labelled examples and encoded examples."""

from __future__ import annotations

from dataclasses import dataclass

import regex

from xlgen.core.json_types import JsonMapping
from xlgen.data.markup import shown, without_tokens

_BLANK = regex.compile(r"[\s\p{Cc}\p{Cf}]*")


def is_blank(text: str) -> bool:
    """Whether ``text`` has only white space and invisible characters, such as U+200B and U+FEFF."""
    return _BLANK.fullmatch(text) is not None


@dataclass(frozen=True)
class Record:
    """One row from a reader: raw fields, and its location for error messages."""

    fields: JsonMapping
    where: str
    """"train.jsonl, line 7" or "xquad.th.json, question 56be4db0"."""


@dataclass(frozen=True)
class LabelledExample:
    """One input with its reference outputs, in one language.

    In ``source``, ``pair`` and ``targets``, special tokens are marked (:mod:`xlgen.data.markup`); the rest is text.
    ``source`` may be cropped only inside ``croppable`` (start, end): text outside, such as a question after a long
    paragraph, is kept whole.
    """

    id: str
    language: str
    source: str
    targets: tuple[str, ...]
    where: str
    croppable: tuple[int, int] | None = None
    words: tuple[str, ...] = ()
    """The input's words, for tagging."""
    tags: tuple[str, ...] = ()
    """The words' tags, if known."""
    pair: str | None = None
    """The second text, if the input is a pair."""
    group: str = ""
    """Name of the group to rank together: the query of a document."""
    cut: int = 0
    """Number of characters removed from a source far over the limit before tokenization."""
    blank: bool = False
    """Whether all fields of the input's template are blank; the template's own text is no input."""

    @property
    def shown(self) -> str:
        """The input as one text, for display and files; the two texts of a pair are on separate lines."""
        return shown(self.source if self.pair is None else f"{self.source}\n{self.pair}")

    @property
    def references(self) -> tuple[str, ...]:
        """The targets without special tokens, for comparison with outputs."""
        return tuple(map(without_tokens, self.targets))

    @property
    def is_empty(self) -> bool:
        """Whether the input is empty, so that nothing is generated for it."""
        return not self.words and (self.blank or is_blank(self.source)) and is_blank(self.pair or "")

    @property
    def texts(self) -> tuple[str, ...]:
        """The parts of the input that are tokenized separately."""
        return self.words or (self.source, *(() if self.pair is None else (self.pair,)))


@dataclass(frozen=True)
class EncodedExample:
    """Token ids, with the special tokens of the backbone (language codes, ``</s>``)."""

    source: tuple[int, ...]
    target: tuple[int, ...]
    language: str
    task: str = ""
    """The task's or objective's name, for methods that differ by task."""
