"""Engines in threads: the outputs of one engine, one error for all, and the caller's number of threads restored."""

import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
import torch

from xlgen.backbones import loading
from xlgen.backbones.base import Backbone
from xlgen.core.config import Sampling
from xlgen.data.examples import EncodedExample
from xlgen.decoding import decode
from xlgen.decoding.batch import Batch
from xlgen.decoding.decode import engines_for, hypotheses, stream
from xlgen.decoding.engine import Engine
from xlgen.decoding.settings import Decoding
from xlgen.pocket import world

CPU = torch.device("cpu")
NAMES = ("pocket-mbart", "pocket-mt5", "pocket-nllb")


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def documents(backbone: Backbone, count: int) -> tuple[list[Sequence[int]], list[str]]:
    languages = [("en", "th", "ar", "ru")[i % 4] for i in range(count)]
    frames = zip(world.frames("validation", count), languages, strict=True)
    return [
        backbone.source(backbone.tokenize(world.render(f, code).document)[:60], code) for f, code in frames
    ], languages


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("beams", [1, 3])
def test_two_engines_give_the_outputs_of_one(name: str, beams: int, threads: Callable[[int], None]) -> None:
    backbone = loading.load(name)
    asked = documents(backbone, 48)
    for sampling in (None, Sampling(seed=5)):
        decoding, found = Decoding(14, beams, batch_tokens=14 * beams * 24, sampling=sampling), []
        for count in (1, 2):
            threads(count)
            assert engines_for(CPU, 48, 24, 1) == count
            best = hypotheses(backbone, *asked, decoding, beams)
            found.append([[each.tokens for each in all_] for all_ in best])
        assert found[0] == found[1]


def test_few_inputs_get_one_engine(threads: Callable[[int], None]) -> None:
    threads(4)
    assert [engines_for(CPU, inputs, 64, 1) for inputs in (1, 15, 16, 24, 999)] == [1, 1, 2, 3, 4]
    assert [engines_for(CPU, 999, rows, 1) for rows in (1, 15, 16, 64)] == [1, 1, 2, 4]


def test_a_large_model_gets_one_engine(threads: Callable[[int], None]) -> None:
    threads(2)
    assert [engines_for(CPU, 999, 64, parameters) for parameters in (2_500_000, 300_000_000)] == [2, 1]


def test_without_compiled_code_there_is_one_engine(
    threads: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads(4)
    monkeypatch.setattr(decode, "kernels_for", lambda tensor: None)
    assert engines_for(CPU, 999, 64, 1) == 1
    assert engines_for(torch.device("cuda"), 999, 64, 1) == 1


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return loading.load("pocket-mt5")


def endless(backbone: Backbone) -> Iterator[EncodedExample]:
    sources, languages = documents(backbone, 48)
    pairs = list(zip(sources, languages, strict=True))
    while True:
        yield from (EncodedExample(tuple(source), (0,), code) for source, code in pairs)


SETTINGS = Decoding(14, batch_tokens=14 * 24)


@pytest.mark.exhaustive
def test_engines_share_the_threads(
    backbone: Backbone, threads: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads(4)
    seen, step = set(), Engine.step

    def spy(engine: Engine, batch: Batch) -> None:
        seen.add((threading.get_ident(), torch.get_num_threads()))
        step(engine, batch)

    monkeypatch.setattr(Engine, "step", spy)
    monkeypatch.setattr(decode, "engines_for", lambda *_: 2)
    hypotheses(backbone, *documents(backbone, 48), SETTINGS)
    assert sorted(count for _, count in seen) == [2, 2]
    assert torch.get_num_threads() == 4


def test_an_error_of_one_engine_ends_all(
    backbone: Backbone, threads: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads(2)
    steps, step = [], Engine.step

    def failing(engine: Engine, batch: Batch) -> None:
        steps.append(1)
        if len(steps) == 40:
            raise ValueError("in one engine")
        step(engine, batch)

    monkeypatch.setattr(Engine, "step", failing)
    with pytest.raises(ValueError, match="in one engine"):
        for _ in stream(backbone, endless(backbone), SETTINGS, window=48):
            pass
    after = len(steps)
    assert torch.get_num_threads() == 2
    assert len(steps) == after, "an engine is still running"


@pytest.mark.exhaustive
def test_a_stream_can_be_closed_early(backbone: Backbone, threads: Callable[[int], None]) -> None:
    threads(2)
    running = threading.active_count()
    results = stream(backbone, endless(backbone), SETTINGS, window=48)
    assert next(results)
    assert threading.active_count() == running + 2
    results.close()  # type: ignore[attr-defined]
    assert torch.get_num_threads() == 2
    assert threading.active_count() == running
