"""Decoding: sources in, texts out, in order."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from xlgen.backbones.attention import fast_encoder
from xlgen.backbones.base import Backbone
from xlgen.backbones.products import fast_modules
from xlgen.data.batches import budget_batches
from xlgen.data.examples import EncodedExample
from xlgen.generation import reference
from xlgen.generation.decoding import Bias, Decoding, Hypothesis
from xlgen.generation.precision import weights_in
from xlgen.generation.rows import Encoded, Found, Waiting
from xlgen.generation.search import Search, cache_columns
from xlgen.generation.streams import side_by_side, streams_for

log = logging.getLogger(__name__)

# As many times are inputs encoded and let in to fill what is decoded together.
_CHUNKS = 8


def generate(
    backbone: Backbone,
    sources: Sequence[Sequence[int]],
    languages: Sequence[str],
    decoding: Decoding,
    progress: Callable[[int], None] = lambda count: None,
) -> list[str]:
    """Raw text for each source, in order; leftovers of pretraining are still in it.

    ``sources`` are ids as ``Backbone.encode_source`` gives them, ``languages`` the target language of each; one batch
    may mix languages.
    """
    return [found[0].text for found in hypotheses(backbone, sources, languages, decoding, progress=progress)]


@torch.inference_mode()
def hypotheses(
    backbone: Backbone,
    sources: Sequence[Sequence[int]],
    languages: Sequence[str],
    decoding: Decoding,
    count: int = 1,
    bias: Bias | None = None,
    progress: Callable[[int], None] = lambda count: None,
) -> list[list[Hypothesis]]:
    """The ``count`` best of each source's beams, best first. ``count`` is at most ``num_beams``."""
    if not sources:
        return []
    was_training = backbone.model.training
    backbone.model.eval()
    examples = [EncodedExample(tuple(s), (0,), code) for s, code in zip(sources, languages, strict=True)]
    ours = decoding.engine == "xlgen"
    decode = _by_search if ours else _by_transformers
    found: list[list[Hypothesis]] = [[] for _ in sources]
    try:
        with weights_in(backbone.model, decoding.precision), _fast(backbone.model) if ours else nullcontext():
            while missing := {index: examples[index] for index, best in enumerate(found) if not best}:
                try:
                    for index, best in decode(backbone, missing, decoding, count, bias):
                        found[index] = best
                        progress(1)
                except RuntimeError as error:
                    decoding = _smaller(decoding, error)
    finally:
        backbone.model.train(was_training)
    return found


@contextmanager
def _fast(model: Any) -> Iterator[None]:
    with fast_modules(model), fast_encoder(model):
        yield


def _smaller(decoding: Decoding, error: RuntimeError) -> Decoding:
    """Half as many tokens at a time after memory ran out; any other error, or a batch of one, is raised."""
    if not isinstance(error, torch.OutOfMemoryError) and "allocate memory" not in str(error):
        raise error
    tokens = decoding.batch_tokens // 2
    if tokens < decoding.num_beams * decoding.max_new_tokens:
        raise error
    log.warning("memory ran out while decoding; going on with batch_tokens %d", tokens)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return replace(decoding, batch_tokens=tokens)


_Examples = Mapping[int, EncodedExample]
_Results = Iterator[tuple[int, list[Hypothesis]]]


def _by_search(backbone: Backbone, examples: _Examples, decoding: Decoding, count: int, bias: Bias | None) -> _Results:
    """With our own search."""
    device = next(backbone.model.parameters()).device
    order = list(examples)
    prompt = 1 + len(backbone.target_prefix(examples[order[0]].language))
    longest = backbone.new_tokens_limit(decoding.max_new_tokens, prompt)
    rows = max(1, decoding.batch_tokens // (decoding.num_beams * longest))
    streams = streams_for(device, len(order), rows, backbone.model.num_parameters())
    search = Search(
        step=backbone.decoder_step(cache_columns(backbone.reserved_target + prompt, longest)),
        end=backbone.tokenizer.eos_token_id,
        pad=backbone.tokenizer.pad_token_id,
        longest=longest,
        beams=decoding.num_beams,
        length_penalty=decoding.length_penalty,
        rows=max(1, rows // streams),
        source_tokens=decoding.batch_tokens // streams,
        hypotheses=count,
        sampling=decoding.sampling,
        before=backbone.states_before_target(),
    )
    lengths = [(len(examples[i].source), 0) for i in order]
    budget = max(search.source_tokens // _CHUNKS, *map(max, lengths))
    # The longest first: what comes later has room in their places.
    batches = list(budget_batches(lengths, budget, max(1, search.rows // _CHUNKS)))[::-1]

    def stream(first: int) -> Iterator[Found]:
        """Every so many batches, so that who is decoded with whom does not depend on who is faster."""

        def waiting() -> Iterator[Waiting]:
            for places in batches[first::streams]:
                numbers = [order[place] for place in places]
                entering = [examples[i] for i in numbers]
                yield Waiting(len(numbers), partial(_encode, backbone, entering, numbers, bias, device))

        return search.run(waiting())

    for found in side_by_side([partial(stream, first) for first in range(streams)]):
        ranked = zip(found.tokens, found.scores, strict=True)
        yield found.number, [Hypothesis(backbone.decode(ids), score, tuple(ids)) for ids, score in ranked]


def _encode(
    backbone: Backbone, batch: Sequence[EncodedExample], numbers: list[int], bias: Bias | None, device: torch.device
) -> Encoded:
    tensors = backbone.collate(batch)
    ids, mask = tensors["input_ids"].to(device), tensors["attention_mask"].to(device)
    states = backbone.model.get_encoder()(input_ids=ids, attention_mask=mask).last_hidden_state
    if states.shape[1] > mask.shape[1]:  # a prompt stands before the source
        mask = torch.cat([mask.new_ones((len(mask), states.shape[1] - mask.shape[1])), mask], dim=1)
    prompts = backbone.decoder_start([example.language for example in batch]).to(device)
    biases = torch.stack([bias(e.language, e.source) for e in batch]).to(device) if bias else None
    keys = [zlib.crc32(f"{example.language} {example.source}".encode()) for example in batch]
    return Encoded(numbers, keys, states, mask, prompts, biases)


def _by_transformers(
    backbone: Backbone, examples: _Examples, decoding: Decoding, count: int, bias: Bias | None
) -> _Results:
    """With the library's search."""
    order, cost = list(examples), decoding.num_beams
    lengths = [(len(examples[i].source) * cost, decoding.max_new_tokens * cost) for i in order]
    budget = max([decoding.batch_tokens, *(max(pair) for pair in lengths)])
    for places in budget_batches(lengths, budget):
        numbers = [order[place] for place in places]
        found = reference.hypotheses(backbone, [examples[i] for i in numbers], decoding, count, bias)
        yield from zip(numbers, found, strict=True)
