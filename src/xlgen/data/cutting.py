"""Texts far over the limit of tokens, cut by characters before anything tokenizes them.

A tokenizer takes seconds and hundreds of MB for each MB of text, all of which is cropped to some hundred tokens
afterwards. What is left here is many times what the limit can hold, so that the crop by tokens gives the same result.
"""

from __future__ import annotations

import re
from dataclasses import replace

from xlgen.data.examples import LabelledExample
from xlgen.data.readers import DataError

CHARACTERS = 64
"""Characters of a token at the most, on average: the longest pieces of vocabularies have 16."""
LEAST = 16_384
"""Characters that are always left."""
MOST_WORDS = 65_536
_LONGEST_WORD = 4_096
_GAP = re.compile(r"(\s)\s{15,}")


def characters(tokens: int) -> int:
    """How many characters of a text are kept where ``tokens`` is the limit."""
    return max(LEAST, CHARACTERS * tokens)


def cut(example: LabelledExample, source: int, target: int) -> LabelledExample:
    """``example`` without what is far over the limits of ``source`` and ``target`` tokens.

    A source is cut where it may be cropped. A label that is cut is still over its limit. Raises DataError for more
    words than any model reads.
    """
    room = characters(source)
    if len(example.words) > MOST_WORDS:
        raise DataError(f"{example.where}: {len(example.words):,} words, and at most {MOST_WORDS:,} are read")
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
    inside = _GAP.sub(r"\1", text[start:end])  # of white space many characters are one token
    left = max(LEAST // 2, room - (len(text) - (end - start)))
    inside = inside[:left]
    # What must stay is as long as it is: that it does not fit is said by the crop, of its beginning.
    before, after = text[:start][:room], text[end:][:room]
    return before + inside + after, None if croppable is None else (len(before), len(before) + len(inside))
