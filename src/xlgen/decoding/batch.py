"""The state of the inputs that are decoded together, and how inputs join and leave it.

Notation: R inputs in the batch, K beams (or samples) per input, V tokens in the vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from transformers import LogitsProcessor

from xlgen.kernels.decoder_steps import CHUNK, PAST, KVCache, Pair

# The tensors of a batch with one row per input, apart from the KV cache.
_PER_INPUT = (
    "numbers", "prompts", "uniform", "tokens", "count", "running", "scores",
    "finished", "finished_scores", "finished_count", "done",
)  # fmt: skip
# The cache of the sources is truncated, which needs a copy, if the longest source takes at most this share of it.
_TRUNCATE_BELOW = 0.85


@dataclass
class Batch:
    """R inputs with K hypotheses each. All write their next tokens to the same column of the KV cache, and each has its
    own first column. Sequences have generated tokens only, without prompts."""

    numbers: Tensor
    """Index of each input in the caller's inputs, or -1 once its result has been returned: (R,)."""
    processors: list[Sequence[LogitsProcessor]]
    """The logits processors of each input."""
    cache: KVCache
    """Keys and values of the sources and of the previous tokens."""
    column: int
    """Column of the cache for the next tokens."""
    prompts: Tensor
    """The forced first tokens of the decoder: (R, prompt)."""
    uniform: Tensor
    """Random numbers for the steps of samples, empty for a search: (R, K, longest or 0)."""
    tokens: Tensor
    """The last token of each hypothesis: (R, K)."""
    count: Tensor
    """Number of tokens generated so far: (R,)."""
    running: Tensor
    """Tokens of the open hypotheses: (R, K, longest)."""
    scores: Tensor
    """Sums of log-probabilities of the open hypotheses: (R, K)."""
    finished: Tensor
    """Tokens of the finished hypotheses: (R, K, longest)."""
    finished_scores: Tensor
    """Scores of the finished hypotheses, best first except for samples: (R, K)."""
    finished_count: Tensor
    """Lengths of the finished hypotheses, 0 for unused places: (R, K)."""
    done: Tensor
    """Whether an input needs no more steps: (R,)."""

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def source_columns(self) -> int:
        """The number of source tokens per input, including padding."""
        return self.cache.source_mask.shape[-1]

    def input_ids(self) -> list[Tensor]:
        """The prompt and the tokens generated so far, per input: (K, prompt + count) each."""
        prompts = self.prompts[:, None].expand(-1, self.running.shape[1], -1)
        written = torch.cat([prompts, self.running], dim=2)
        lengths = self.prompts.shape[1] + self.count.clamp(max=self.running.shape[2])
        return [rows[:, :length] for rows, length in zip(written, lengths.tolist(), strict=True)]

    # -- inputs that join and leave

    def keep(self, wanted: Tensor) -> None:
        """Remove all inputs except those for which ``wanted``, (R,) of booleans, is true."""
        inputs, cache = wanted.nonzero().flatten(), self.cache
        self.cache = KVCache(
            _selected(cache.past, inputs),
            _selected(cache.source, inputs),
            cache.source_layout,
            cache.source_mask[inputs],
            cache.first[inputs],
            cache.slots[inputs],
        )
        self.processors = [self.processors[index] for index in inputs.tolist()]
        for name in _PER_INPUT:
            setattr(self, name, getattr(self, name)[inputs])
        self._compact_cache()

    def join(self, new: Batch) -> None:
        """Add the inputs of a batch that has just been prefilled; shorter sources are padded."""
        new.move(self.column, self.cache.columns)
        source_columns = max(self.source_columns, new.source_columns)
        for batch in (self, new):
            batch._pad_sources(source_columns)
        self.cache = KVCache(
            _concatenated(self.cache.past, new.cache.past),
            _concatenated(self.cache.source, new.cache.source),
            self.cache.source_layout,
            torch.cat([self.cache.source_mask, new.cache.source_mask]),
            torch.cat([self.cache.first, new.cache.first]),
            torch.cat([self.cache.slots, new.cache.slots]),
        )
        self.processors += new.processors
        for name in _PER_INPUT:
            setattr(self, name, torch.cat([getattr(self, name), getattr(new, name)]))
        self._compact_cache()

    def replace(self, rows: Tensor, new: Batch) -> None:
        """Overwrite ``rows`` with the inputs of a batch that has just been prefilled, whose sources fit."""
        begin, cache, source_columns = self.column - new.column, self.cache, new.source_columns
        if new.column:
            for pair, new_pair in zip(cache.past, new.cache.past, strict=True):
                PAST.overwrite(pair, begin, rows, new_pair)
        for pair, new_pair in zip(cache.source, new.cache.source, strict=True):
            cache.source_layout.overwrite(pair, 0, rows, new_pair)
        cache.source_mask[rows] = -torch.inf
        cache.source_mask[rows, :source_columns] = new.cache.source_mask
        cache.first[rows] = begin
        cache.slots[rows] = -1
        cache.slots[rows, :, begin : self.column] = new.cache.slots
        for row, processors in zip(rows.tolist(), new.processors, strict=True):
            self.processors[row] = processors
        for name in _PER_INPUT:
            getattr(self, name)[rows] = getattr(new, name)
        self._compact_cache()

    # -- the cache

    def move(self, column: int, columns: int) -> None:
        """Move a batch that has just been prefilled to ``column`` of a cache with ``columns`` columns."""
        cache, begin = self.cache, column - self.column
        pad = (begin, columns - column)
        cache.past = [PAST.pad(pair, *pad) for pair in cache.past]
        cache.slots = functional.pad(cache.slots, pad, value=-1)
        cache.first = torch.full_like(cache.first, begin)
        cache.even = begin == 0
        self.column = column

    def grow(self) -> None:
        """Add columns to the cache, and remove those before the first column of every unfinished input."""
        cache = self.cache
        unfinished = cache.first[~self.done]
        begin = int((unfinished if len(unfinished) else cache.first).min())
        kept = self.column - begin
        pad = (0, -kept % CHUNK or CHUNK)
        cache.slots = functional.pad(cache.slots[:, :, begin : self.column], pad, value=-1)
        used = (PAST.narrow(pair, begin, kept) for pair in cache.past)
        cache.past = [PAST.pad(pair, *pad) for pair in used]
        cache.first = (cache.first - begin).clamp(min=0)
        cache.even = bool((cache.first == 0).all())
        self.column -= begin

    def _pad_sources(self, columns: int) -> None:
        missing, cache = columns - self.source_columns, self.cache
        if missing:
            cache.source = [cache.source_layout.pad(pair, 0, missing) for pair in cache.source]
            cache.source_mask = functional.pad(cache.source_mask, (0, missing), value=-torch.inf)

    def _compact_cache(self) -> None:
        """Update ``cache.even``, and remove source columns that no input uses."""
        cache = self.cache
        if not len(self):
            return
        cache.even = bool((cache.first == 0).all())
        used = int((cache.source_mask == 0).any(0).nonzero().max()) + 1
        used += -used % CHUNK
        if used <= _TRUNCATE_BELOW * self.source_columns:
            fewer = (cache.source_layout.narrow(pair, 0, used) for pair in cache.source)
            cache.source = [(keys.contiguous(), values.contiguous()) for keys, values in fewer]
            cache.source_mask = cache.source_mask[:, :used].contiguous()


def _concatenated(first: list[Pair], second: list[Pair]) -> list[Pair]:
    pairs = zip(first, second, strict=True)
    return [(torch.cat([k, more_k]), torch.cat([v, more_v])) for (k, v), (more_k, more_v) in pairs]


def _selected(pairs: list[Pair], inputs: Tensor) -> list[Pair]:
    return [(k.index_select(0, inputs), v.index_select(0, inputs)) for k, v in pairs]
