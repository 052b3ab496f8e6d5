"""LCS walks over pairs of reference and predicted sentences that share tokens.

Such a pair of sentences is a tile: its columns are the predicted tokens, its rows the reference tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from xlgen.metrics.ragged import Flags, Ints, Ragged, ranges, starts_of
from xlgen.metrics.union_lcs import Words, matched_bits, matched_bits_of_long

# Tiles per step: few enough for a step's arrays to fit in the processor's cache.
_STEP = 4096
# Tiles with more than this many times 64 rows are walked one by one.
_MOST_WORDS = 8


@dataclass(frozen=True)
class SentenceTokens:
    """The compared tokens of one side, in the order of the texts."""

    slots: Ints
    """Slot of each token; -1 for a token that the other side lacks."""
    sentences: Ints
    """Sentence of each token, counted over all pairs."""
    places: Ints
    """Position of each token among the compared tokens of its sentence."""

    def between(self, first: int, last: int) -> SentenceTokens:
        """The tokens of the sentences ``first .. last - 1``, renumbered from 0."""
        start, end = np.searchsorted(self.sentences, [first, last])
        return SentenceTokens(self.slots[start:end], self.sentences[start:end] - first, self.places[start:end])


@dataclass(frozen=True)
class _Matches:
    """The rows that match a column of a tile, in words of 64 bits."""

    tiles: Ints
    columns: Ints
    words: Ints
    bits: Words


@dataclass(frozen=True)
class _Tiles:
    """The tiles of a block of reference sentences."""

    sentences: Ints
    """Reference sentence of each tile, counted within the block."""
    heights: Ints
    widths: Ints
    matches: _Matches


def on_union(rows: SentenceTokens, columns: SentenceTokens, predicted: Ragged, wanted: Ragged, block: slice) -> Flags:
    """Whether each row token of a block of reference sentences is on a walk through a predicted sentence.

    Args:
        rows: The references' tokens.
        columns: The predictions' tokens.
        predicted: The lengths of the predictions' sentences, one row per pair of texts.
        wanted: The same for the references.
        block: The block of reference sentences.
    """
    pairs = np.repeat(np.arange(len(wanted.lengths)), wanted.lengths)[block]
    rows = rows.between(block.start, block.stop)
    tiles = _tiles(rows, columns, predicted, pairs)
    starts = starts_of((np.bincount(rows.sentences, minlength=len(pairs)) + 63) >> 6)
    union = np.zeros(starts[-1], dtype=np.uint64)
    for sentences, bits in _walk(tiles):
        places = starts[sentences] + np.arange(len(bits))[:, None]
        np.bitwise_or.at(union, places.ravel(), bits.ravel())
    found = union[starts[rows.sentences] + (rows.places >> 6)]
    return (found >> (rows.places & 63).astype(np.uint64) & np.uint64(1)).astype(bool)


def _tiles(rows: SentenceTokens, columns: SentenceTokens, predicted: Ragged, pairs: Ints) -> _Tiles:
    """Tiles of reference sentences and the sentences of their predictions; ``pairs`` has each sentence's text pair."""
    first, last = predicted.starts[pairs[0]], predicted.starts[pairs[-1] + 1]
    columns = columns.between(first, last)
    in_prediction = predicted.lengths[pairs]
    starts = starts_of(in_prediction)
    # The index that the tile of a reference sentence with predicted sentence 0 would have.
    origins = starts[:-1] - (predicted.starts[pairs] - first)
    matches = _join(rows, columns, origins)
    sentences = np.repeat(np.arange(len(pairs)), in_prediction)
    others = ranges(predicted.starts[pairs] - first, in_prediction)
    used = np.zeros(starts[-1], dtype=bool)
    used[matches.tiles] = True
    numbers = np.cumsum(used) - 1
    return _Tiles(
        sentences[used],
        np.bincount(rows.sentences, minlength=len(pairs))[sentences[used]],
        np.bincount(columns.sentences, minlength=last - first)[others[used]],
        _Matches(numbers[matches.tiles], matches.columns, matches.words, matches.bits),
    )


