"""Logits processors: what constrains outputs, with the protocol of ``transformers``.

A processor maps the ids written so far, (rows, length), and scores of the next tokens, (rows, vocabulary), to new
scores. In xlgen's engine every input has its own processors, called with the rows of that input's hypotheses, so any
processor of ``transformers`` works, including those that know their input. Scores are logits in greedy search and
sampling, and log-probabilities in beam search, as in ``transformers``; they are not renormalized afterwards.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor
from transformers import LogitsProcessor

Scores: TypeAlias = Any
"""Scores of the next tokens, (rows, vocabulary). The library declares ``torch.FloatTensor``, and PyTorch declares
``Tensor`` for the results of operations."""

Processors = Callable[[str, tuple[int, ...]], Sequence[LogitsProcessor]]
"""Maps an input, given as target language and source ids, to its logits processors."""


def for_all(*processors: LogitsProcessor) -> Processors:
    """The same processors for every input."""
    return lambda language, source: processors


class BiasProcessor(LogitsProcessor, ABC):
    """Base of processors that add a bias to the scores. The engine applies it to parts of a large vocabulary."""

    @abstractmethod
    def bias(self, input_ids: Tensor) -> Tensor:
        """The bias for the ids written so far, prompt included: (rows, vocabulary), or (vocabulary,) for all rows."""

    def __call__(self, input_ids: Tensor, scores: Scores) -> Scores:
        """``scores`` with the bias."""
        return scores + self.bias(input_ids).to(scores.device)


class TokenBias(BiasProcessor):
    """Adds a constant to the score of each token: (vocabulary,)."""

    def __init__(self, values: Tensor) -> None:
        self._values = values

    def bias(self, input_ids: Tensor) -> Tensor:
        """The constant bias."""
        return self._values


class AllowedTokens(BiasProcessor):
    """Excludes all tokens that :meth:`following` does not allow, given the ids written after the prompt."""

    def __init__(self, prompt: int, vocabulary: int) -> None:
        """Skip the first ``prompt`` ids; ``vocabulary`` is the number of logits."""
        self._prompt, self._vocabulary = prompt, vocabulary
        self._rows: dict[tuple[int, ...], Tensor] = {}

    @abstractmethod
    def following(self, written: Sequence[int]) -> list[int]:
        """The allowed next ids."""

    def bias(self, input_ids: Tensor) -> Tensor:
        """(rows, vocabulary): 0 for allowed tokens, minus infinity for others."""
        written = input_ids[:, self._prompt :].tolist()
        return torch.stack([self._row(tuple(self.following(ids)), input_ids.device) for ids in written])

    def _row(self, allowed: tuple[int, ...], device: torch.device) -> Tensor:
        if allowed not in self._rows:
            row = torch.full((self._vocabulary,), -torch.inf, device=device)
            self._rows[allowed] = row.index_fill(0, torch.tensor(allowed, device=device), 0.0)
        return self._rows[allowed]


class PerInput(LogitsProcessor):
    """Applies the processors of each input to the rows of its hypotheses, which are consecutive."""

    def __init__(self, processors: Sequence[Sequence[LogitsProcessor]]) -> None:
        self._processors = processors

    def __call__(self, input_ids: Tensor, scores: Scores) -> Scores:
        """``scores`` after the processors."""
        inputs = len(self._processors)
        rows = zip(self._processors, input_ids.chunk(inputs), scores.chunk(inputs), strict=True)
        parts = []
        for processors, ids, part in rows:
            for processor in processors:
                part = processor(ids, part)
            parts.append(part)
        return torch.cat(parts)
