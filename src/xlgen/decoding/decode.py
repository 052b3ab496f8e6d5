"""Decoding of sources to texts, in order."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import chain, islice

import torch

from xlgen.backbones.base import Backbone
from xlgen.backbones.inference_modules import fast_modules
from xlgen.backbones.precision import weights_in
from xlgen.core.errors import is_out_of_memory
from xlgen.data.batches import budget_batches
from xlgen.data.deferred import Deferred
from xlgen.data.examples import EncodedExample
from xlgen.decoding import reference
from xlgen.decoding.engine import Engine, Input, Observer, Result, cache_columns
from xlgen.decoding.logits import Processors
from xlgen.decoding.search import build_search
from xlgen.decoding.settings import Decoding, Hypothesis
from xlgen.kernels.attention import fast_encoder
from xlgen.kernels.decoder_steps import kernels_for
from xlgen.kernels.model_types import TransformersModel

log = logging.getLogger(__name__)

# Number of groups in which inputs are encoded to fill a decoding batch.
_GROUPS = 4
# Minimum inputs of an engine in its own thread; fewer are not worth its steps.
_FEW = 8
# Maximum parameters of a model for several engines.
_SMALL = 2**24

_Completed = Iterator[tuple[int, list[Hypothesis]]]


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
    *,
    processors: Processors | None = None,
    progress: Callable[[int], None] = lambda count: None,
    observe: Observer | None = None,
) -> list[list[Hypothesis]]:
    """The ``count`` best hypotheses of each source, best first. ``count`` is at most ``num_beams``.

    ``processors`` gives the logits processors of each input; ``observe`` is called with the inputs' encoder states.
    """
    examples = [EncodedExample(tuple(s), (0,), code) for s, code in zip(sources, languages, strict=True)]
    found: list[list[Hypothesis]] = [[] for _ in examples]
    job = _Job(backbone, decoding, max(1, len(examples)), count, processors, observe)
    for number, best in iter_completed(job, examples):
        found[number] = best
        progress(1)
    return found


def stream(
    backbone: Backbone,
    examples: Iterable[EncodedExample],
    decoding: Decoding,
    count: int = 1,
    *,
    processors: Processors | None = None,
    window: int = 1_024,
) -> Iterator[list[Hypothesis]]:
    """:func:`hypotheses` for a stream of inputs, yielded in order as soon as all results up to an input are complete.

    Targets of ``examples`` are ignored. Examples are read in windows of ``window``, and the longest of a window are
    decoded first; decoding continues across windows without a break. The model is in use until the iterator is
    exhausted or closed. An exception of ``examples`` is raised after the results of all examples before it.
    """
    early: dict[int, list[Hypothesis]] = {}
    following = 0
    for number, best in iter_completed(_Job(backbone, decoding, window, count, processors), examples):
        early[number] = best
        while following in early:
            yield early.pop(following)
            following += 1


@dataclass(frozen=True)
class _Job:
    """What to decode with, and the settings of the outputs."""

    backbone: Backbone
    decoding: Decoding
    window: int
    """Number of inputs to read at a time."""
    count: int
    processors: Processors | None
    observe: Observer | None = None


@torch.inference_mode()
def iter_completed(job: _Job, examples: Iterable[EncodedExample]) -> _Completed:
    """Yield (number, hypotheses) of each input as it completes.

    When memory runs out, inputs without a result are decoded again in smaller batches.
    """
    pending: dict[int, EncodedExample] = {}
    source = Deferred(examples)

    def read() -> Iterator[Input]:
        for number, example in enumerate(source):
            pending[number] = example
            yield Input(number, example)

    model, precision, inputs = job.backbone.model, job.decoding.precision, read()
    ours = job.decoding.engine == "xlgen"
    decode = _decode if ours else _decode_by_transformers
    was_training = model.training
    model.eval()
    try:
        with weights_in(model, precision), _fast(model) if ours else nullcontext():
            while True:
                try:
                    for number, best in decode(job, chain([Input(*each) for each in pending.items()], inputs)):
                        del pending[number]
                        yield number, best
                    break
                except RuntimeError as error:
                    job = replace(job, decoding=_smaller(job.decoding, error))
    finally:
        model.train(was_training)
    source.finish()


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


# -- with xlgen's engine


def _decode(job: _Job, source: Iterator[Input]) -> _Completed:
    first = list(islice(source, job.window))
    if not first:
        return
    engines = _engines(job, first)
    for result in _run(engines, _Feed(chain(first, source), job.window, engines)):
        ranked = zip(result.tokens, result.scores, strict=True)
        yield result.number, [Hypothesis(job.backbone.decode(ids), score, tuple(ids)) for ids, score in ranked]


def _engines(job: _Job, first: Sequence[Input]) -> list[Engine]:
    """Engines that share a search, and the budget of a batch."""
    backbone, decoding = job.backbone, job.decoding
    prompt = 1 + len(backbone.target_prefix(first[0].example.language))
    longest = backbone.new_tokens_limit(decoding.max_new_tokens, prompt)
    inputs = max(1, decoding.batch_tokens // (decoding.num_beams * longest))
    device = next(backbone.model.parameters()).device
    number = engines_for(device, len(first), inputs, backbone.model.num_parameters())
    decoder = backbone.decoder_step(cache_columns(backbone.reserved_target + prompt, longest))
    search = build_search(decoding, decoder, longest, backbone.tokenizer.eos_token_id)
    return [
        Engine(
            backbone,
            search,
            max_inputs=max(1, inputs // number),
            max_source_tokens=decoding.batch_tokens // number,
            count=job.count,
            processors=job.processors,
            observe=job.observe,
        )
        for _ in range(number)
    ]


def engines_for(device: torch.device, inputs: int, max_inputs: int, parameters: int) -> int:
    """The number of engines for ``inputs`` inputs, of which ``max_inputs`` are decoded at a time.

    On a CPU, one core runs a small model's step as fast as two cores together, so each core gets an engine. It is one
    on a GPU, and without compiled kernels, since Python's lock is then held for long. It is also one for a model with
    too many ``parameters`` for a core's cache: one engine then reads the weights once for all inputs.
    """
    if device.type != "cpu" or parameters > _SMALL or kernels_for(torch.empty(0)) is None:
        return 1
    return max(1, min(torch.get_num_threads(), inputs // _FEW, max_inputs // _FEW))


class _Feed:
    """Reads inputs only when an engine has room, and deals them out in groups, the longest of a window first.

    Groups go to the engines in turn, whatever their speed, so that each run decodes the same inputs together.
    """

    def __init__(self, source: Iterator[Input], window: int, engines: Sequence[Engine]) -> None:
        self._source, self._window = source, window
        self._dealt: dict[Engine, deque[list[Input]]] = {engine: deque() for engine in engines}
        self._following = 0

    def fill(self, engine: Engine) -> None:
        """Let inputs wait at ``engine`` until one group does not fit, or all inputs have been read."""
        dealt = self._dealt[engine]
        while engine.fitting == len(engine.waiting) and (dealt or self._deal()):
            if dealt:
                engine.waiting.append(dealt.popleft())

    def _deal(self) -> bool:
        """Deal out another window; return whether there was one."""
        window = list(islice(self._source, self._window))
        engines = list(self._dealt)
        lengths = [(len(each.example.source), 0) for each in window]
        tokens = max([engines[0].max_source_tokens // _GROUPS, *map(max, lengths)])
        groups = list(budget_batches(lengths, tokens, max(1, engines[0].max_inputs // _GROUPS)))
        for group in reversed(groups):  # the longest first, so that later inputs fit into their places
            self._dealt[engines[self._following]].append([window[place] for place in group])
            self._following = (self._following + 1) % len(engines)
        return bool(window)


def _run(engines: Sequence[Engine], feed: _Feed) -> Iterator[Result]:
    """Yield the results of the engines as they complete. Several engines run in threads, which share PyTorch's."""
    if len(engines) == 1:
        feed.fill(engines[0])
        while not engines[0].is_idle:
            yield from engines[0].advance()
            feed.fill(engines[0])
        return
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(len(engines), "xlgen", torch.set_num_threads, (max(1, threads // len(engines)),)) as pool:
        running: dict[Future[list[Result]], Engine] = {}

        def resume(engine: Engine) -> None:
            feed.fill(engine)
            if not engine.is_idle:
                running[pool.submit(engine.advance)] = engine

        try:
            for engine in engines:
                resume(engine)
            while running:
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    results = future.result()
                    resume(running.pop(future))
                    yield from results
        finally:
            torch.set_num_threads(threads)


def _decode_by_transformers(job: _Job, source: Iterator[Input]) -> _Completed:
    """Decode with ``generate`` of ``transformers``, which does not expose encoder states to ``observe``."""
    decoding, beams = job.decoding, job.decoding.num_beams
    while window := list(islice(source, job.window)):
        lengths = [(len(each.example.source) * beams, decoding.max_new_tokens * beams) for each in window]
        budget = max([decoding.batch_tokens, *(max(pair) for pair in lengths)])
        for places in budget_batches(lengths, budget):
            batch = [window[place].example for place in places]
            found = reference.hypotheses(job.backbone, batch, decoding, job.count, job.processors)
            yield from zip([window[place].number for place in places], found, strict=True)
