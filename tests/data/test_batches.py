"""Token-budget batches and the stream that mixes them: laws, for any data."""

from collections import Counter
from fractions import Fraction
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlgen.data import batches
from xlgen.data.batches import BatchStream, Part, budget_batches, padding_share, shares
from xlgen.data.examples import EncodedExample
from xlgen.data.readers import DataError

LENGTHS = st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), max_size=60)


@given(LENGTHS, st.integers(50, 400), st.none() | st.integers(1, 9))
def test_budget_batches(lengths: list[tuple[int, int]], budget: int, most: int | None) -> None:
    found = list(budget_batches(lengths, budget, most))
    flat = [index for batch in found for index in batch]
    assert sorted(flat) == list(range(len(lengths))), "every index once"
    assert [lengths[i] for i in flat] == sorted(lengths)
    for batch in found:
        assert batch
        assert len(batch) <= (most or len(batch))
        for side in (0, 1):
            assert len(batch) * max(lengths[i][side] for i in batch) <= budget
    # No batch could have taken the first example of the next one as well.
    for batch, following in pairwise(found):
        grown = [*batch, following[0]]
        over = max(max(lengths[i]) for i in grown) * len(grown) > budget
        assert over or len(batch) == most


@pytest.mark.parametrize(
    ("lengths", "budget", "most", "expected"),
    [
        ([], 10, None, []),
        ([(5, 5)] * 4, 10, None, [[0, 1], [2, 3]]),
        ([(5, 1)] * 4, 10, None, [[0, 1], [2, 3]]),
        ([(1, 5)] * 4, 10, None, [[0, 1], [2, 3]]),
        ([(1, 1)] * 4, 10, 3, [[0, 1, 2], [3]]),
        ([(9, 1), (2, 1), (3, 1)], 10, None, [[1, 2], [0]]),
        ([(10, 1)], 10, None, [[0]]),
    ],
)
def test_budget_batches_by_hand(
    lengths: list[tuple[int, int]], budget: int, most: int | None, expected: list[list[int]]
) -> None:
    assert list(budget_batches(lengths, budget, most)) == expected


@pytest.mark.parametrize("lengths", [(11, 1), (1, 11)])
def test_an_example_over_the_budget_is_named(lengths: tuple[int, int]) -> None:
    with pytest.raises(DataError, match=f"{lengths[0]} source and {lengths[1]} target tokens.*batch_tokens 10"):
        list(budget_batches([(1, 1), lengths], 10))


def example(source: int, target: int, mark: int = 0) -> EncodedExample:
    return EncodedExample((mark,) * source, (mark,) * target, "en")


def test_padding_share() -> None:
    assert padding_share([example(3, 2)]) == (0, 5)
    assert padding_share([example(3, 2), example(5, 1), example(1, 2)]) == (2 + 4 + 1, 3 * 7)


def part(name: str, size: int, weight: float = 1.0, rate: float | None = None) -> Part:
    """Examples whose ids tell (index, epoch)."""

    def make(i: int, epoch: int) -> EncodedExample:
        return EncodedExample((i,) * (1 + i % 5), (epoch,) * (1 + i % 3), name)

    return Part(name, size, make, rate, weight)


def taken(stream: BatchStream, count: int) -> list[list[tuple[str, int, int]]]:
    return [[(e.language, e.source[0], e.target[0]) for e in batch] for batch in islice(stream, count)]


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ([None, 0.15], [0.85, 0.15]),
        ([None, 0.01], [0.99, 0.01]),
        ([None, 0.1, None], [0.45, 0.1, 0.45]),
        ([0.5, 0.25, 0.25], [0.5, 0.25, 0.25]),
        ([1.0], [1.0]),
        ([0.3, 0.3, 0.2, None], [0.3, 0.3, 0.2, 0.2]),
    ],
)
def test_rates_are_shares_of_all_batches(rates: list[float | None], expected: list[float]) -> None:
    parts = [part(str(i), 3, rate=rate) for i, rate in enumerate(rates)]
    assert shares(parts) == pytest.approx(expected)
    counts = Counter(batch[0][0] for batch in taken(BatchStream(parts, 0, 20, 1), 1000))
    assert [counts[str(i)] for i in range(len(parts))] == pytest.approx([1000 * share for share in expected], abs=1)


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ([0.6, 0.6], "add up to 1.2; lower them"),
        ([0.6, 0.4, None], "add up to 1, and nothing is left for 2"),
        ([0.5, 0.25], "add up to 0.75, not 1"),
    ],
)
def test_rates_that_cannot_be(rates: list[float | None], message: str) -> None:
    with pytest.raises(DataError, match=message):
        BatchStream([part(str(i), 3, rate=rate) for i, rate in enumerate(rates)], 0, 20)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(1, 5))
