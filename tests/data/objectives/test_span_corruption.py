"""Span corruption can be undone, and noise lies where T5 draws it."""

import random
import re
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlgen.backbones import loading
from xlgen.data.objectives import Passage, objectives
from xlgen.data.objectives.span_corruption import dropped_spans, span_corruption
from xlgen.data.objectives.spans import (
    noise_spans,
    principal_sentences,
    random_partition,
    sentence_spans,
    sentences_to_hide,
)
from xlgen.pocket import world

DENSITIES = st.floats(0.01, 0.99)
MEANS = st.floats(1, 20)


def merge(source: list[int], target: list[int], first_sentinel: int) -> list[int]:
    """Put what each sentinel hides back in its place."""
    hidden: dict[int, list[int]] = {}
    for token in target:
        if token >= first_sentinel:
            current = hidden.setdefault(token, [])
        else:
            current.append(token)
    return [token for kept in source for token in (hidden[kept] if kept >= first_sentinel else [kept])]


# -- where noise lies


@given(st.integers(1, 60), st.integers(1, 60), st.integers())
def test_a_partition_adds_up(total: int, parts: int, seed: int) -> None:
    if parts > total:
        return
    found = random_partition(total, parts, random.Random(seed))
    assert len(found) == parts
    assert sum(found) == total
    assert min(found) > 0


def test_every_partition_is_equally_likely() -> None:
    rng = random.Random(0)
    counts = Counter(tuple(random_partition(5, 3, rng)) for _ in range(6000))
    assert len(counts) == 6
    assert all(850 < count < 1150 for count in counts.values())


@given(st.integers(2, 300), DENSITIES, MEANS, st.integers())
def test_noise_spans(length: int, density: float, mean: float, seed: int) -> None:
    spans = noise_spans(length, density, mean, random.Random(seed))
    assert spans[0][0] > 0, "the first token is kept"
    assert spans[-1][1] <= length
    assert all(start < end for start, end in spans)
    assert all(end < start for (_, end), (start, _) in pairwise(spans)), "spans never touch"
    noise = sum(end - start for start, end in spans)
    assert noise == min(max(round(length * density), 1), length - 1)
    assert len(spans) <= max(round(noise / mean), 1)


@pytest.mark.parametrize("length", [0, 1])
def test_too_short_for_noise(length: int) -> None:
    assert noise_spans(length, 0.5, 3, random.Random(0)) == []


def test_spans_have_their_mean_length() -> None:
    rng = random.Random(0)
    lengths = [end - start for _ in range(200) for start, end in noise_spans(200, 0.15, 3, rng)]
    assert sum(lengths) / len(lengths) == pytest.approx(3)
    assert len(set(lengths)) > 5, "not all alike"


# -- the objective


def test_by_hand() -> None:
    assert span_corruption([1, 2, 3, 4, 5], [(1, 3), (4, 5)], [90, 91]) == ([1, 90, 4, 91], [90, 2, 3, 91, 5])
    assert span_corruption([1], [], []) == ([1], [])


@given(st.lists(st.integers(0, 99), max_size=80), DENSITIES, MEANS, st.integers())
def test_merging_source_and_target_gives_the_original(ids: list[int], density: float, mean: float, seed: int) -> None:
    spans = noise_spans(len(ids), density, mean, random.Random(seed))
    source, target = span_corruption(ids, spans, range(1000, 1000 + len(spans)))
    assert merge(source, target, 1000) == ids
    assert len(source) + len(target) == len(ids) + 2 * len(spans)


@pytest.mark.parametrize(
    "text", ["กรุงเทพเป็นเมืองหลวงของไทย", "Москва — столица России.", "東京は日本の首都です。", "x", ""]
)
def test_examples(text: str, letters: Any) -> None:
    kind = objectives.get("span_corruption")
    example = kind(kind.Options(noise_density=0.4)).make(Passage(text, "th"), random.Random(1), letters)
    source, target = letters.inside(example)
    assert letters.text(merge(source, target, 2_000_000)) == text
    assert example.language == "th"
    assert example.source[0] == example.target[0] == letters.code("th")


def test_the_same_draw_gives_the_same_example_and_long_passages_lose_their_end(letters: Any) -> None:
    kind = objectives.get("span_corruption")
    objective = kind(kind.Options(noise_density=0.4, max_tokens=20))
    passage = Passage("".join(map(chr, range(300, 400))), "en")
    first, again, other = (objective.make(passage, random.Random(seed), letters) for seed in (3, 3, 4))
    assert first == again != other
    source, target = letters.inside(first)
    assert letters.text(merge(source, target, 2_000_000)) == passage.text[:20]


@given(st.lists(st.integers(0, 99), max_size=80), DENSITIES, MEANS, st.integers())
def test_dropped_spans_are_those_that_sentinels_would_hide(
    ids: list[int], density: float, mean: float, seed: int
) -> None:
    spans = noise_spans(len(ids), density, mean, random.Random(seed))
    source, target = span_corruption(ids, spans, range(1000, 1000 + len(spans)))
    bare = [token for token in source if token < 1000], [token for token in target if token < 1000]
    assert dropped_spans(ids, spans) == bare


