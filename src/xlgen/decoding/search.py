"""Greedy search, beam search and sampling over a decoder's step, with the scores and rules of ``transformers``.

Inputs that are done leave the batch and waiting ones enter. All inputs are at the same column of the cache, and each
has its own first column. Notation: R inputs in the batch, K beams, N = R * K rows, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from xlgen.backbones.checking import check_states
from xlgen.core.config import BeamSearch, Sampling
from xlgen.decoding.batch import Batch, Encoded, Found, Waiting, concatenated, grow, joined, kept, moved, replaced
from xlgen.decoding.sampling import draw, uniforms, warp
from xlgen.decoding.settings import Allowed
from xlgen.kernels.beam_rules import NEVER, BeamRules, beam_rules
from xlgen.kernels.decoder_steps import CHUNK, DecoderStep, KVCache, Pair, kernels_for
from xlgen.kernels.lm_head import ChunkedLMHead, top

# A batch is rebuilt when this share of its inputs is done.
_DONE_SHARE = 0.125


@dataclass
class Search:
    """A search with its settings. Each output has at most ``longest`` tokens, including the end."""

    step: DecoderStep
    end: int
    pad: int
    longest: int
    beams: int
    length_penalty: float
    rows: int
    """Maximum concurrent inputs."""
    source_tokens: int
    """Maximum padded source tokens. Inputs that enter together may exceed both limits if the batch is empty."""
    name: str = "the model"
    hypotheses: int = 1
    sampling: Sampling | None = None
    """If set, draw ``beams`` samples for each input."""
    before: list[Pair] | None = None
    """Keys and values before every target's own, one pair per layer: (1, heads, columns, dim)."""
    allowed: Allowed | None = None
    """The allowed next tokens after the tokens generated so far."""
    beam_search: BeamSearch = "transformers"
    """The rules of beam search."""
    _head: ChunkedLMHead | None = field(init=False)
    _rules: BeamRules = field(init=False)

    def __post_init__(self) -> None:
        self._head = ChunkedLMHead(*self.step.plain_head) if self.step.plain_head is not None else None
        self._rules = beam_rules(self.beam_search, self.beams, self.longest, self.length_penalty)

    @torch.inference_mode()
    def run(self, waiting: Iterator[Waiting]) -> Iterator[Found]:
        """Yield the hypotheses of each input, in the order in which inputs are done."""
        batch: Batch | None = None
        following = next(waiting, None)
        while True:
            entering: list[Encoded] = []
            while following is not None and self._has_room(batch, entering, following):
                entering.append(following.encode())
                following = next(waiting, None)
            if entering:
                batch = self._admit(batch, self._fresh(concatenated(entering)))
            if batch is not None and following is None:
                batch = kept(batch, ~batch.done)
            if not batch:
                return
            self._advance(batch, following is not None)
            yield from self._results(batch)

    # -- inputs that enter and leave the batch

    def _has_room(self, batch: Batch | None, entering: list[Encoded], following: Waiting) -> bool:
        going = sum(len(each.numbers) for each in entering)
        lengths = [each.mask.shape[1] for each in entering]
        if batch:
            going += int((~batch.done).sum())
            lengths.append(batch.memory.source_mask.shape[-1])
        then = going + following.inputs
        return not going or (then <= self.rows and then * max(lengths) <= self.source_tokens)

    def _admit(self, batch: Batch | None, fresh: Batch) -> Batch:
        """Add inputs to the batch: in the slots of inputs that are done, or after the others."""
        if batch is not None:
            free = batch.done.nonzero().flatten()[: len(fresh)]
            if len(free) == len(fresh) and fresh.memory.source_mask.shape[-1] <= batch.memory.source_mask.shape[-1]:
                return replaced(batch, free, fresh)
            if len(free):
                batch = kept(batch, ~batch.done)
        return joined(batch, fresh) if batch else moved(fresh, fresh.column, -(-(fresh.column + 1) // CHUNK) * CHUNK)

    def _fresh(self, new: Encoded) -> Batch:
        """A batch of new inputs, with a cache as long as their prompts without the last tokens."""
        inputs, device = len(new.numbers), new.states.device
        shape = (inputs, self.beams)
        before = self.before[0][0].shape[2] if self.before else 0
        columns = before + new.prompts.shape[1] - 1
        scores = torch.zeros(shape, device=device)
        drawn = self.sampling
        if drawn is None:
            scores[:, 1:] = NEVER  # the beams begin equal, and only one of them counts
        mask = torch.zeros(new.mask.shape, dtype=new.states.dtype, device=device)
        mask.masked_fill_(new.mask == 0, -torch.inf)
        memory = KVCache(
            self.step.new_past(inputs, self.beams, columns, new.states),
            self.step.source(new.states),
            mask[:, None, None],
            torch.zeros(inputs, dtype=torch.long, device=device),
            torch.zeros((*shape, columns), dtype=torch.long, device=device),
        )
        self._begin(new.prompts, memory, before)
        empty = torch.full((*shape, self.longest), self.pad, dtype=torch.long, device=device)
        return Batch(
            numbers=torch.tensor(new.numbers, device=device),
            memory=memory,
            column=columns,
            tokens=new.prompts[:, -1:].repeat(1, self.beams),
            bias=new.bias,
            count=torch.zeros(inputs, dtype=torch.long, device=device),
            running=empty,
            scores=scores,
            finished=empty.clone(),
            finished_scores=torch.full(shape, NEVER, device=device),
            finished_count=torch.zeros(shape, dtype=torch.long, device=device),
            done=torch.zeros(inputs, dtype=torch.bool, device=device),
            uniform=uniforms(drawn.seed, new.keys, self.beams, self.longest).to(device) if drawn else None,
        )

    def _begin(self, prompts: Tensor, memory: KVCache, before: int) -> None:
        """Fill the cache with ``self.before``, and with all tokens of the prompts but the last."""
        single = memory.single()
        for (keys, values), (first_keys, first_values) in zip(single.past, self.before or (), strict=False):
            keys[:, :before, 0] = first_keys.transpose(1, 2)
            values[:, :before, 0] = first_values.transpose(1, 2)
        for place in range(prompts.shape[1] - 1):
            self.step.hidden(prompts[:, place], single, before + place)

    # -- steps

    def _advance(self, batch: Batch, more: bool) -> None:
        """Take steps until enough inputs are done: all, or a share of them, which is smaller if others wait."""
        size = len(batch)
        while True:
            self._step(batch)
            done = int(batch.done.sum())
            if done == size or (done >= _DONE_SHARE * size and (more or done >= size / 2)):
                return

    def _step(self, batch: Batch) -> None:
        if batch.column == batch.memory.columns:
            grow(batch)
        batch.memory.slots[:, :, batch.column] = torch.arange(self.beams, device=batch.tokens.device)
        hidden = self.step.hidden(batch.tokens.flatten(), batch.memory, batch.column)  # (N, width)
        check_states(hidden, self.name)
        # The bias is added to log-probabilities, which are not renormalised.
        bias = batch.bias.repeat_interleave(self.beams, dim=0) if batch.bias is not None else None
        if self.allowed is not None:
            rows = self._allowed_next(batch, self.allowed)
            bias = rows if bias is None else bias + rows
        if self.sampling is not None:
            logits = self.step.logits(hidden).float()  # (N, V)
            self._sample(batch, logits if bias is None else logits + bias, logits.logsumexp(-1), self.sampling)
        elif self.beams == 1:
            self._greedy(batch, self._best(hidden, bias, 1)[1][:, 0])
        else:
            self._continue(batch, *self._best(hidden, bias, 2 * self.beams))
        batch.column += 1
        batch.count += 1

    def _allowed_next(self, batch: Batch, allowed: Allowed) -> Tensor:
        """The bias of ``allowed`` for each row, from its tokens so far: (N, V)."""
        counts = batch.count.clamp(max=self.longest).tolist()
        written = zip(batch.running.tolist(), counts, strict=True)
        return torch.stack([allowed(tuple(row[:n])) for rows, n in written for row in rows]).to(batch.tokens.device)

    def _best(self, hidden: Tensor, bias: Tensor | None, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """The best tokens of each row with their logits, and log-sum-exps of all logits: (N, count) twice and (N,)."""
        normalise = self.beams > 1
        if self._head is not None:
            return self._head.best(hidden, bias, count, normalise)
        logits = self.step.logits(hidden).float()
        normalizer = logits.logsumexp(-1) if normalise else logits.new_zeros(len(logits))
        return *top(logits if bias is None else logits + bias, count), normalizer

    def _greedy(self, batch: Batch, best: Tensor) -> None:
        batch.running.scatter_(2, batch.count[:, None, None].clamp(max=self.longest - 1), best[:, None, None])
        ends = (best == self.end) | (batch.count + 1 >= self.longest)
        newly = ends & ~batch.done
        batch.finished = torch.where(newly[:, None, None], batch.running, batch.finished)
        batch.finished_count = torch.where(newly[:, None], (batch.count + 1)[:, None], batch.finished_count)
        batch.finished_scores = batch.finished_scores.masked_fill(newly[:, None], 0.0)
        batch.done |= ends
        batch.tokens = best[:, None]

    def _sample(self, batch: Batch, logits: Tensor, normalizer: Tensor, sampling: Sampling) -> None:
        shape = batch.scores.shape
        place = batch.count.clamp(max=self.longest - 1)[:, None, None].expand(*shape, 1)
        assert batch.uniform is not None
        token = draw(warp(logits, sampling), batch.uniform.gather(2, place).flatten())  # (N,)
        batch.tokens = token.view(shape)
        batch.scores = batch.scores + (logits.gather(1, token[:, None])[:, 0] - normalizer).view(shape)
        batch.running.scatter_(2, place, batch.tokens[:, :, None])
        length = (batch.count + 1)[:, None]  # (R, 1)
        ends = (batch.tokens == self.end) | (length >= self.longest)
        newly = ends & (batch.finished_count == 0)
        batch.finished = torch.where(newly[:, :, None], batch.running, batch.finished)
        batch.finished_count = torch.where(newly, length, batch.finished_count)
        penalized = batch.scores / self._divisors(length)
        batch.finished_scores = torch.where(newly, penalized, batch.finished_scores)
        batch.done |= (batch.finished_count > 0).all(1)

    def _continue(self, batch: Batch, best: Tensor, ids: Tensor, normalizer: Tensor) -> None:
        if kernels_for(best) is None:
            self._beam(batch, best, ids, normalizer)
        else:
            from xlgen.kernels.beam_step import beam

            beam(best, ids, normalizer, self._rules, self.end, batch, batch.memory.slots)

    def _divisors(self, lengths: Tensor) -> Tensor:
        """The divisors of scores for these lengths; the length of an input that is done may exceed the limit."""
        self._rules = self._rules.on(lengths.device)
        return self._rules.divisors[lengths.clamp(max=self.longest)]

    def _beam(self, batch: Batch, best: Tensor, ids: Tensor, normalizer: Tensor) -> None:
        inputs, beams = batch.scores.shape
        wide = 2 * beams
        # The best of all K * V continuations are among the best of each beam: (N, 2K).
        best = best - normalizer[:, None] + batch.scores.flatten()[:, None]
        scores, flat = best.view(inputs, -1).topk(wide)  # (R, 2K) over (R, K * 2K)
        parents = flat // wide  # (R, 2K): the beam of each continuation
        tokens = ids.view(inputs, -1).gather(1, flat)
        place = batch.count.clamp(max=self.longest - 1)
        sequences = batch.running.gather(1, parents[:, :, None].expand(-1, -1, self.longest))
        sequences = sequences.scatter(2, place[:, None, None].expand(-1, wide, 1), tokens[:, :, None])
        length = (batch.count + 1)[:, None]  # (R, 1)
        ends = (tokens == self.end) | ((length >= self.longest) & self._rules.limit_ends)
        self._finish(batch, sequences, scores, ends, length)
        # The best K that continue.
        open_scores = scores + ends * NEVER
        batch.scores, continuing = open_scores.topk(beams)
        batch.tokens = tokens.gather(1, continuing)
        batch.running = sequences.gather(1, continuing[:, :, None].expand(-1, -1, self.longest))
        slots = batch.memory.slots
        came_from = parents.gather(1, continuing)  # (R, K): the beam that each continues
        batch.memory.slots = slots.gather(1, came_from[:, :, None].expand_as(slots))
        if not self._rules.limit_ends:
            self._finish_at_limit(batch, length)
        # No beam that continues can beat the worst finished one.
        hope = batch.scores[:, 0] / self._rules.hopes[length[:, 0].clamp(max=self.longest)]
        worst = torch.where(batch.finished_count > 0, batch.finished_scores.amin(1, keepdim=True), NEVER)
        batch.done |= (length[:, 0] >= self.longest) | ~(hope[:, None] > worst).any(1)

    def _finish(self, batch: Batch, sequences: Tensor, scores: Tensor, ends: Tensor, length: Tensor) -> None:
        """Merge the best continuations that end into the list of finished hypotheses."""
        beams, some = self.beams, self._rules.ending
        ending = ends[:, :some] & ~batch.done[:, None]
        penalized = torch.where(ending, scores[:, :some] / self._divisors(length), NEVER)
        # An empty slot scores as low as a hypothesis that does not end, and comes before it.
        merged = torch.cat([batch.finished_scores, penalized], dim=1)
        batch.finished_scores, best = merged.topk(beams)
        counts = torch.cat([batch.finished_count, torch.where(ending, length, 0)], dim=1)
        batch.finished_count = counts.gather(1, best)
        both = torch.cat([batch.finished, sequences[:, :some]], dim=1)
        batch.finished = both.gather(1, best[:, :, None].expand(-1, -1, self.longest))

    def _finish_at_limit(self, batch: Batch, length: Tensor) -> None:
        """At the token limit, fill empty slots of finished hypotheses with open ones.

        If none has finished, they keep their sums of log-probabilities as scores; else they rank after finished ones.
        """
        count = (batch.finished_count > 0).sum(1, keepdim=True)  # (R, 1); finished ones are first
        place = torch.arange(self.beams, device=count.device)[None] - count  # (R, K): the open one for each slot
        free = (place >= 0) & ((length >= self.longest) & ~batch.done[:, None])
        place = place.clamp(min=0)
        scores = batch.scores.gather(1, place) + NEVER * (count > 0)
        running = batch.running.gather(1, place[:, :, None].expand_as(batch.running))
        batch.finished_scores = torch.where(free, scores, batch.finished_scores)
        batch.finished = torch.where(free[:, :, None], running, batch.finished)
        batch.finished_count = torch.where(free, length, batch.finished_count)

    def _results(self, batch: Batch) -> Iterator[Found]:
        """Yield the results of inputs that are done, each once."""
        for row in (batch.done & (batch.numbers >= 0)).nonzero().flatten().tolist():
            # Samples finish in any order.
            best = batch.finished_scores[row].sort(descending=True, stable=True)[1][: self.hypotheses]
            counts = batch.finished_count[row, best].tolist()
            sequences = batch.finished[row, best].tolist()
            tokens = [sequence[:count] for sequence, count in zip(sequences, counts, strict=True)]
            yield Found(int(batch.numbers[row]), tokens, batch.finished_scores[row, best].tolist())
        batch.numbers = batch.numbers.masked_fill(batch.done, -1)


def cache_columns(prompt: int, longest: int) -> int:
    """An upper bound of the cache columns of a search, for prompts of ``prompt`` and ``longest`` new tokens.

    An input that is done stays for at most ``longest`` steps, and the cache grows by whole chunks.
    """
    return prompt + 2 * longest + 2 * CHUNK