def _join(rows: SentenceTokens, columns: SentenceTokens, origins: Ints) -> _Matches:
    """Match each predicted token with the equal tokens of each reference sentence."""
    high = int(rows.places.max(initial=0) >> 6) + 1
    keys = (rows.slots * len(origins) + rows.sentences) * high + (rows.places >> 6)
    order = np.argsort(keys)
    keys = keys[order]
    first = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])[: len(keys)])
    ones = np.uint64(1) << (rows.places & 63).astype(np.uint64)
    bits = np.bitwise_or.reduceat(ones[order], first) if len(first) else ones
    groups = keys[first]
    group_slots = groups // (high * len(origins))
    lowest = int(group_slots[0]) if len(group_slots) else 0
    size = int(max(columns.slots.max(initial=-1), group_slots.max(initial=-1)) - lowest) + 1
    starts = starts_of(np.bincount(group_slots - lowest, minlength=max(size, 0)))
    shared = np.flatnonzero(columns.slots >= lowest)
    slots = columns.slots[shared] - lowest
    counts = starts[slots + 1] - starts[slots]
    chosen = ranges(starts[slots], counts)
    token = np.repeat(shared, counts)
    tiles = origins[groups[chosen] // high % len(origins)] + columns.sentences[token]
    return _Matches(tiles, columns.places[token], groups[chosen] % high, bits[chosen])


def _walk(tiles: _Tiles) -> Iterator[tuple[Ints, Words]]:
    """Yield reference sentences, and their bits (words, sentences) found in one step."""
    words = (tiles.heights + 63) >> 6
    order = np.lexsort((tiles.widths, words))
    short = order[: np.searchsorted(words[order], _MOST_WORDS, side="right")]
    for step, matches in _steps(tiles, words, short):
        yield tiles.sentences[step], matched_bits(matches)
    for tile in order[len(short) :]:
        mine = tiles.matches.tiles == tile
        columns = [0] * tiles.widths[tile]
        for column, word, bits in zip(
            tiles.matches.columns[mine].tolist(),
            tiles.matches.words[mine].tolist(),
            tiles.matches.bits[mine].tolist(),
            strict=True,
        ):
            columns[column] |= bits << 64 * word
        found = matched_bits_of_long(columns, int(tiles.heights[tile]))
        packed = found.to_bytes(int(words[tile]) * 8, "little")
        yield tiles.sentences[[tile]], np.frombuffer(packed, dtype="<u8").astype(np.uint64)[:, None]


def _steps(tiles: _Tiles, words: Ints, order: Ints) -> list[tuple[Ints, Words]]:
    """Groups of tiles with an equal number of words and similar width, and their matches as (columns, words, tiles)."""
    breaks = np.flatnonzero(np.diff(words[order])) + 1
    runs = np.split(order, breaks)
    steps = [run[start : start + _STEP] for run in runs for start in range(0, len(run), _STEP)]
    # The matches of all steps are in one array, so that they are set at once.
    shapes = [(int(tiles.widths[step].max()), int(words[step[0]]), len(step)) for step in steps]
    offsets = starts_of(np.array([np.prod(shape) for shape in shapes], dtype=np.int64))
    corner, column, word = (np.zeros(len(words), dtype=np.int64) for _ in range(3))
    for step, (width, high, count), offset in zip(steps, shapes, offsets, strict=False):
        # Padded in front, because a column without a match after the others would stop the walk.
        corner[step] = offset + np.arange(count) + (width - tiles.widths[step]) * high * count
        column[step], word[step] = high * count, count
    flat = np.zeros(offsets[-1], dtype=np.uint64)
    of = tiles.matches.tiles
    mine = np.flatnonzero(column[of])
    of = of[mine]
    flat[corner[of] + tiles.matches.columns[mine] * column[of] + tiles.matches.words[mine] * word[of]] = (
        tiles.matches.bits[mine]
    )
    return [
        (step, flat[start:end].reshape(shape))
        for step, shape, start, end in zip(steps, shapes, offsets, offsets[1:], strict=False)
    ]
