"""The sentences of a passage, and where they end in its token ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xlgen.data.objectives import Codec, Passage
from xlgen.metrics.sentences import sentences


def sentences_of(passage: Passage) -> tuple[str, ...]:
    """The non-empty sentences of a passage: the corpus's own, or those between sentence marks of any script.

    In Thai and Lao, which have no such marks, they are the phrases between spaces.
    """
    found = passage.sentences or sentences("marks", passage.language)(passage.text)
    return tuple(sentence.strip() for sentence in found if sentence.strip())


def sentence_ends(passage: Passage, ids: Sequence[int], codec: Codec) -> list[int]:
    """The position in ``ids`` after each sentence; ends within a token or after the end of ``ids`` are left out."""
    return list(iter_sentence_ends(passage, ids, codec))


def iter_sentence_ends(passage: Passage, ids: Sequence[int], codec: Codec) -> Iterator[int]:
    """:func:`sentence_ends`, one by one."""
    position, last = 0, 0
    for sentence in sentences_of(passage):
        position = passage.text.index(sentence, position) + len(sentence)
        before = codec.tokenize(passage.text[:position])
        if last < len(before) and list(ids[: len(before)]) == before:
            last = len(before)
            yield last
