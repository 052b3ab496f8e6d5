"""Top-k tokens of a large vocabulary, without all logits at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from xlgen.kernels.decoder_steps import kernels_for
from xlgen.kernels.products import array_product, product

if TYPE_CHECKING:
    from xlgen.kernels.numba_types import Array

CHUNK_ELEMENTS = 2**20
"""Logits in memory at once: 4 MiB in fp32, which fit in the processor's cache."""
COMPILED_ELEMENTS = 2**20
"""The same for compiled code, which reads them only once."""
_COLUMNS = 1_024


class ChunkedLMHead:
    """A linear head with a matrix (vocabulary, width) and a bias (vocabulary,), applied in chunks of the vocabulary."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self._weight, self._bias = weight, bias
        self._compiled = kernels_for(weight) is not None
        fits = self._compiled and weight.numel() <= _COLUMNS * 2**12
        self._parts = self._compiled_split() if fits else None

    def _compiled_split(self) -> list[tuple[int, Callable[[Array], Array]]]:
        """:meth:`_split` for arrays, with weights prepared for many calls."""
        found = []
        for start in range(0, len(self._weight), _COLUMNS):
            part = slice(start, start + _COLUMNS)
            bias = None if self._bias is None else self._bias[part]
            found.append((start, array_product(self._weight[part], bias)))
        return found

    def _split(self, size: int) -> list[tuple[int, Callable[[Tensor], Tensor]]]:
        """(first token, product) of each chunk."""
        bias = self._bias
        parts = [slice(start, start + size) for start in range(0, len(self._weight), size)]
        return [(part.start, product(self._weight[part], None if bias is None else bias[part])) for part in parts]

    def best(self, hidden: Tensor, extra: Tensor | None, count: int, normalise: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Top-k logits and token ids per row, and each row's log-sum-exp.

        Args:
            hidden: (rows, width).
            extra: Added to the logits after the log-sum-exp: (rows, vocabulary).
            count: The number of tokens, at most the size of the vocabulary.
            normalise: Whether to compute the log-sum-exp. If false, it is not meaningful.

        Returns (rows, count), (rows, count) and (rows,).
        """
        if not self._compiled:
            return self._best_of_chunks(hidden, extra, count, normalise)
        from xlgen.kernels.beam_step import Best
        from xlgen.kernels.numba_parts import array

        found = Best(len(hidden), count, normalise)
        if self._parts is None:
            parts = self._split(max(_COLUMNS, COMPILED_ELEMENTS // len(hidden)))
            logits_of = ((start, array(multiplied(hidden))) for start, multiplied in parts)
        else:
            rows = array(hidden)
            logits_of = ((start, multiplied(rows)) for start, multiplied in self._parts)
        for start, logits in logits_of:
            found.take(logits, None if extra is None else extra[:, start : start + logits.shape[1]], start)
        return found.values, found.ids, found.normaliser

    def _best_of_chunks(
        self, hidden: Tensor, extra: Tensor | None, count: int, normalise: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """:meth:`best` with PyTorch operations."""
        rows = len(hidden)
        values, ids, sums = [], [], []
        for start, multiplied in self._split(max(64 * count, CHUNK_ELEMENTS // rows)):
            logits = multiplied(hidden).float()
            if normalise and extra is not None:
                sums.append(logits.logsumexp(-1))
            if extra is not None:
                logits += extra[:, start : start + logits.shape[1]]
            best, place = top(logits, min(count, logits.shape[1]))
            if normalise and extra is None:
                largest = best[:, :1]
                sums.append(largest[:, 0] + logits.sub_(largest).exp_().sum(-1).log())
            values.append(best)
            ids.append(place + start)
        normaliser = torch.stack(sums).logsumexp(0) if normalise else hidden.new_zeros(rows, dtype=torch.float32)
        if len(values) == 1:
            return values[0], ids[0], normaliser
        best, place = _largest(torch.cat(values, dim=1), count)
        return best, torch.cat(ids, dim=1).gather(1, place), normaliser


def top(logits: Tensor, count: int, chunk: int = 64) -> tuple[Tensor, Tensor]:
    """The ``count`` largest elements of each row and their indices, as from ``topk``: (rows, count) each.

    For a large vocabulary, only the chunks with the largest maxima are sorted: the others cannot contain any of the
    largest elements.
    """
    rows, size = logits.shape
    if count == 1 or size < 4 * count * chunk:
        return _largest(logits, count)
    whole = size // chunk * chunk
    chunks = logits[:, :whole].view(rows, -1, chunk)
    nearest = chunks.amax(-1).topk(count)[1]  # (rows, count)
    values = chunks.gather(1, nearest[:, :, None].expand(-1, -1, chunk)).flatten(1)
    where = (nearest[:, :, None] * chunk + torch.arange(chunk, device=logits.device)).flatten(1)
    if whole < size:
        values = torch.cat([values, logits[:, whole:]], dim=1)
        rest = torch.arange(whole, size, device=logits.device).expand(rows, -1)
        where = torch.cat([where, rest], dim=1)
    best, place = values.topk(count)
    return best, where.gather(1, place)


def _largest(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """``topk``; for a count of one, ties go to the first element, as with ``argmax``."""
    if count > 1:
        best, place = values.topk(count)
    else:
        best, place = values.max(-1, keepdim=True)
    return best, place
