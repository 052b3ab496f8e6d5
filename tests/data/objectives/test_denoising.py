"""Denoising: spans give way to one mask each, and the whole passage is the target."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlgen.data.objectives import Passage, objectives
from xlgen.data.objectives.denoising import permuted, text_infilling
from xlgen.data.objectives.spans import noise_spans


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], [1, 2, 3, 4]),
        ([(1, 3)], [1, 0, 4]),
        ([(1, 2), (3, 4)], [1, 0, 3, 0]),
        ([(0, 4)], [0]),
    ],
)
def test_by_hand(spans: list[tuple[int, int]], expected: list[int]) -> None:
    assert text_infilling([1, 2, 3, 4], spans, 0) == expected


@given(st.lists(st.integers(1, 99), max_size=80), st.floats(0.05, 0.9), st.floats(1, 9), st.integers())
def test_what_is_left_stands_in_its_order(ids: list[int], density: float, mean: float, seed: int) -> None:
    spans = noise_spans(len(ids), density, mean, random.Random(seed))
    source = text_infilling(ids, spans, 0)
    hidden = {i for start, end in spans for i in range(start, end)}
    assert [token for token in source if token] == [token for i, token in enumerate(ids) if i not in hidden]
    assert source.count(0) == len(spans)


@pytest.mark.parametrize("text", ["في القاهرة", "दिल्ली भारत की राजधानी है।", "北京是中国的首都。", ""])
def test_examples(text: str, letters: Any) -> None:
    kind = objectives.get("denoising")
    example = kind(kind.Options()).make(Passage(text, "hi"), random.Random(0), letters)
    source, target = letters.inside(example)
    assert letters.text(target) == text
    assert (letters.mask() in source) == bool(text)
    assert len(source) <= len(target)
    assert example == kind(kind.Options()).make(Passage(text, "hi"), random.Random(0), letters)


def test_long_passages_lose_their_end_on_both_sides(letters: Any) -> None:
    kind = objectives.get("denoising")
    example = kind(kind.Options(max_tokens=10)).make(Passage("ab" * 40, "en"), random.Random(0), letters)
    assert letters.text(letters.inside(example)[1]) == "ab" * 5


@given(st.lists(st.integers(1, 5), max_size=9), st.integers(0, 4), st.randoms(use_true_random=False))
def test_permuted_sentences_stay_whole(lengths: list[int], tail: int, rng: random.Random) -> None:
    ends = [sum(lengths[: i + 1]) for i in range(len(lengths))]
    ids = list(range(sum(lengths) + tail))
    order = rng.sample(range(len(ends)), len(ends))
    found = permuted(ids, ends, order)
    assert sorted(found) == ids
    assert found[len(ids) - tail :] == ids[len(ids) - tail :]
    starts = [0, *ends]
    assert found == [i for n in order for i in range(starts[n], ends[n])] + ids[len(ids) - tail :]


@pytest.mark.parametrize(
    ("text", "language"),
    [("一。二二。三三三。", "zh"), ("एक। दो दो। तीन।", "hi"), ("أ ب؟ ت ث. ج.", "ar"), ("ก ขข คคค", "th")],
)
def test_sentences_in_another_order(text: str, language: str, letters: Any) -> None:
    kind = objectives.get("denoising")
    objective = kind(kind.Options(permute_sentences=True, noise_density=0.01))
    sources = set()
    for seed in range(30):
        example = objective.make(Passage(text, language), random.Random(seed), letters)
        source, target = letters.inside(example)
        assert letters.text(target) == text
        sources.add("".join(chr(i) for i in source if i != letters.mask()).strip()[:1])
    assert len(sources) >= 3, "each sentence comes first at times"