def test_an_objective_without_sentinels_needs_none(letters: Any) -> None:
    kind = objectives.get("span_corruption")
    passage = Passage("กรุงเทพเป็นเมืองหลวง", "th")
    example = kind(kind.Options(noise_density=0.4, sentinels=False)).make(passage, random.Random(1), letters)
    source, target = map(letters.text, letters.inside(example))
    assert sorted(source + target) == sorted(passage.text)
    assert "_" not in source + target and len(target) == round(0.4 * len(passage.text))


# -- whole sentences


@given(st.lists(st.integers(1, 30), min_size=2, max_size=12), DENSITIES, st.integers())
def test_sentence_spans_are_whole_sentences(lengths: list[int], density: float, seed: int) -> None:
    ends = [sum(lengths[: i + 1]) for i in range(len(lengths))]
    count = sentences_to_hide(len(ends), density)
    chosen = sorted(random.Random(seed).sample(range(len(ends)), count))
    spans = sentence_spans(ends, chosen)
    assert all(start in [0, *ends] and end in ends for start, end in spans)
    assert all(end < start for (_, end), (start, _) in pairwise(spans)), "spans never touch"
    hidden = sum(end - start for start, end in spans)
    assert hidden == sum(lengths[i] for i in chosen)
    assert 0 < hidden < ends[-1], "something is hidden and something is kept"


@pytest.mark.parametrize("count", [0, 1])
def test_one_sentence_is_never_hidden(count: int) -> None:
    assert sentences_to_hide(count, 0.5) == 0


def test_principal_sentences_tell_what_others_tell() -> None:
    sentences = [[1, 2, 3], [7, 8], [1, 2, 4], [9], [7, 8, 5]]
    for seed in range(10):
        first, second = principal_sentences(sentences, 2, random.Random(seed))
        # One telling of each fact: to hide both tellings would leave nothing to copy.
        assert (first in (0, 2)) != (second in (0, 2)) and 3 not in (first, second)


@pytest.mark.parametrize("language", ["en", "th", "zh", "hi"])
def test_principal_sentences_of_the_pocket_world_are_its_news(language: str) -> None:
    found = Counter[str]()
    pieces = loading.load("pocket-mt5", languages=(language,)).tokenize
    for frame in world.frames("unlabelled", 40):
        sentences = [pieces(text) for text in world.render(frame, language).sentences]
        layout = world._LAYOUTS[frame.layout]
        found.update(layout[i] for i in principal_sentences(sentences, 2, random.Random(0)))
    assert found["event"] >= 38, "one of its tellings"
    assert found["result"] + found["repeat_result"] >= 36


@pytest.mark.spread(2)
@pytest.mark.parametrize("language", ["th", "ar", "hi", "zh", "ja", "ru"])
def test_sentences_come_back_whole(language: str) -> None:
    story = world.render(world.draw_frame("unlabelled", 3), language)
    backbone = loading.load("pocket-mt5", languages=(language,))
    kind = objectives.get("span_corruption")
    passage = Passage(story.document, language, sentences=story.sentences)
    example = kind(kind.Options(unit="sentences", noise_density=0.3)).make(passage, random.Random(1), backbone)
    hidden = re.split(r"<extra_id_\d+>", backbone.tokenizer.decode(example.target).replace("</s>", ""))[1:]
    assert hidden
    for text in hidden:
        assert text.strip() in story.document
        assert text.strip().startswith(story.sentences), "spans begin where a sentence begins"
        assert text.strip().endswith(story.sentences), "and end where one ends"


def test_where_the_corpus_tells_no_sentences_marks_do(letters: Any) -> None:
    kind = objectives.get("span_corruption")
    objective = kind(kind.Options(unit="sentences"))
    passage = Passage("दिल्ली बड़ी है। वह राजधानी है।", "hi")
    source, target = letters.inside(objective.make(passage, random.Random(1), letters))
    assert letters.text(merge(source, target, 2_000_000)) == passage.text
    assert letters.text(source).count("_") == 1 and "।" in letters.text(target)
    assert objective.fits(passage, letters) and not objective.fits(Passage("दिल्ली बड़ी है।", "hi"), letters)


# -- Raffel et al. 2020, Figure 2 and Table 3


THANKS = ["Thank", "you", "for", "inviting", "me", "to", "your", "party", "last", "week", "."]


def test_the_published_example() -> None:
    source, target = span_corruption(THANKS, [(2, 4), (8, 9)], ["<X>", "<Y>", "<Z>"])
    assert " ".join(source) == "Thank you <X> me to your party <Y> week ."
    assert " ".join(target) == "<X> for inviting <Y> last <Z>"
    dropped = dropped_spans(THANKS, [(2, 4), (8, 9)])
    assert [" ".join(part) for part in dropped] == ["Thank you me to your party week .", "for inviting last"]


@given(st.integers(20, 500), st.integers())
def test_rates_and_order_of_sentinels_are_those_of_t5(length: int, seed: int) -> None:
    """15 % in spans of 3; sentinels are used once each, in order, alike on both sides; the last span ends the text."""
    spans = noise_spans(length, 0.15, 3.0, random.Random(seed))
    source, target = span_corruption(range(length), spans, range(1000, 1000 + len(spans)))
    assert len(target) - len(spans) == round(0.15 * length)
    assert len(spans) == max(round(round(0.15 * length) / 3), 1)
    used = [token for token in source if token >= 1000]
    assert used == [token for token in target if token >= 1000] == list(range(1000, 1000 + len(spans)))
    assert spans[-1][1] == length and source[-1] == used[-1] and target[0] == 1000
