"""Decoding of sources to texts, in order."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice

import torch
from torch import Tensor

from xlgen.backbones.base import Backbone
from xlgen.core.errors import is_out_of_memory
from xlgen.data.batches import budget_batches
from xlgen.data.examples import EncodedExample
from xlgen.decoding import reference
from xlgen.decoding.batch import Encoded, Found, Waiting
from xlgen.decoding.inputs import Deferred, Inputs, Numbered
from xlgen.decoding.precision import weights_in
from xlgen.decoding.search import Search, cache_columns
from xlgen.decoding.settings import Allowed, Bias, Decoding, Hypothesis
from xlgen.decoding.streams import run_in_threads, streams_for
from xlgen.kernels.attention import fast_encoder
from xlgen.kernels.model_types import TransformersModel
from xlgen.kernels.onednn_linear import fast_modules

log = logging.getLogger(__name__)

Observer = Callable[[Sequence[EncodedExample], Tensor, Tensor], None]
"""Receives inputs with their encoder states, (inputs, source, width), and the mask of their tokens."""

# Number of chunks in which inputs are encoded to fill a decoding batch.
_CHUNKS = 8


def generate(
    backbone: Backbone,
    sources: Sequence[Sequence[int]],
    languages: Sequence[str],
    decoding: Decoding,
    progress: Callable[[int], None] = lambda count: None,
) -> list[str]:
    """Generate raw text, with leftovers of pretraining, for each source, in order.

    ``sources`` are ids from ``Backbone.encode_source``, ``languages`` the target language of each; one batch may mix
    languages.
    """
    return [found[0].text for found in hypotheses(backbone, sources, languages, decoding, progress=progress)]


def hypotheses(
    backbone: Backbone,
    sources: Sequence[Sequence[int]],
    languages: Sequence[str],
    decoding: Decoding,
    count: int = 1,
    bias: Bias | None = None,
    progress: Callable[[int], None] = lambda count: None,
    observe: Observer | None = None,
    allowed: Allowed | None = None,
) -> list[list[Hypothesis]]:
    """The ``count`` best hypotheses of each source, best first. ``count`` is at most ``num_beams``.

    ``observe`` is called with the encoder states of the inputs.
    """
    examples = [EncodedExample(tuple(s), (0,), code) for s, code in zip(sources, languages, strict=True)]
    found: list[list[Hypothesis]] = [[] for _ in examples]
    asked = _Asked(decoding, count, bias, observe, allowed)
    for index, best in iter_completed(backbone, examples, asked, max(1, len(examples))):
        found[index] = best
        progress(1)
    return found


def stream(
    backbone: Backbone,
    examples: Iterable[EncodedExample],
    decoding: Decoding,
    count: int = 1,
    bias: Bias | None = None,
    window: int = 1_024,
) -> Iterator[list[Hypothesis]]:
    """:func:`hypotheses` for a stream of inputs, yielded in order as soon as all results up to an input are complete.

    Targets of ``examples`` are ignored. Examples are read in windows of ``window``, and the longest of a window are
    decoded first; decoding continues across windows without a break. The model is in use until the iterator is
    exhausted or closed. An exception of ``examples`` is raised after the results of all examples before it.
    """
    waiting: dict[int, list[Hypothesis]] = {}
    following = 0
    for number, best in iter_completed(backbone, examples, _Asked(decoding, count, bias), window):
        waiting[number] = best
        while following in waiting:
            yield waiting.pop(following)
            following += 1


@dataclass(frozen=True)
class _Asked:
    """The settings of the outputs of each input."""

    decoding: Decoding
    count: int
    bias: Bias | None
    observe: Observer | None = None
    allowed: Allowed | None = None


@torch.inference_mode()
def iter_completed(backbone: Backbone, examples: Iterable[EncodedExample], asked: _Asked, window: int) -> _Results:
    """Yield (number, hypotheses) of each input as it completes.

    When memory runs out, inputs without a result are decoded again in smaller batches.
    """
    pending: dict[int, EncodedExample] = {}
    given = Deferred(examples)

    def reading() -> Iterator[Numbered]:
        for number, example in enumerate(given):
            pending[number] = example
            yield number, example

    ours = asked.decoding.engine == "xlgen"
    decode, arriving = _by_search if ours else _by_transformers, reading()
    was_training = backbone.model.training
    backbone.model.eval()
    try:
        precision = asked.decoding.precision
        with weights_in(backbone.model, precision), _fast(backbone.model) if ours else nullcontext():
            while True:
                try:
                    for number, best in decode(backbone, chain(list(pending.items()), arriving), asked, window):
                        del pending[number]
                        yield number, best
                    break
                except RuntimeError as error:
                    asked = replace(asked, decoding=_smaller(asked.decoding, error))
    finally:
        backbone.model.train(was_training)
    given.finish()


@contextmanager
def _fast(model: TransformersModel) -> Iterator[None]:
    with fast_modules(model), fast_encoder(model):
        yield


def _smaller(decoding: Decoding, error: RuntimeError) -> Decoding:
    """Halve ``batch_tokens`` after an out-of-memory error; raise any other error, or if the batch cannot be halved."""
    if not is_out_of_memory(error):
        raise error
    tokens = decoding.batch_tokens // 2
    if tokens < decoding.num_beams * decoding.max_new_tokens:
        raise error
    log.warning("memory ran out while decoding; continuing with batch_tokens %d", tokens)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return replace(decoding, batch_tokens=tokens)


_Results = Iterator[tuple[int, list[Hypothesis]]]


def _by_search(backbone: Backbone, source: Iterator[Numbered], asked: _Asked, window: int) -> _Results:
    """Decode with xlgen's search."""
    decoding, device = asked.decoding, next(backbone.model.parameters()).device
    first = list(islice(source, window))
    if not first:
        return
    prompt = 1 + len(backbone.target_prefix(first[0][1].language))
    longest = backbone.new_tokens_limit(decoding.max_new_tokens, prompt)
    rows = max(1, decoding.batch_tokens // (decoding.num_beams * longest))
    streams = streams_for(device, len(first), rows, backbone.model.num_parameters())
    search = Search(
        step=backbone.decoder_step(cache_columns(backbone.reserved_target + prompt, longest)),
        end=backbone.tokenizer.eos_token_id,
        pad=backbone.tokenizer.pad_token_id,
        longest=longest,
        beams=decoding.num_beams,
        length_penalty=decoding.length_penalty,
        rows=max(1, rows // streams),
        source_tokens=decoding.batch_tokens // streams,
        name=backbone.name,
        hypotheses=asked.count,
        sampling=decoding.sampling,
        before=backbone.states_before_target(),
        allowed=asked.allowed,
        beam_search=decoding.beam_search,
    )

    def batches(examples: Sequence[EncodedExample]) -> list[list[int]]:
        """Batches with the longest inputs first, so that later inputs fit into their slots."""
        lengths = [(len(example.source), 0) for example in examples]
        budget = max([search.source_tokens // _CHUNKS, *map(max, lengths)])
        return list(budget_batches(lengths, budget, max(1, search.rows // _CHUNKS)))[::-1]

    inputs = Inputs(chain(first, source), window, batches, streams)

    def results(number: int) -> Iterator[Found]:
        entering = inputs.of(number)
        return search.run(Waiting(len(b), partial(_encode, backbone, b, asked, device)) for b in entering)

    for found in run_in_threads([partial(results, number) for number in range(streams)]):
        ranked = zip(found.tokens, found.scores, strict=True)
        yield found.number, [Hypothesis(backbone.decode(ids), score, tuple(ids)) for ids, score in ranked]


def _encode(backbone: Backbone, entering: Sequence[Numbered], asked: _Asked, device: torch.device) -> Encoded:
    batch = [example for _, example in entering]
    tensors = backbone.collate(batch)
    ids, mask = tensors["input_ids"].to(device), tensors["attention_mask"].to(device)
    states = backbone.model.get_encoder()(input_ids=ids, attention_mask=mask).last_hidden_state
    if asked.observe is not None:
        asked.observe(batch, states[:, -mask.shape[1] :], mask)
    if states.shape[1] > mask.shape[1]:  # a prompt precedes the source
        mask = torch.cat([mask.new_ones((len(mask), states.shape[1] - mask.shape[1])), mask], dim=1)
    prompts = backbone.decoder_start([example.language for example in batch]).to(device)
    biases = torch.stack([asked.bias(e.language, e.source) for e in batch]).to(device) if asked.bias else None
    keys = [zlib.crc32(f"{example.language} {example.source}".encode()) for example in batch]
    return Encoded([number for number, _ in entering], keys, states, mask, prompts, biases)


def _by_transformers(backbone: Backbone, source: Iterator[Numbered], asked: _Asked, window: int) -> _Results:
    """Decode with the search of ``transformers``, which does not expose encoder states to ``observe``."""
    decoding = asked.decoding
    cost = decoding.num_beams
    while entering := list(islice(source, window)):
        lengths = [(len(example.source) * cost, decoding.max_new_tokens * cost) for _, example in entering]
        budget = max([decoding.batch_tokens, *(max(pair) for pair in lengths)])
        for places in budget_batches(lengths, budget):
            batch = [entering[place][1] for place in places]
            found = reference.hypotheses(backbone, batch, decoding, asked.count, asked.bias, asked.allowed)
            yield from zip([entering[place][0] for place in places], found, strict=True)
