"""Streams of inputs: the results of a list, in order, as they complete."""

from collections import deque
from collections.abc import Iterator, Sequence

import pytest
import torch

from xlgen.backbones import loading
from xlgen.backbones.base import Backbone
from xlgen.data.examples import EncodedExample
from xlgen.data.readers import DataError
from xlgen.decoding.batch import Batch
from xlgen.decoding.decode import _Feed, hypotheses, stream
from xlgen.decoding.engine import Engine, Input
from xlgen.decoding.settings import Decoding, Hypothesis
from xlgen.pocket import world


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return loading.load("pocket-mt5")


def examples(backbone: Backbone, count: int) -> list[EncodedExample]:
    found = []
    for number, frame in enumerate(world.frames("validation", count)):
        code = ("en", "th", "ar", "zh")[number % 4]
        ids = backbone.tokenize(world.render(frame, code).document)[: 5 + number * 7 % 40]
        found.append(EncodedExample(backbone.source(ids, code), (0,), code))
    return found


def tokens(found: Sequence[Sequence[Hypothesis]]) -> list[list[tuple[int, ...]]]:
    return [[each.tokens for each in best] for best in found]


@pytest.mark.exhaustive
@pytest.mark.parametrize("window", [1, 7, 16, 1_000])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_stream_gives_the_results_of_a_list(backbone: Backbone, window: int, threads: int) -> None:
    asked = examples(backbone, 60)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        for decoding in (
            Decoding(10, 1, batch_tokens=200),
            Decoding(10, 3, batch_tokens=600),
            Decoding(10, 2, engine="transformers"),
        ):
            wanted = hypotheses(backbone, [e.source for e in asked], [e.language for e in asked], decoding, 1)
            found = list(stream(backbone, iter(asked), decoding, window=window))
            assert tokens(found) == tokens(wanted)
    finally:
        torch.set_num_threads(before)


@pytest.mark.exhaustive
@pytest.mark.parametrize("engine", ["xlgen", "transformers"])
def test_no_more_is_read_than_is_needed(backbone: Backbone, engine: str) -> None:
    read: list[int] = []

    def endless() -> Iterator[EncodedExample]:
        whole = examples(backbone, 20)
        while True:
            read.append(1)
            yield whole[len(read) % 20]

    decoding = Decoding(8, batch_tokens=8 * 16, engine=engine)  # type: ignore[arg-type]
    results = stream(backbone, endless(), decoding, window=16)
    backbone.model.train()
    for done in range(1, 101):
        next(results)
        assert len(read) <= done + 16 * 8
    assert not backbone.model.training
    results.close()  # type: ignore[attr-defined]
    assert backbone.model.training
    backbone.model.eval()


def test_no_inputs(backbone: Backbone) -> None:
    assert list(stream(backbone, iter([]), Decoding(8))) == []
    assert hypotheses(backbone, [], [], Decoding(8)) == []


@pytest.mark.spread(1)
@pytest.mark.parametrize("good", [0, 1, 37])
def test_an_error_of_the_inputs_is_raised_after_all_results_before_it(backbone: Backbone, good: int) -> None:
    def failing() -> Iterator[EncodedExample]:
        yield from examples(backbone, good)
        raise DataError("in.jsonl, line 38: not an object")

    found = []
    with pytest.raises(DataError, match="line 38"):
        for best in stream(backbone, failing(), Decoding(8, batch_tokens=100), window=10):
            found.append(best)
    assert len(found) == good


@pytest.mark.exhaustive
def test_smaller_batches_after_memory_ran_out(backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = examples(backbone, 40)
    wanted = list(stream(backbone, asked, Decoding(8, batch_tokens=400)))
    prefill, calls = Engine.prefill, []

    def scarce(engine: Engine, groups: Sequence[Sequence[Input]]) -> Batch:
        calls.append(1)
        if len(calls) == 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return prefill(engine, groups)

    monkeypatch.setattr(Engine, "prefill", scarce)
    assert tokens(list(stream(backbone, iter(asked), Decoding(8, batch_tokens=400), window=16))) == tokens(wanted)


class Idle:
    """An engine that has room for as many inputs as are requested."""

    max_inputs, max_source_tokens = 16, 16

    def __init__(self) -> None:
        self.waiting: deque[list[Input]] = deque()
        self.fitting = 0


@pytest.mark.parametrize("order", [[0, 1, 2] * 20, [2] * 30 + [1] * 20 + [0] * 30])
def test_groups_are_dealt_in_turn_whatever_the_speed_of_an_engine(order: list[int]) -> None:
    def taken(engines: int, turns: Sequence[int]) -> list[list[list[int]]]:
        idle = [Idle() for _ in range(engines)]
        source = (Input(number, EncodedExample((number,), (0,), "en")) for number in range(50))
        feed = _Feed(source, 9, idle)  # type: ignore[arg-type]
        found: list[list[list[int]]] = [[] for _ in idle]
        for turn in turns:
            feed.fill(idle[turn])  # type: ignore[arg-type]
            found[turn] += [[each.number for each in group] for group in idle[turn].waiting]
            idle[turn].waiting.clear()
        return found

    groups = taken(1, [0] * 50)[0]
    assert len(groups) > 15 and sorted(number for group in groups for number in group) == list(range(50))
    assert taken(3, order) == [groups[number::3] for number in range(3)]


@pytest.mark.exhaustive
def test_two_threads_may_tokenize_and_decode_at_once(backbone: Backbone) -> None:
    """Texts are tokenized and generated ids become text while engines run in threads."""
    frames = list(world.frames("validation", 300))

    def lazily() -> Iterator[EncodedExample]:
        for frame in frames:
            yield EncodedExample(backbone.source(backbone.tokenize(world.render(frame, "th").title), "th"), (0,), "th")

    assert len(list(stream(backbone, lazily(), Decoding(3, batch_tokens=200), window=8))) == 300
