"""The unsupervised tasks of Vu et al. (2022), beside span corruption: nothing is lost, nothing is shown twice."""

import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlgen.backbones.base import Backbone
from xlgen.data.objectives import Passage, objectives
from xlgen.data.objectives.iid_denoising import iid_spans
from xlgen.data.objectives.splits import first_tokens, random_split

NAMES = ("prefix_lm", "lm", "missing_prefix", "n_token_prefix", "missing_n_token_prefix", "iid_denoising")
TEXTS = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), min_size=1, max_size=60)


def shown_and_asked(name: str, text: str, letters: Any, seed: int = 0, **options: Any) -> tuple[str, str]:
    """Source and target as text, sentinels as ``_``."""
    kind = objectives.get(name)
    example = kind(kind.Options(**options)).make(Passage(text, "th"), random.Random(seed), letters)
    assert example.source[0] == example.target[0] == letters.code("th") and example.language == "th"
    source, target = letters.inside(example)
    return letters.text(source), letters.text(target)


@given(st.lists(st.integers(), max_size=40), st.integers())
def test_a_random_split_loses_nothing(ids: list[int], seed: int) -> None:
    prefix, rest = random_split(ids, random.Random(seed))
    assert [*prefix, *rest] == ids
    assert len(ids) < 2 or (prefix and rest)


def test_every_point_is_drawn_equally_often() -> None:
    rng = random.Random(0)
    points = [len(random_split(range(5), rng)[0]) for _ in range(4_000)]
    assert all(900 < points.count(point) < 1_100 for point in (1, 2, 3, 4))


@given(st.lists(st.integers(), max_size=40), st.integers(1, 50))
def test_first_tokens_leave_at_least_one(ids: list[int], count: int) -> None:
    prefix, rest = first_tokens(ids, count)
    assert [*prefix, *rest] == ids
    assert len(prefix) == min(count, max(len(ids) - 1, 0))


@given(text=TEXTS, seed=st.integers())
def test_prefix_lm_and_missing_prefix_are_mirrors(text: str, seed: int, letters: Any) -> None:
    prefix, rest = shown_and_asked("prefix_lm", text, letters, seed)
    assert prefix + rest == text
    assert shown_and_asked("missing_prefix", text, letters, seed) == (rest, prefix)


@given(text=TEXTS)
def test_lm_shows_nothing(text: str, letters: Any) -> None:
    assert shown_and_asked("lm", text, letters) == ("", text)


@given(text=TEXTS, count=st.integers(1, 70))
def test_n_tokens(text: str, count: int, letters: Any) -> None:
    assert shown_and_asked("n_token_prefix", text, letters, num_tokens=count) == (text, text[:count])
    rest, prefix = shown_and_asked("missing_n_token_prefix", text, letters, num_tokens=count)
    assert prefix + rest == text and len(prefix) == min(count, len(text) - 1)


# -- i.i.d. denoising


@given(st.integers(0, 200), st.floats(0.01, 0.99), st.integers())
def test_spans_are_runs_of_hidden_tokens(length: int, density: float, seed: int) -> None:
    spans = iid_spans(length, density, random.Random(seed))
    assert all(0 <= start < end <= length for start, end in spans)
    assert all(end < start for (_, end), (start, _) in pairwise(spans)), "neighbours are one run"
    assert bool(spans) == (length > 0)


def test_each_token_is_hidden_at_its_rate() -> None:
    rng = random.Random(0)
    counts = [0] * 40
    for _ in range(4_000):
        for start, end in iid_spans(40, 0.15, rng):
            for position in range(start, end):
                counts[position] += 1
    assert all(0.12 < count / 4_000 < 0.18 for count in counts)


@given(text=TEXTS, seed=st.integers())
def test_iid_denoising_can_be_undone(text: str, seed: int, letters: Any) -> None:
    kind = objectives.get("iid_denoising")
    example = kind(kind.Options(noise_density=0.4)).make(Passage(text, "th"), random.Random(seed), letters)
    source, target = letters.inside(example)
    first = letters.sentinels(1)[0]
    parts: dict[int, list[int]] = {}
    for token in target:
        if token >= first:
            current = parts.setdefault(token, [])
        else:
            current.append(token)
    assert letters.text([t for kept in source for t in (parts[kept] if kept >= first else [kept])]) == text
    ends_hidden = source[-1] >= first
    assert (target[-1] >= first) != ends_hidden, "a last sentinel stands for what follows the last span"


@given(text=TEXTS, seed=st.integers())
def test_iid_denoising_without_sentinels(text: str, seed: int, letters: Any) -> None:
    source, target = shown_and_asked("iid_denoising", text, letters, seed, sentinels=False)
    assert sorted(source + target) == sorted(text) and target


# -- all of them


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "text", ["", "x", "กรุงเทพเป็นเมืองหลวง", "北京是首都。", "दिल्ली भारत की राजधानी है।", "القاهرة عاصمة مصر."]
)
def test_the_same_draw_gives_the_same_example(name: str, text: str, letters: Any) -> None:
    first = shown_and_asked(name, text, letters, 3)
    assert first == shown_and_asked(name, text, letters, 3)


@pytest.mark.parametrize("name", NAMES)
def test_long_passages_lose_their_end(name: str, letters: Any) -> None:
    text = "".join(map(chr, range(0x4E00, 0x4E64)))
    source, target = shown_and_asked(name, text, letters, max_tokens=20)
    assert set(source + target) - {"_"} == set(text[:20])


@pytest.mark.parametrize("name", NAMES)
def test_on_every_family(name: str, any_backbone: Backbone) -> None:
    """Without sentinels where there are none; the ids are laid out as the backbone lays out any text."""
    kind = objectives.get(name)
    options = {"sentinels": False} if name == "iid_denoising" and any_backbone.has_language_codes else {}
    text = "Мэр открыл новую школу в городе."
    example = kind(kind.Options(**options)).make(Passage(text, "ru"), random.Random(1), any_backbone)
    frame = any_backbone.source([], "ru"), any_backbone.target([], "ru")
    for ids, around in zip((example.source, example.target), frame, strict=True):
        assert (*ids[: len(around) - 1], ids[-1]) == around
    assert example.language == "ru"
