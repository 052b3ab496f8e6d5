"""Operations of a search on logits, on a CPU, compiled by Numba: top-k of a large vocabulary, and a step of beam
search. Each replaces several PyTorch operations, which are next to its caller, by one pass."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from xlgen.kernels.beam_rules import NEVER, BeamRules, BeamState
from xlgen.kernels.numba_parts import compiled, exp, f32, largest_of, read
from xlgen.kernels.numba_types import Array
from xlgen.kernels.thread_pool import share

_BLOCK = 64
_NOTHING = np.empty((1, 1), f32)


@compiled
def _take_best(
    begin: int, end: int, logits: Array, extra: Array, added: bool, normalise: bool, start: int, values: Array,
    ids: Array, largest: Array, sums: Array
) -> None:  # fmt: skip
    size = logits.shape[1]
    count = values.shape[1]
    blocks = (size + _BLOCK - 1) // _BLOCK
    row, tops = np.empty(size, f32), np.empty(blocks, f32)
    for r in range(begin, end):
        stored = logits[r]
        for c in range(size):
            row[c] = read(stored[c])
        for j in range(blocks):
            tops[j] = largest_of(row[j * _BLOCK : (j + 1) * _BLOCK])
        if normalise:
            top = max(largest_of(tops), largest[r])
            total = sums[r] * exp(largest[r] - top) if sums[r] > 0 else f32(0)
            for c in range(size):
                total += exp(row[c] - top)
            largest[r], sums[r] = top, total
        if added:
            for c in range(size):
                row[c] += extra[r, c]
            for j in range(blocks):
                tops[j] = largest_of(row[j * _BLOCK : (j + 1) * _BLOCK])
        for j in range(blocks):
            if tops[j] <= values[r, count - 1]:
                continue
            for c in range(j * _BLOCK, min((j + 1) * _BLOCK, size)):
                # Insert after equal values: ties go to the first one, as with argmax.
                if row[c] > values[r, count - 1]:
                    place = count - 1
                    while place > 0 and row[c] > values[r, place - 1]:
                        values[r, place], ids[r, place] = values[r, place - 1], ids[r, place - 1]
                        place -= 1
                    values[r, place], ids[r, place] = row[c], start + c


class Best:
    """The ``count`` largest logits of each row, and the log-sum-exp, accumulated over parts of the vocabulary.

    The result equals the sorted ``topk`` of all logits; ties go to the first tokens.
    """

    def __init__(self, rows: int, count: int, normalise: bool) -> None:
        self._normalise = normalise
        self.values, self.ids = torch.full((rows, count), -torch.inf), torch.zeros((rows, count), dtype=torch.long)
        self._largest, self._sums = torch.full((rows,), -torch.inf), torch.zeros(rows)
        self._state = self.values.numpy(), self.ids.numpy(), self._largest.numpy(), self._sums.numpy()

    def take(self, logits: Array, extra: Tensor | None, start: int) -> None:
        """Add the logits (rows, n) of the tokens from ``start`` on; ``extra``, fp32, is added after the log-sum-exp."""
        added = _NOTHING if extra is None else extra.numpy()
        given = logits, added, extra is not None, self._normalise, start, *self._state
        share(len(logits), lambda begin, end, _: _take_best(begin, end, *given))

    @property
    def normaliser(self) -> Tensor:
        """The log-sum-exp of each row: (rows,)."""
        return self._largest + self._sums.log()


# For an assignment between arrays, Numba also compiles the text of an error about their shapes, which takes seconds
# (findings/numba_array_assignment_compiles_text.sh).
@compiled
def _copy(source: Array, target: Array) -> None:
    for k in range(len(source)):
        target[k] = source[k]


@compiled
def _beam(
    best: Array, ids: Array, normaliser: Array, divisors: Array, hopes: Array, ending: int, limit_ends: bool,
    end: int, tokens: Array, count: Array, running: Array, scores: Array, finished: Array, finished_scores: Array,
    finished_count: Array, done: Array, slots: Array
) -> None:  # fmt: skip
    inputs, beams, longest = running.shape
    wide = 2 * beams
    value, token = np.empty(wide, f32), np.empty(wide, np.int64)
    parent, going = np.empty(wide, np.int64), np.empty(beams, np.int64)
    old_running, old_slots = np.empty((beams, longest), np.int64), np.empty((beams, slots.shape[2]), np.int64)
    for i in range(inputs):
        # The best 2K of all continuations; those of each beam are sorted.
        for j in range(wide):
            value[j], token[j], parent[j] = f32(-np.inf), 0, 0
        for b in range(beams):
            going[b] = 0
        for b in range(beams):
            row = i * beams + b
            for j in range(wide):
                score = best[row, j] - normaliser[row] + scores[i, b]
                if not score > value[wide - 1]:
                    break
                place = wide - 1
                while place > 0 and score > value[place - 1]:
                    value[place], token[place], parent[place] = value[place - 1], token[place - 1], parent[place - 1]
                    place -= 1
                value[place], token[place], parent[place] = score, ids[row, j], b
            _copy(running[i, b], old_running[b])
            _copy(slots[i, b], old_slots[b])
        length = count[i] + 1
        at = min(count[i], longest - 1)
        at_limit = length >= longest
        cut = at_limit and limit_ends
        # Add those of the best that end here to the finished hypotheses, after others with equal scores.
        for j in range(ending):
            if done[i] or not (token[j] == end or cut):
                continue
            score = value[j] / divisors[min(length, longest)]
            if not score > finished_scores[i, beams - 1]:
                continue
            place = beams - 1
            while place > 0 and score > finished_scores[i, place - 1]:
                finished_scores[i, place] = finished_scores[i, place - 1]
                finished_count[i, place] = finished_count[i, place - 1]
                _copy(finished[i, place - 1], finished[i, place])
                place -= 1
            finished_scores[i, place], finished_count[i, place] = score, length
            _copy(old_running[parent[j]], finished[i, place])
            finished[i, place, at] = token[j]
        # The best K of the others continue.
        found = 0
        for ended in (False, True):
            for j in range(wide):
                if found < beams and (token[j] == end or cut) == ended:
                    going[found] = j
                    found += 1
        for b in range(beams):
            j = going[b]
            scores[i, b] = value[j]
            if token[j] == end or cut:
                scores[i, b] += f32(NEVER)
            tokens[i, b] = token[j]
            _copy(old_running[parent[j]], running[i, b])
            running[i, b, at] = token[j]
            _copy(old_slots[parent[j]], slots[i, b])
        if at_limit and not limit_ends and not done[i]:
            # Open hypotheses take the remaining places, after the finished ones.
            first = 0
            while first < beams and finished_count[i, first] > 0:
                first += 1
            for b in range(beams - first):
                _copy(running[i, b], finished[i, first + b])
                finished_scores[i, first + b] = scores[i, b] + (f32(NEVER) if first > 0 else f32(0))
                finished_count[i, first + b] = length
        # No beam that continues can beat the worst finished one.
        all_finished, worst = True, finished_scores[i, 0]
        for b in range(beams):
            all_finished = all_finished and finished_count[i, b] > 0
            worst = min(worst, finished_scores[i, b])
        hopeless = all_finished and not scores[i, 0] / hopes[min(length, longest)] > worst
        done[i] = done[i] or at_limit or hopeless


def beam(
    best: Tensor, ids: Tensor, normaliser: Tensor, rules: BeamRules, end: int, state: BeamState, slots: Tensor
) -> None:
    """Do a step of beam search by ``rules``, in place.

    ``best`` (logits) and ``ids`` are (rows, 2 * beams), sorted; ``normaliser`` is (rows,). ``slots``, (inputs, beams,
    n), says where each beam's keys and values are, and is reordered with the beams.
    """
    tensors = (getattr(state, field).numpy() for field in BeamState.__annotations__)
    given = (tensor.numpy() for tensor in (best, ids, normaliser, rules.divisors, rules.hopes))
    _beam(*given, rules.ending, rules.limit_ends, end, *tensors, slots.numpy())
