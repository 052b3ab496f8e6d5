"""Batches made ahead are those of the stream, and so is its state, wherever one stops."""

import threading
from itertools import islice

import pytest

from xlgen.data.batches import BatchStream, Part
from xlgen.data.examples import EncodedExample
from xlgen.data.prefetch import Prefetched, prefetched
from xlgen.data.readers import DataError


def stream(fail_at: int | None = None) -> BatchStream:
    def make(index: int, epoch: int) -> EncodedExample:
        if fail_at is not None and epoch == fail_at:
            raise DataError("text.jsonl, line 9: no text")
        return EncodedExample((index,) * (1 + index % 4), (epoch,), "en")

    return BatchStream([Part("a", 30, make, rate=0.3), Part("b", 11, make)], seed=3, budget=16)


@pytest.mark.parametrize("depth", [1, 3, 1_000])
@pytest.mark.parametrize("done", [0, 1, 7, 40])
def test_state_and_batches(depth: int, done: int) -> None:
    plain = stream()
    list(islice(plain, done))
    with prefetched(stream(), depth) as ahead:
        list(islice(ahead, done))
        state = ahead.state()
        assert state == plain.state()
        wanted = list(islice(plain, 30))
        assert list(islice(ahead, 30)) == wanted
    other = Prefetched(stream(), depth)
    other.restore(state)
    assert other.state() == state
    assert list(islice(other, 30)) == wanted
    with pytest.raises(RuntimeError, match="after the first batch"):
        other.restore(state)
    other.close()


@pytest.mark.parametrize("depth", [1, 1_000])
def test_an_error_comes_where_its_batch_would(depth: int) -> None:
    plain, ahead = stream(fail_at=1), Prefetched(stream(fail_at=1), depth)
    given = 0
    while True:
        try:
            wanted = next(plain)
        except DataError:
            break
        assert next(ahead) == wanted
        given += 1
    assert given
    with pytest.raises(DataError, match="line 9"):
        next(ahead)
    ahead.close()


@pytest.mark.parametrize("taken", [0, 1, 50])
def test_nothing_runs_on_behind_the_end(taken: int) -> None:
    before = threading.active_count()
    with prefetched(stream(), 2) as ahead:
        list(islice(ahead, taken))
        assert threading.active_count() == before + (taken > 0)
    assert threading.active_count() == before


def test_none_ahead_is_the_stream_itself() -> None:
    plain = stream()
    with prefetched(plain, 0) as found:
        assert found is plain
