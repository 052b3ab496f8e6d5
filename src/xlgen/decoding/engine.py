"""The decoding engine: continuous batching over a decoder's step.

Inputs that are done leave the batch, and waiting ones take their places. ``prefill``, ``admit``, ``step`` and ``evict``
are the life of an input; ``advance`` calls them.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from xlgen.backbones.base import Backbone
from xlgen.backbones.checking import check_states
from xlgen.data.examples import EncodedExample
from xlgen.decoding.batch import Batch
from xlgen.decoding.logits import Processors
from xlgen.decoding.search import Search
from xlgen.kernels.beam_rules import NEVER
from xlgen.kernels.decoder_steps import CHUNK, PAST, KVCache

Observer = Callable[[Sequence[EncodedExample], Tensor, Tensor], None]
"""Receives inputs with their encoder states, (inputs, source, width), and the mask of their tokens."""

# Results are returned when this share of the inputs is done.
_DONE_SHARE = 0.125


class Input(NamedTuple):
    """One input, with its index in the caller's inputs."""

    number: int
    example: EncodedExample


class Result(NamedTuple):
    """The hypotheses of one input, best first."""

    number: int
    tokens: list[list[int]]
    scores: list[float]


class Engine:
    """Decodes inputs in a batch of at most ``max_inputs`` inputs and ``max_source_tokens`` padded source tokens.

    Inputs arrive in groups, which are encoded together; a group may exceed both limits if the batch is empty. ``count``
    hypotheses of each are returned.
    """

    def __init__(
        self,
        backbone: Backbone,
        search: Search,
        *,
        max_inputs: int,
        max_source_tokens: int,
        count: int = 1,
        processors: Processors | None = None,
        observe: Observer | None = None,
    ) -> None:
        self.backbone, self.search, self.decoder = backbone, search, search.decoder
        self.max_inputs, self.max_source_tokens, self.count = max_inputs, max_source_tokens, count
        self._processors: Processors = processors or (lambda language, source: ())
        self._observe = observe
        self._before = backbone.states_before_target() or []
        self.device = next(backbone.model.parameters()).device
        self.waiting: deque[list[Input]] = deque()
        self.batch: Batch | None = None

    @torch.inference_mode()
    @np.errstate(all="ignore")  # states that are not finite are an error below
    def advance(self) -> list[Result]:
        """Admit the waiting inputs that fit, decode until enough inputs are done, and return the results of these."""
        batch, entering = self.batch, [self.waiting.popleft() for _ in range(self.fitting)]
        if entering:
            batch = self.admit(batch, self.prefill(entering))
        assert batch is not None, "no inputs"
        if not self.waiting:
            batch.keep(~batch.done)  # no input is left to take their places
        self.batch = batch
        while True:
            self.step(batch)
            done = int(batch.done.sum())
            if done >= _DONE_SHARE * len(batch) and (self.waiting or done >= len(batch) / 2):
                return self.evict(batch)

    @property
    def fitting(self) -> int:
        """The number of waiting groups that fit into the batch."""
        inputs = int((~self.batch.done).sum()) if self.batch else 0
        columns = self.batch.source_columns if self.batch else 0
        for place, group in enumerate(self.waiting):
            then = inputs + len(group)
            if inputs and (then > self.max_inputs or then * columns > self.max_source_tokens):
                return place
            longest = max(len(each.example.source) for each in group) + self.backbone.reserved_source
            inputs, columns = then, max(columns, longest)
        return len(self.waiting)

    @property
    def is_idle(self) -> bool:
        """Whether all inputs have been decoded."""
        return not self.waiting and (self.batch is None or bool(self.batch.done.all()))

    def prefill(self, groups: Sequence[Sequence[Input]]) -> Batch:
        """Encode each group, and let the decoder read the prompts, except for their last tokens."""
        inputs = [each for group in groups for each in group]
        states, mask = self._encode(groups)  # (R, source, width) and (R, source)
        prompts = self.backbone.decoder_start([each.example.language for each in inputs]).to(self.device)
        cache = self._prompt_cache(prompts, states, mask)
        shape = (len(inputs), self.search.beams, self.search.longest)
        padding = torch.full(shape, self.backbone.tokenizer.pad_token_id, device=self.device)
        keys = [zlib.crc32(f"{each.example.language} {each.example.source}".encode()) for each in inputs]
        return Batch(
            numbers=torch.tensor([each.number for each in inputs], device=self.device),
            processors=[self._processors(each.example.language, each.example.source) for each in inputs],
            cache=cache,
            column=cache.columns,
            prompts=prompts,
            uniform=self.search.random_numbers(keys).to(self.device),
            tokens=prompts[:, -1:].repeat(1, self.search.beams),
            count=torch.zeros(len(inputs), dtype=torch.long, device=self.device),
            running=padding,
            scores=self.search.initial_scores(len(inputs)).to(self.device),
            finished=padding.clone(),
            finished_scores=torch.full(shape[:2], NEVER, device=self.device),
            finished_count=torch.zeros(shape[:2], dtype=torch.long, device=self.device),
            done=torch.zeros(len(inputs), dtype=torch.bool, device=self.device),
        )

    def admit(self, batch: Batch | None, new: Batch) -> Batch:
        """Add inputs to the batch: in the places of inputs that are done, or after the others."""
        if batch is not None:
            free = batch.done.nonzero().flatten()[: len(new)]
            if len(free) == len(new) and new.source_columns <= batch.source_columns:
                batch.replace(free, new)
                return batch
            if len(free):
                batch.keep(~batch.done)
        if batch:
            batch.join(new)
            return batch
        new.move(new.column, _whole(new.column + 1))
        return new

    def step(self, batch: Batch) -> None:
        """Add a token to every hypothesis of the batch."""
        if batch.column == batch.cache.columns:
            batch.grow()
        batch.cache.slots[:, :, batch.column] = torch.arange(self.search.beams, device=self.device)
        hidden = self.decoder.hidden(batch.tokens.flatten(), batch.cache, batch.column)  # (R * K, width)
        check_states(hidden, self.backbone.name)
        self.search.extend(batch, hidden)
        batch.column += 1
        batch.count += 1

    def evict(self, batch: Batch) -> list[Result]:
        """The results of inputs that are done, each once. Their places are free from now on."""
        results = []
        for row in (batch.done & (batch.numbers >= 0)).nonzero().flatten().tolist():
            # Samples finish in any order.
            best = batch.finished_scores[row].sort(descending=True, stable=True)[1][: self.count]
            lengths = batch.finished_count[row, best].tolist()
            tokens = [ids[:length] for ids, length in zip(batch.finished[row, best].tolist(), lengths, strict=True)]
            results.append(Result(int(batch.numbers[row]), tokens, batch.finished_scores[row, best].tolist()))
        batch.numbers = batch.numbers.masked_fill(batch.done, -1)
        return results

    # -- parts of prefill

    def _encode(self, groups: Sequence[Sequence[Input]]) -> tuple[Tensor, Tensor]:
        """Encoder states, (R, source, width), and the mask of their tokens, (R, source), virtual ones included."""
        encoded = []
        for group in groups:
            examples = [each.example for each in group]
            tensors = self.backbone.collate_sources(examples)
            ids, mask = tensors["input_ids"].to(self.device), tensors["attention_mask"].to(self.device)
            states = self.backbone.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
            if self._observe is not None:
                self._observe(examples, states[:, -mask.shape[1] :], mask)
            encoded.append((states, functional.pad(mask, (states.shape[1] - mask.shape[1], 0), value=1)))
        longest = max(mask.shape[1] for _, mask in encoded)
        return (
            torch.cat([functional.pad(states, (0, 0, 0, longest - states.shape[1])) for states, _ in encoded]),
            torch.cat([functional.pad(mask, (0, longest - mask.shape[1])) for _, mask in encoded]),
        )

    def _prompt_cache(self, prompts: Tensor, states: Tensor, mask: Tensor) -> KVCache:
        """Keys and values of the sources, of what precedes every target, and of the prompts but their last tokens."""
        inputs, beams, before = len(prompts), self.search.beams, self._before
        reserved = before[0][0].shape[2] if before else 0
        columns = reserved + prompts.shape[1] - 1
        wide, source = _whole(columns), self.decoder.source(states)
        source_mask = torch.zeros(mask.shape, device=self.device).masked_fill_(mask == 0, -torch.inf)
        # All beams begin with the same tokens, so the first slot has them all.
        cache = KVCache(
            self.decoder.new_past(inputs, 1, wide, states),
            source,
            self.decoder.source_layout,
            functional.pad(source_mask, (0, source[0][1].shape[2] - mask.shape[1]), value=-torch.inf),
            torch.zeros(inputs, dtype=torch.long, device=self.device),
            torch.zeros((inputs, 1, wide), dtype=torch.long, device=self.device),
        )
        for (keys, values), (first_keys, first_values) in zip(cache.past, before, strict=False):
            keys[:, :, :, :reserved, 0] = first_keys.transpose(2, 3)
            values[:, :reserved, 0] = first_values.transpose(1, 2).flatten(2)
        for place in range(prompts.shape[1] - 1):
            self.decoder.hidden(prompts[:, place], cache, reserved + place)
        slots = (0, beams - 1)
        used = (PAST.narrow(pair, 0, columns) for pair in cache.past)
        cache.past = [(functional.pad(keys, slots), functional.pad(values, (0, 0, *slots))) for keys, values in used]
        cache.slots = cache.slots[:, :, :columns].repeat(1, beams, 1)
        return cache


def _whole(columns: int) -> int:
    """``columns`` and as many more as make a multiple of CHUNK."""
    return columns + -columns % CHUNK


def cache_columns(prompt: int, longest: int) -> int:
    """An upper bound of the cache columns of a search, for prompts of ``prompt`` and ``longest`` new tokens.

    An input that is done stays for at most ``longest`` steps, and the cache grows by whole chunks.
    """
    return prompt + 2 * longest + 2 * CHUNK
