"""The choice of the next tokens: greedy search, beam search and sampling, with the rules of ``transformers``.

Notation: R inputs in the batch, K beams (or samples) per input, N = R * K rows, V tokens in the vocabulary.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import reduce

import numpy as np
import torch
from torch import Tensor
from transformers import LogitsProcessor, TemperatureLogitsWarper, TopKLogitsWarper

from xlgen.core.config import Sampling
from xlgen.decoding.batch import Batch
from xlgen.decoding.logits import BiasProcessor, Scores
from xlgen.decoding.settings import Decoding
from xlgen.kernels.beam_rules import NEVER, BeamRules, beam_rules
from xlgen.kernels.decoder_steps import DecoderStep, kernels_for
from xlgen.kernels.lm_head import ChunkedLMHead, top


class Search(ABC):
    """Adds a token to every hypothesis of a batch, each of at most ``longest`` tokens, including the end."""

    def __init__(self, decoder: DecoderStep, beams: int, longest: int, end: int) -> None:
        self.decoder, self.beams, self.longest, self.end = decoder, beams, longest, end
        self._head = ChunkedLMHead(*decoder.plain_head) if decoder.plain_head is not None else None

    @abstractmethod
    def extend(self, batch: Batch, hidden: Tensor) -> None:
        """Add a token to each hypothesis, given the decoder's last hidden states: (N, width)."""

    def initial_scores(self, inputs: int) -> Tensor:
        """Scores of hypotheses without tokens: (R, K). Beams begin equal, so only the first of them counts."""
        scores = torch.zeros(inputs, self.beams)
        scores[:, 1:] = NEVER
        return scores

    def random_numbers(self, keys: Sequence[int]) -> Tensor:
        """Random numbers for inputs with these keys, if the search needs any: (R, K, longest or 0)."""
        return torch.zeros(len(keys), self.beams, 0)

    # -- the logits pipeline

    def _best(self, batch: Batch, hidden: Tensor, count: int, normalize: bool) -> tuple[Tensor, Tensor, Tensor]:
        """The best tokens of each row: scores and ids, (N, count) each, and what to subtract from the scores, (N,).

        With ``normalize``, the differences are log-probabilities, else only their order is meaningful.
        """
        processors = [each for of_input in batch.processors for each in of_input]
        additive = all(isinstance(each, BiasProcessor) for each in processors) and all(batch.processors)
        if self._head is not None and (additive or not processors):
            return self._head.best(hidden, self._bias(batch) if processors else None, count, normalize)
        logits = self.decoder.logits(hidden).float()  # (N, V)
        if processors:
            scores = self._process(batch, logits.log_softmax(-1) if normalize else logits)
            return *top(scores, count), scores.new_zeros(len(scores))
        return *top(logits, count), logits.logsumexp(-1) if normalize else logits.new_zeros(len(logits))

    def _bias(self, batch: Batch) -> Tensor:
        """The sum of the biases of each row, where all processors are additive: (N, V)."""
        biases = []
        for processors, ids in zip(batch.processors, batch.input_ids(), strict=True):
            of_input = [each.bias(ids).to(ids.device) for each in processors if isinstance(each, BiasProcessor)]
            biases.append(reduce(torch.add, of_input).expand(self.beams, -1))
        return torch.cat(biases)

    def _process(self, batch: Batch, scores: Tensor) -> Tensor:
        """Scores of all tokens, (N, V), after the processors of each input, called with the rows of that input."""
        if not any(batch.processors):
            return scores
        parts = []
        for processors, ids, part in zip(batch.processors, batch.input_ids(), scores.split(self.beams), strict=True):
            for processor in processors:
                part = processor(ids, part)
            parts.append(part)
        return torch.cat(parts)


class GreedySearch(Search):
    """Take the best token at every step."""

    def extend(self, batch: Batch, hidden: Tensor) -> None:
        """See :meth:`Search.extend`."""
        best = self._best(batch, hidden, 1, normalize=False)[1][:, 0]  # (N,)
        batch.running.scatter_(2, batch.count[:, None, None].clamp(max=self.longest - 1), best[:, None, None])
        ends = (best == self.end) | (batch.count + 1 >= self.longest)
        newly = ends & ~batch.done
        batch.finished = torch.where(newly[:, None, None], batch.running, batch.finished)
        batch.finished_count = torch.where(newly[:, None], (batch.count + 1)[:, None], batch.finished_count)
        batch.finished_scores = batch.finished_scores.masked_fill(newly[:, None], 0.0)
        batch.done |= ends
        batch.tokens = best[:, None]


