"""Truncation by characters of texts far over the token limit, before they are tokenized.

A tokenizer takes seconds and hundreds of MB for each MB of text, which is then cropped to some hundred tokens. The text
kept here is many times longer than the limit, so that cropping by tokens gives the same result.
"""

from __future__ import annotations

import re
from dataclasses import replace

from xlgen.data.examples import LabelledExample
from xlgen.data.readers import DataError

CHARACTERS = 64
"""Maximum characters per token on average: the longest tokens of vocabularies have 16."""
LEAST = 16_384
"""Minimum characters that are kept."""
MOST_WORDS = 65_536
_LONGEST_WORD = 4_096
_GAP = re.compile(r"(\s)\s{15,}")


def characters(tokens: int) -> int:
    """The number of characters of a text to keep for a limit of ``tokens``."""
    return max(LEAST, CHARACTERS * tokens)


def cut(example: LabelledExample, source: int, target: int) -> LabelledExample:
    """Truncate texts of ``example`` that are far over the limits of ``source`` and ``target`` tokens.

    A source is truncated in its croppable part. A truncated label is still over its limit. Raises DataError for more
    than :data:`MOST_WORDS` words.
    """
    room = characters(source)
    if len(example.words) > MOST_WORDS:
        raise DataError(f"{example.where}: {len(example.words):,} words; the maximum is {MOST_WORDS:,}")
    long_label = any(len(text) > characters(target) for text in example.targets)
    long_word = any(len(word) > _LONGEST_WORD for word in example.words)
    long_pair = example.pair is not None and len(example.pair) > room
    if len(example.source) <= room and not (long_label or long_word or long_pair):
        return example
    text, croppable = _cut_source(example.source, example.croppable, room)
    return replace(
        example,
        source=text,
        croppable=croppable,
        cut=len(example.source) - len(text),
        pair=None if example.pair is None else _GAP.sub(r"\1", example.pair)[:room],
        words=tuple(word[:_LONGEST_WORD] for word in example.words),
        targets=tuple(_GAP.sub(r"\1", text)[: characters(target)] for text in example.targets),
    )


def _cut_source(text: str, croppable: tuple[int, int] | None, room: int) -> tuple[str, tuple[int, int] | None]:
    if len(text) <= room:
        return text, croppable
    start, end = croppable or (0, len(text))
    inside = _GAP.sub(r"\1", text[start:end])  # many white-space characters may be one token
    left = max(LEAST // 2, room - (len(text) - (end - start)))
    inside = inside[:left]
    # The parts that must stay may exceed the limit: cropping their beginning by tokens then raises the error.
    before, after = text[:start][:room], text[end:][:room]
    return before + inside + after, None if croppable is None else (len(before), len(before) + len(inside))
