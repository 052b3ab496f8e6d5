"""Cropping of texts that are too long and of which only a part may be shortened."""

from __future__ import annotations

from collections.abc import Callable

from xlgen.backbones.text import Tokenized


def crop(
    text: str, croppable: tuple[int, int], whole: Tokenized, limit: int, pieces: Callable[[str], list[int]]
) -> list[int]:
    """The ids of ``text``, shortened at the end of its ``croppable`` part to at most ``limit``.

    They are empty if the rest alone is longer than the limit.

    Args:
        text: The text.
        croppable: (start, end) of the part, in characters.
        whole: The tokenized text, with more than ``limit`` tokens.
        limit: Number of tokens.
        pieces: Converts text to ids.
    """
    start, end = croppable
    inside = [first for first, last in whole.spans if first >= start and last <= end]
    # A cut can change the tokens around it, so this may take a second round.
    for extra in range(len(inside)):
        drop = min(len(whole.ids) - limit + extra, len(inside))
        kept = text[start : inside[len(inside) - drop]].rstrip()
        shorter = pieces(text[:start] + kept + text[end:])
        if len(shorter) <= limit:
            return shorter
    return []