class BeamSearch(Search):
    """Keep the K best hypotheses of each input, by the rules of :mod:`xlgen.kernels.beam_rules`."""

    def __init__(self, decoder: DecoderStep, beams: int, longest: int, end: int, rules: BeamRules) -> None:
        super().__init__(decoder, beams, longest, end)
        self._rules = rules

    def extend(self, batch: Batch, hidden: Tensor) -> None:
        """See :meth:`Search.extend`."""
        best, ids, normalizer = self._best(batch, hidden, 2 * self.beams, normalize=True)
        if kernels_for(best) is None:
            self._rules = self._rules.on(best.device)
            _extend_beams(batch, best - normalizer[:, None], ids, self._rules, self.end)
        else:
            from xlgen.kernels.beam_step import beam

            beam(best, ids, normalizer, self._rules, self.end, batch, batch.cache.slots)


def _extend_beams(batch: Batch, log_probs: Tensor, ids: Tensor, rules: BeamRules, end: int) -> None:
    """:func:`xlgen.kernels.beam_step.beam` with PyTorch operations, given the best 2K tokens of each row: (N, 2K)."""
    inputs, beams, longest = batch.running.shape
    wide = 2 * beams
    # The best of all K * V continuations are among the best of each beam.
    scores, flat = (log_probs + batch.scores.flatten()[:, None]).view(inputs, -1).topk(wide)  # (R, 2K) of K * 2K
    parents = flat // wide  # (R, 2K): the beam of each continuation
    tokens = ids.view(inputs, -1).gather(1, flat)
    place = batch.count.clamp(max=longest - 1)
    sequences = batch.running.gather(1, parents[:, :, None].expand(-1, -1, longest))
    sequences = sequences.scatter(2, place[:, None, None].expand(-1, wide, 1), tokens[:, :, None])
    length = (batch.count + 1)[:, None]  # (R, 1)
    ends = (tokens == end) | ((length >= longest) & rules.limit_ends)
    _finish(batch, sequences, scores, ends, rules)
    # The best K that continue.
    batch.scores, continuing = (scores + ends * NEVER).topk(beams)
    batch.tokens = tokens.gather(1, continuing)
    batch.running = sequences.gather(1, continuing[:, :, None].expand(-1, -1, longest))
    slots = batch.cache.slots
    came_from = parents.gather(1, continuing)  # (R, K): the beam that each continues
    batch.cache.slots = slots.gather(1, came_from[:, :, None].expand_as(slots))
    if not rules.limit_ends:
        _finish_at_limit(batch, length)
    # No beam that continues can beat the worst finished one.
    hope = batch.scores[:, 0] / rules.hopes[length[:, 0].clamp(max=longest)]
    worst = torch.where(batch.finished_count > 0, batch.finished_scores.amin(1, keepdim=True), NEVER)
    batch.done |= (length[:, 0] >= longest) | ~(hope[:, None] > worst).any(1)


def _finish(batch: Batch, sequences: Tensor, scores: Tensor, ends: Tensor, rules: BeamRules) -> None:
    """Merge the best continuations that end, of (R, 2K), into the list of finished hypotheses."""
    _, beams, longest = batch.running.shape
    some, length = rules.ending, (batch.count + 1)[:, None]
    ending = ends[:, :some] & ~batch.done[:, None]
    penalized = torch.where(ending, scores[:, :some] / rules.divisors[length.clamp(max=longest)], NEVER)
    # An empty slot scores as low as a hypothesis that does not end, and comes before it.
    batch.finished_scores, best = torch.cat([batch.finished_scores, penalized], dim=1).topk(beams)
    counts = torch.cat([batch.finished_count, torch.where(ending, length, 0)], dim=1)
    batch.finished_count = counts.gather(1, best)
    both = torch.cat([batch.finished, sequences[:, :some]], dim=1)
    batch.finished = both.gather(1, best[:, :, None].expand(-1, -1, longest))


def _finish_at_limit(batch: Batch, length: Tensor) -> None:
    """At the token limit, fill empty slots of finished hypotheses with open ones.

    If none has finished, they keep their sums of log-probabilities as scores; else they rank after finished ones.
    """
    _, beams, longest = batch.running.shape
    count = (batch.finished_count > 0).sum(1, keepdim=True)  # (R, 1); finished ones are first
    place = torch.arange(beams, device=count.device)[None] - count  # (R, K): the open one for each slot
    free = (place >= 0) & ((length >= longest) & ~batch.done[:, None])
    place = place.clamp(min=0)
    scores = batch.scores.gather(1, place) + NEVER * (count > 0)
    running = batch.running.gather(1, place[:, :, None].expand_as(batch.running))
    batch.finished_scores = torch.where(free, scores, batch.finished_scores)
    batch.finished = torch.where(free[:, :, None], running, batch.finished)
    batch.finished_count = torch.where(free, length, batch.finished_count)


