"""Token-budget batches: bucketed by length, shuffled by a seed, and identical after a resume."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypedDict

from xlgen.core.config_texts import rates_fault
from xlgen.data.examples import EncodedExample
from xlgen.data.readers import DataError

# Number of examples sorted by length at once. Large enough for the examples of a batch to have similar lengths, small
# enough that text corrupted on the fly is made shortly before it is used.
_WINDOW = 4_096


def budget_batches(
    lengths: Sequence[tuple[int, int]], budget: int, max_examples: int | None = None
) -> Iterator[list[int]]:
    """Indices of ``lengths`` (source, target), sorted by length, in batches within the budget.

    A batch of ``n`` examples costs ``n * longest source`` and ``n * longest target`` tokens, including padding; each is
    at most ``budget`` (fairseq's ``--max-tokens``). Raises DataError for a single example over the budget.
    """
    batch: list[int] = []
    longest = (0, 0)
    for index in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        if max(lengths[index]) > budget:
            raise DataError(
                f"an example of {lengths[index][0]} source and {lengths[index][1]} target tokens is longer than a "
                f"whole batch (batch_tokens {budget}); raise batch_tokens or lower the task's max_source_tokens"
            )
        grown = (max(longest[0], lengths[index][0]), max(longest[1], lengths[index][1]))
        if batch and (max(grown) * (len(batch) + 1) > budget or len(batch) == max_examples):
            yield batch
            batch, grown = [], lengths[index]
        batch.append(index)
        longest = grown
    if batch:
        yield batch


def padding_share(batch: Sequence[EncodedExample]) -> tuple[int, int]:
    """(padding tokens, all tokens) of a batch, over source and target."""
    sources, targets = [len(e.source) for e in batch], [len(e.target) for e in batch]
    whole = len(batch) * (max(sources) + max(targets))
    return whole - sum(sources) - sum(targets), whole


@dataclass
class Part:
    """One part of a mixture: ``size`` examples, each made by ``make(index, epoch)``."""

    name: str
    size: int
    make: Callable[[int, int], EncodedExample]
    rate: float | None = None
    """Share of all batches or examples. If None, a share of the remainder in proportion to ``weight``."""
    weight: float = 1.0
    task: str = ""
    """The ``task`` of its examples."""
    languages: tuple[str, ...] = ()
    """The languages of its examples."""


def shares(parts: Sequence[Part]) -> list[float]:
    """Each part's share of the whole; they sum to 1. Raises DataError if the rates leave too little."""
    open_parts = [part for part in parts if part.rate is None]
    if fault := rates_fault([part.rate for part in parts], next((part.name for part in open_parts), None)):
        raise DataError(fault)
    fixed = math.fsum(part.rate for part in parts if part.rate is not None)
    weight = math.fsum(part.weight for part in open_parts)
    return [(1 - fixed) * part.weight / weight if part.rate is None else part.rate for part in parts]


@dataclass
class _PartStream:
    """Endless batches of one part. Its state is (epoch, window, batches already taken from that window)."""

    part: Part
    seed: int
    budget: int
    max_examples: int | None
    state: list[int] = field(default_factory=lambda: [0, 0, 0])
    _ready: list[list[EncodedExample]] | None = None

    def next(self) -> list[EncodedExample]:
        if self._ready is None:
            self._ready = self._window()
        while self.state[2] >= len(self._ready):
            epoch, window, _ = self.state
            last = (window + 1) * _WINDOW >= self.part.size
            self.state = [epoch + 1, 0, 0] if last else [epoch, window + 1, 0]
            self._ready = self._window()
        self.state[2] += 1
        return self._ready[self.state[2] - 1]

    def _window(self) -> list[list[EncodedExample]]:
        epoch, window, _ = self.state
        key = f"{self.seed}/{self.part.name}/{epoch}"
        order = list(range(self.part.size))
        random.Random(key).shuffle(order)
        chosen = order[window * _WINDOW : (window + 1) * _WINDOW]
        examples = [self.part.make(index, epoch) for index in chosen]
        lengths = [(len(e.source), len(e.target)) for e in examples]
        batches = [[examples[i] for i in batch] for batch in budget_batches(lengths, self.budget, self.max_examples)]
        random.Random(f"{key}/{window}").shuffle(batches)
        return batches


MixBy: TypeAlias = Literal["batches", "examples"]


class StreamState(TypedDict):
    """The place of a stream in its data, as checkpoints hold it."""

    taken: list[int]
    """Number of batches or examples taken from each part."""
    streams: list[list[int]]
    """The state of each part's stream."""


class BatchStream:
    """Endless batches of a mixture. Batches come from one part each, in exact proportion to the shares.

    ``mix_by`` sets whether shares count batches or examples. If they count examples, a part of short texts, whose
    batches have many examples, gets few batches. At any time, a part deviates from its share by the examples of a few
    batches at most.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        seed: int,
        budget: int,
        max_examples: int | None = None,
        mix_by: MixBy = "batches",
    ) -> None:
        for part in parts:
            if part.size == 0:
                raise DataError(f"nothing to train on: {part.name} is empty")
        self.parts = tuple(parts)
        self.shares = shares(parts)
        self._streams = [_PartStream(part, seed, budget, max_examples) for part in parts]
        self._mix_by = mix_by
        self._taken = [0] * len(parts)
        """Number of batches or examples taken from each part."""

    def __iter__(self) -> Iterator[list[EncodedExample]]:
        return self

    def __next__(self) -> list[EncodedExample]:
        done = sum(self._taken)
        # Take the part furthest below its share: proportions are exact in the long run, without random draws.
        deficits = [share * (done + 1) - taken for share, taken in zip(self.shares, self._taken, strict=True)]
        chosen = deficits.index(max(deficits))
        batch = self._streams[chosen].next()
        self._taken[chosen] += len(batch) if self._mix_by == "examples" else 1
        return batch

    def state(self) -> StreamState:
        """The state to save for resuming the stream."""
        return {"taken": list(self._taken), "streams": [list(stream.state) for stream in self._streams]}

    def restore(self, state: StreamState) -> None:
        """Resume from a saved state."""
        self._taken = list(state["taken"])
        for stream, saved in zip(self._streams, state["streams"], strict=True):
            stream.state = list(saved)
            stream._ready = None