def test_proportions_are_exact(rates: list[int], periods: int) -> None:
    stream = BatchStream([part(str(i), 3, rate) for i, rate in enumerate(rates)], 0, 20, 1)
    total = sum(rates)
    counts: Counter[str] = Counter()
    for done, batch in enumerate(taken(stream, total * periods), start=1):
        counts[batch[0][0]] += 1
        for i, rate in enumerate(rates):
            # Never a whole batch ahead of its share, and behind only for a moment.
            assert -1 < Fraction(rate * done, total) - counts[str(i)] < len(rates)
    assert counts == {str(i): rate * periods for i, rate in enumerate(rates)}


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 4)), min_size=1, max_size=3),
    st.integers(0, 60),
    st.integers(0, 3),
)
def test_a_restored_stream_goes_on_with_the_same_batches(sizes: list[tuple[int, int]], done: int, seed: int) -> None:
    def fresh() -> BatchStream:
        return BatchStream([part(str(i), size, rate) for i, (size, rate) in enumerate(sizes)], seed, 12, 3)

    stream = fresh()
    taken(stream, done)
    state = stream.state()
    expected = taken(stream, 25)
    other = fresh()
    taken(other, 5)
    other.restore(state)
    assert other.state() == state
    assert taken(other, 25) == expected


def epochs(stream: BatchStream, size: int, count: int) -> list[list[int]]:
    """The order of examples in each of the first epochs of a stream of one part."""
    found: dict[int, list[int]] = {}
    while len(found.get(count - 1, [])) < size:
        for _, index, epoch in taken(stream, 1)[0]:
            found.setdefault(epoch, []).append(index)
    return [found[epoch] for epoch in range(count)]


@pytest.mark.parametrize("window", [4_096, 16])
def test_every_example_once_an_epoch_in_another_order(window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_WINDOW", window)
    found = epochs(BatchStream([part("a", 50)], 0, 12), 50, 3)
    assert all(sorted(order) == list(range(50)) for order in found)
    assert len({tuple(order) for order in found}) == 3
    assert found == epochs(BatchStream([part("a", 50)], 0, 12), 50, 3), "the same on every machine"
    assert found != epochs(BatchStream([part("a", 50)], 1, 12), 50, 3), "another seed, another order"


def test_parts_of_one_stream_are_shuffled_apart() -> None:
    stream = BatchStream([part("a", 20), part("b", 20)], 0, 5, 1)
    orders: dict[str, list[int]] = {"a": [], "b": []}
    for batch in taken(stream, 40):
        orders[batch[0][0]].append(batch[0][1])
    assert orders["a"] != orders["b"]


def test_batches_are_of_one_length_but_not_in_order_of_length() -> None:
    stream = BatchStream([part("a", 200)], 0, 40)
    sizes = [max(len(e.source) for e in batch) for batch in islice(stream, 10)]
    assert sizes != sorted(sizes)
    padding, whole = map(sum, zip(*(padding_share(batch) for batch in islice(stream, 20)), strict=True))
    assert padding / whole < 0.2


def test_an_empty_part_is_refused() -> None:
    with pytest.raises(DataError, match="b is empty"):
        BatchStream([part("a", 1), part("b", 0)], 0, 10)
