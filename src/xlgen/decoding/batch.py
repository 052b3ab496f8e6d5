"""State of the active decoding batch, and the insertion and removal of inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from xlgen.kernels.decoder_steps import CHUNK, KVCache, Pair


@dataclass(frozen=True)
class Encoded:
    """Encoded inputs, ready to be decoded."""

    numbers: list[int]
    """Index of each input in the caller's inputs."""
    keys: list[int]
    """Sampling key of each input: a 32-bit hash of its content."""
    states: Tensor
    """The encoder's output: (inputs, source, width)."""
    mask: Tensor
    """1 for tokens, 0 for padding: (inputs, source)."""
    prompts: Tensor
    """The decoder's first tokens: (inputs, prompt)."""
    bias: Tensor | None = None
    """Added to log-probabilities: (inputs, vocabulary)."""


def concatenated(several: Sequence[Encoded]) -> Encoded:
    """Concatenate encoded inputs; shorter sources are padded."""
    longest = max(each.mask.shape[1] for each in several)

    def padded(tensor: Tensor) -> Tensor:
        return functional.pad(tensor, (*[0] * (2 * tensor.dim() - 4), 0, longest - tensor.shape[1]))

    biases = [each.bias for each in several if each.bias is not None]
    return Encoded(
        [number for each in several for number in each.numbers],
        [key for each in several for key in each.keys],
        torch.cat([padded(each.states) for each in several]),
        torch.cat([padded(each.mask) for each in several]),
        torch.cat([each.prompts for each in several]),
        torch.cat(biases) if biases else None,
    )


@dataclass(frozen=True)
class Waiting:
    """Inputs that enter the batch together, when there is room for them."""

    inputs: int
    encode: Callable[[], Encoded]


@dataclass(frozen=True)
class Found:
    """The hypotheses of one input, best first."""

    number: int
    tokens: list[list[int]]
    scores: list[float]


@dataclass
class Batch:
    """The state of the inputs that are being decoded. Sequences have generated tokens only, without prompts."""

    numbers: Tensor  # (R,): -1 for an input whose result has been returned
    memory: KVCache
    column: int
    """Cache column of the next tokens."""
    tokens: Tensor  # (R, K): the last tokens
    bias: Tensor | None  # (R, V)
    count: Tensor  # (R,): generated so far
    running: Tensor  # (R, K, longest)
    scores: Tensor  # (R, K)
    finished: Tensor  # (R, K, longest)
    finished_scores: Tensor  # (R, K)
    finished_count: Tensor  # (R, K): lengths; 0 for an empty slot
    done: Tensor  # (R,)
    uniform: Tensor | None = None  # (R, K, longest): random numbers for sampling

    def __len__(self) -> int:
        return len(self.numbers)


# The tensors of a batch with one row per input, apart from the KV cache and optional tensors.
_OF_INPUTS = (
    "numbers", "tokens", "count", "running", "scores", "finished", "finished_scores", "finished_count", "done"
)  # fmt: skip
_OPTIONAL = ("bias", "uniform")
# Sources are truncated, which needs a copy, if the longest one takes at most this share of the columns.
_REACHED = 0.85


def kept(batch: Batch, wanted: Tensor) -> Batch:
    """The batch with only the inputs for which ``wanted``, (R,) of booleans, is true."""
    inputs = wanted.nonzero().flatten()
    memory = batch.memory
    batch.memory = KVCache(
        chosen(memory.past, inputs),
        chosen(memory.source, inputs),
        memory.source_mask[inputs],
        memory.first[inputs],
        memory.slots[inputs],
    )
    for name in _OF_INPUTS:
        setattr(batch, name, getattr(batch, name)[inputs])
    for name in _OPTIONAL:
        value = getattr(batch, name)
        setattr(batch, name, value[inputs] if value is not None else None)
    compact_cache(batch)
    return batch


