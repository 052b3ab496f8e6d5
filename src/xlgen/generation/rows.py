"""The inputs that are being decoded together: who they are, how far they are, who joins and who leaves."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from xlgen.backbones.steps import Memory


@dataclass(frozen=True)
class Encoded:
    """Inputs that are ready to be decoded."""

    numbers: list[int]
    """Which inputs of the caller's they are."""
    states: Tensor
    """The encoder's output: (inputs, source, width)."""
    mask: Tensor
    """1 where there is a token: (inputs, source)."""
    prompts: Tensor
    """What the decoder is given first: (inputs, prompt)."""
    bias: Tensor | None = None
    """What is added to log-probabilities: (inputs, vocabulary)."""


@dataclass(frozen=True)
class Found:
    """The hypotheses of one input, best first."""

    number: int
    tokens: list[list[int]]
    scores: list[float]


@dataclass
class Batch:
    """The state of the inputs that are being decoded. Sequences hold generated tokens only, prompts not."""

    numbers: Tensor  # (R,)
    memory: Memory
    column: int
    """Where the next tokens stand."""
    tokens: Tensor  # (R, K): the last ones
    bias: Tensor | None  # (R, V)
    count: Tensor  # (R,): generated so far
    running: Tensor  # (R, K, longest)
    scores: Tensor  # (R, K)
    finished: Tensor  # (R, K, longest)
    finished_scores: Tensor  # (R, K)
    finished_count: Tensor  # (R, K): 0 where nothing is finished
    done: Tensor  # (R,)

    def __len__(self) -> int:
        return len(self.numbers)


def joined(old: Batch, new: Batch) -> Batch:
    """Both batches as one; the shorter sources are padded."""
    longest = max(old.memory.source.shape[1], new.memory.source.shape[1])
    for batch in (old, new):
        missing = longest - batch.memory.source.shape[1]
        if missing:
            shape = batch.memory.source.shape
            batch.memory.source = torch.cat(
                [batch.memory.source, batch.memory.source.new_zeros((shape[0], missing, *shape[2:]))], dim=1
            )
            batch.memory.source_mask = functional.pad(batch.memory.source_mask, (0, missing), value=-torch.inf)
    old.memory = Memory(
        torch.cat([old.memory.past, new.memory.past]),
        torch.cat([old.memory.source, new.memory.source]),
        torch.cat([old.memory.source_mask, new.memory.source_mask]),
        torch.cat([old.memory.first, new.memory.first]),
    )
    names = ("numbers", "tokens", "count", "running", "scores", "finished", "finished_scores", "finished_count", "done")
    for name in names:
        setattr(old, name, torch.cat([getattr(old, name), getattr(new, name)]))
    old.bias = torch.cat([old.bias, new.bias]) if old.bias is not None and new.bias is not None else None
    settle(old)
    return old


def settle(batch: Batch) -> None:
    """Note where the rows begin."""
    first = batch.memory.first
    if len(first):
        batch.memory.begin = int(first.min())
        batch.memory.even = bool((first == batch.memory.begin).all())
    # Sources were sorted by length: what no input reaches is cut off.
    if len(batch.numbers):
        reach = int((batch.memory.source_mask[:, 0, 0] == 0).any(0).nonzero().max()) + 1
        batch.memory.source = batch.memory.source[:, :reach]
        batch.memory.source_mask = batch.memory.source_mask[..., :reach]


def drop_columns(batch: Batch) -> None:
    """Make room at the end of the cache: what is before the first row's beginning goes."""
    memory, begin = batch.memory, batch.memory.begin
    kept = memory.past[:, begin : batch.column].clone()
    memory.past[:, : kept.shape[1]] = kept
    memory.first = memory.first - begin
    memory.begin = 0
    batch.column -= begin