class Sampler(Search):
    """Draw K samples per input: ancestral, with temperature, top-k, or top-p (Holtzman et al. 2020)."""

    def __init__(
        self, decoder: DecoderStep, beams: int, longest: int, end: int, *, rules: BeamRules, sampling: Sampling
    ) -> None:
        super().__init__(decoder, beams, longest, end)
        self._rules, self._seed, self._warpers = rules, sampling.seed, warpers(sampling)

    def initial_scores(self, inputs: int) -> Tensor:
        """Zero: all samples count."""
        return torch.zeros(inputs, self.beams)

    def random_numbers(self, keys: Sequence[int]) -> Tensor:
        """Random numbers of the samples: (R, K, longest)."""
        return uniforms(self._seed, keys, self.beams, self.longest)

    def extend(self, batch: Batch, hidden: Tensor) -> None:
        """See :meth:`Search.extend`. Scores are the log-probabilities before temperature, top-k and top-p."""
        logits = self.decoder.logits(hidden).float()  # (N, V)
        normalizer = logits.logsumexp(-1)
        logits = self._process(batch, logits)
        warped: Scores = logits
        for warper in self._warpers:
            warped = warper(batch.tokens.view(-1, 1), warped)
        shape = batch.scores.shape
        place = batch.count.clamp(max=self.longest - 1)[:, None, None].expand(*shape, 1)
        token = draw(warped, batch.uniform.gather(2, place).flatten())  # (N,)
        batch.tokens = token.view(shape)
        batch.scores = batch.scores + (logits.gather(1, token[:, None])[:, 0] - normalizer).view(shape)
        batch.running.scatter_(2, place, batch.tokens[:, :, None])
        length = (batch.count + 1)[:, None]  # (R, 1)
        ends = (batch.tokens == self.end) | (length >= self.longest)
        newly = ends & (batch.finished_count == 0)
        batch.finished = torch.where(newly[:, :, None], batch.running, batch.finished)
        batch.finished_count = torch.where(newly, length, batch.finished_count)
        self._rules = self._rules.on(length.device)
        penalized = batch.scores / self._rules.divisors[length.clamp(max=self.longest)]
        batch.finished_scores = torch.where(newly, penalized, batch.finished_scores)
        batch.done |= (batch.finished_count > 0).all(1)


def build_search(decoding: Decoding, decoder: DecoderStep, longest: int, end: int) -> Search:
    """The search that the settings ask for."""
    beams = decoding.num_beams
    rules = beam_rules(decoding.beam_search, beams, longest, decoding.length_penalty)
    if decoding.sampling is not None:
        return Sampler(decoder, beams, longest, end, rules=rules, sampling=decoding.sampling)
    return BeamSearch(decoder, beams, longest, end, rules) if beams > 1 else GreedySearch(decoder, beams, longest, end)


# -- sampling


class TopPWarper(LogitsProcessor):
    """Keep the most probable tokens whose probabilities sum to ``top_p``, and always the first.

    Unlike ``TopPLogitsWarper``, it sums from the most probable token on, which rounds less.
    """

    def __init__(self, top_p: float) -> None:
        self._top_p = top_p

    def __call__(self, input_ids: Tensor, scores: Scores) -> Scores:
        """``scores`` with minus infinity for the other tokens."""
        descending, order = scores.sort(descending=True)
        probabilities = descending.softmax(-1)
        # A token is kept while those before it have less than top_p.
        outside = probabilities.cumsum(-1) - probabilities >= self._top_p
        return scores.masked_fill(outside.scatter(1, order, outside), -torch.inf)


def warpers(sampling: Sampling) -> list[LogitsProcessor]:
    """Temperature, then top-k, then top-p, in the order of ``transformers``."""
    found: list[LogitsProcessor] = [TemperatureLogitsWarper(sampling.temperature)]
    if sampling.top_k is not None:
        found.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        found.append(TopPWarper(sampling.top_p))
    return found


def draw(logits: Tensor, uniform: Tensor) -> Tensor:
    """Draw one token per row by inversion: (rows, vocabulary) and (rows,) of numbers in [0, 1) to (rows,)."""
    # In double precision, since the sum is over a quarter of a million small numbers.
    cumulated = logits.softmax(-1, dtype=torch.float64).cumsum(-1)
    wanted = uniform.double()[:, None] * cumulated[:, -1:]
    return torch.searchsorted(cumulated, wanted, right=True)[:, 0].clamp(max=logits.shape[-1] - 1)


def uniforms(seed: int, keys: Sequence[int], samples: int, steps: int) -> Tensor:
    """A number in [0, 1) for each input, sample and step: (inputs, samples, steps).

    The numbers depend only on the seed and the input's key, not on its position, batch or process, so that samples are
    reproducible.
    """
    # NumPy mixes both numbers; PyTorch's CPU generator uses only 32 bits of its seed.
    drawn = [np.random.default_rng((seed, key)).random((samples, steps), dtype=np.float32) for key in keys]
    return torch.from_numpy(np.stack(drawn))