def joined(old: Batch, new: Batch) -> Batch:
    """Join both batches at the column of the old batch; shorter sources are padded."""
    new = moved(new, old.column, old.memory.columns)
    longest = max(old.memory.source_mask.shape[-1], new.memory.source_mask.shape[-1])
    for batch in (old, new):
        missing = longest - batch.memory.source_mask.shape[-1]
        if missing:
            pad = (0, 0, 0, missing)
            batch.memory.source = [(functional.pad(k, pad), functional.pad(v, pad)) for k, v in batch.memory.source]
            batch.memory.source_mask = functional.pad(batch.memory.source_mask, (0, missing), value=-torch.inf)
    old.memory = KVCache(
        _cat(old.memory.past, new.memory.past),
        _cat(old.memory.source, new.memory.source),
        torch.cat([old.memory.source_mask, new.memory.source_mask]),
        torch.cat([old.memory.first, new.memory.first]),
        torch.cat([old.memory.slots, new.memory.slots]),
    )
    for name in _OF_INPUTS:
        setattr(old, name, torch.cat([getattr(old, name), getattr(new, name)]))
    for name in _OPTIONAL:
        if getattr(old, name) is not None:
            setattr(old, name, torch.cat([getattr(old, name), getattr(new, name)]))
    compact_cache(old)
    return old


def replaced(old: Batch, rows: Tensor, new: Batch) -> Batch:
    """The old batch with ``rows`` replaced by the new inputs, whose sources must not be longer than the old ones."""
    begin, memory = old.column - new.column, old.memory
    for pair, new_pair in zip(memory.past, new.memory.past, strict=True):
        for tensor, new_tensor in zip(pair, new_pair, strict=True):
            if new.column:
                tensor[rows, begin : old.column] = new_tensor
    source = new.memory.source_mask.shape[-1]
    for pair, new_pair in zip(memory.source, new.memory.source, strict=True):
        for tensor, new_tensor in zip(pair, new_pair, strict=True):
            tensor[rows, :, :source] = new_tensor
    memory.source_mask[rows] = -torch.inf
    memory.source_mask[rows, :, :, :source] = new.memory.source_mask
    memory.first[rows] = begin
    memory.slots[rows] = -1
    memory.slots[rows, :, begin : old.column] = new.memory.slots
    for name in (*_OF_INPUTS, *_OPTIONAL):
        if getattr(old, name) is not None:
            getattr(old, name)[rows] = getattr(new, name)
    compact_cache(old)
    return old


def moved(batch: Batch, column: int, columns: int) -> Batch:
    """Move a batch that has just begun to ``column`` of a cache with ``columns`` columns."""
    memory, begin = batch.memory, column - batch.column
    pad = (begin, columns - column)

    def shifted(tensor: Tensor) -> Tensor:
        return functional.pad(tensor, (0, 0, 0, 0, 0, 0, *pad))

    memory.past = [(shifted(keys), shifted(values)) for keys, values in memory.past]
    memory.slots = functional.pad(memory.slots, pad, value=-1)
    memory.first = torch.full_like(memory.first, begin)
    memory.even = begin == 0
    batch.column = column
    return batch


def _cat(first: list[Pair], second: list[Pair]) -> list[Pair]:
    pairs = zip(first, second, strict=True)
    return [(torch.cat([k, more_k]), torch.cat([v, more_v])) for (k, v), (more_k, more_v) in pairs]


def chosen(pairs: list[Pair], inputs: Tensor) -> list[Pair]:
    """The rows ``inputs`` of each tensor."""
    return [(k.index_select(0, inputs), v.index_select(0, inputs)) for k, v in pairs]


def compact_cache(batch: Batch) -> None:
    """Update ``memory.even``, and remove source columns that no input uses."""
    memory = batch.memory
    if not len(batch):
        return
    memory.even = bool((memory.first == 0).all())
    reach = int((memory.source_mask[:, 0, 0] == 0).any(0).nonzero().max()) + 1
    if reach <= _REACHED * memory.source_mask.shape[-1]:
        memory.source = [(k[:, :, :reach].contiguous(), v[:, :, :reach].contiguous()) for k, v in memory.source]
        memory.source_mask = memory.source_mask[..., :reach].contiguous()


def grow(batch: Batch) -> None:
    """Add columns to the cache, and remove those before the first column of every unfinished input."""
    memory = batch.memory
    unfinished = memory.first[~batch.done]
    begin = int((unfinished if len(unfinished) else memory.first).min())
    kept = batch.column - begin
    pad = (0, -kept % CHUNK or CHUNK)

    def longer(tensor: Tensor) -> Tensor:
        return functional.pad(tensor[:, begin : batch.column], (0, 0, 0, 0, 0, 0, *pad))

    memory.slots = functional.pad(memory.slots[:, :, begin : batch.column], pad, value=-1)
    memory.past = [(longer(k), longer(v)) for k, v in memory.past]
    memory.first = (memory.first - begin).clamp(min=0)
    memory.even = bool((memory.first == 0).all())
    batch.column -= begin
