"""English words by the rule of ``rouge_score``: lower case, runs of a-z and 0-9."""

from __future__ import annotations

import string
from collections.abc import Sequence

import numpy as np

from xlgen.metrics.ragged import Ints, Ragged, ranked

# Translation table: every byte other than a-z and 0-9 becomes a space.
_WORDS = bytes(byte if chr(byte) in string.ascii_lowercase + string.digits else 32 for byte in range(256))
_SPACE = 32
# Masks of the first 0 to 8 bytes of a little-endian number.
_FIRST = np.array([(1 << 8 * count) - 1 for count in range(9)], dtype=np.uint64)
# The highest byte of a long word's number: no letter or digit, and the number stays positive.
_LONG = 0x7F << 56


def english_words(text: str) -> list[str]:
    """Words by the rule of ``rouge_score``: ``Café no. 5`` is ``caf``, ``no``, ``5``."""
    return _plain(text).translate(_WORDS).decode("ascii").split()


def english_numbers(texts: Sequence[str]) -> Ragged:
    """The words of each text as numbers, equal for equal words; several times faster than splitting each text.

    The bytes of a word of up to eight letters are read as one number; only longer words are looked up.
    """
    plain = [_plain(text) for text in texts]
    # A space around every text, and room to read eight bytes from every word's start.
    data = b" ".join([b"", *plain, b" " * 8]).translate(_WORDS)
    letters = np.frombuffer(data, dtype=np.uint8) != _SPACE
    starts = np.flatnonzero(letters[1:] & ~letters[:-1]) + 1
    ends = np.flatnonzero(letters[:-1] & ~letters[1:]) + 1
    lengths = ends - starts
    eights = np.ndarray(len(data) - 7, dtype="<u8", buffer=data, strides=(1,))
    keys = (eights[starts] & _FIRST[np.minimum(lengths, 8)]).astype(np.int64)
    long = np.flatnonzero(lengths > 8)
    numbers: dict[bytes, int] = {}
    words = (data[start:end] for start, end in zip(starts[long].tolist(), ends[long].tolist(), strict=True))
    keys[long] = [_LONG | numbers.setdefault(word, len(numbers)) for word in words]
    ranks, _ = ranked(keys)
    return Ragged(ranks, np.searchsorted(starts, _ends(plain)))


def _ends(texts: Sequence[bytes]) -> Ints:
    """The start of each text, and last the end of all, with a space before every text."""
    return np.cumsum([1, *(len(text) + 1 for text in texts)])


def _plain(text: str) -> bytes:
    # Translating bytes is far faster than translating a string. Each non-ASCII character becomes one "?".
    return text.lower().encode("ascii", "replace")
