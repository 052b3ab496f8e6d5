"""Texts that are too long: what is left of one when only a part of it may be shortened."""

from __future__ import annotations

from collections.abc import Callable

from xlgen.backbones.text import Tokenized


def crop(
    text: str, croppable: tuple[int, int], whole: Tokenized, limit: int, pieces: Callable[[str], list[int]]
) -> list[int]:
    """The ids of ``text``, shortened at the end of its ``croppable`` part to at most ``limit``; none where what must
    stay is longer by itself.

    Args:
        text: The text.
        croppable: (start, end) of the part, in characters.
        whole: The text in pieces, more than ``limit``.
        limit: Number of tokens.
        pieces: Text to ids.
    """
    start, end = croppable
    inside = [first for first, last in whole.spans if first >= start and last <= end]
    # Cutting text can change how the pieces around the cut are tokenized, so this may take a second round.
    for extra in range(len(inside)):
        drop = min(len(whole.ids) - limit + extra, len(inside))
        kept = text[start : inside[len(inside) - drop]].rstrip()
        shorter = pieces(text[:start] + kept + text[end:])
        if len(shorter) <= limit:
            return shorter
    return []
