"""Searches side by side: the outputs of one alone, one error for all, and threads as they were."""

from collections.abc import Callable, Iterator, Sequence

import pytest
import torch

from xlgen.backbones import loading
from xlgen.backbones.base import Backbone
from xlgen.core.config import Sampling
from xlgen.decoding import streams
from xlgen.decoding.decode import hypotheses
from xlgen.decoding.settings import Decoding
from xlgen.decoding.streams import run_in_threads, streams_for
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


@pytest.mark.keep("3-pocket-nllb")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("beams", [1, 3])
def test_two_streams_give_what_one_gives(name: str, beams: int, threads: Callable[[int], None]) -> None:
    backbone = loading.load(name)
    asked = documents(backbone, 48)
    for sampling in (None, Sampling(seed=5)):
        decoding, found = Decoding(14, beams, batch_tokens=14 * beams * 24, sampling=sampling), []
        for count in (1, 2):
            threads(count)
            assert streams_for(CPU, 48, 24, 1) == count
            best = hypotheses(backbone, *asked, decoding, beams)
            found.append([[each.tokens for each in all_] for all_ in best])
        assert found[0] == found[1]


def test_few_inputs_are_one_stream(threads: Callable[[int], None]) -> None:
    threads(4)
    assert [streams_for(CPU, inputs, 64, 1) for inputs in (1, 15, 16, 24, 999)] == [1, 1, 2, 3, 4]
    assert [streams_for(CPU, 999, rows, 1) for rows in (1, 15, 16, 64)] == [1, 1, 2, 4]


def test_what_no_cache_holds_is_read_by_one(threads: Callable[[int], None]) -> None:
    threads(2)
    assert [streams_for(CPU, 999, 64, parameters) for parameters in (2_500_000, 300_000_000)] == [2, 1]


def test_without_compiled_code_there_is_one(threads: Callable[[int], None], monkeypatch: pytest.MonkeyPatch) -> None:
    threads(4)
    monkeypatch.setattr(streams, "kernels_for", lambda tensor: None)
    assert streams_for(CPU, 999, 64, 1) == 1
    assert streams_for(torch.device("cuda"), 999, 64, 1) == 1


def test_threads_are_shared_and_come_back(threads: Callable[[int], None]) -> None:
    threads(4)

    def part(number: int) -> Iterator[tuple[int, int]]:
        yield number, torch.get_num_threads()

    assert sorted(run_in_threads([lambda: part(1), lambda: part(2)])) == [(1, 2), (2, 2)]
    assert torch.get_num_threads() == 4


def test_an_error_of_one_ends_all(threads: Callable[[int], None]) -> None:
    threads(2)
    given: list[int] = []

    def endless() -> Iterator[int]:
        for number in range(10**9):
            given.append(number)
            yield number

    def failing() -> Iterator[int]:
        yield -1
        raise torch.OutOfMemoryError("of one part")

    with pytest.raises(torch.OutOfMemoryError, match="of one part"):
        for _ in run_in_threads([endless, failing]):
            pass
    assert torch.get_num_threads() == 2
    assert len(given) < 10**9  # who would not stop would be waited for


def test_whoever_asks_may_stop(threads: Callable[[int], None]) -> None:
    threads(2)

    def endless() -> Iterator[int]:
        yield from range(10**9)

    results = run_in_threads([endless, endless])
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]
    assert torch.get_num_threads() == 2
