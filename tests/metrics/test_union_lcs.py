"""Equality with the table and the walk of rouge_score, number by number."""

import random
from itertools import chain

import numpy as np
import pytest
from rouge_score.rouge_scorer import _create_ngrams, _score_lcs, _score_ngrams, _summary_level_lcs, lcs_ind

from xlgen.metrics import lcs, sentence_pairs
from xlgen.metrics.lcs import lcs_lengths, union_hits
from xlgen.metrics.ragged import Ragged
from xlgen.metrics.shared_tokens import Slots, bigram_hits, unigram_hits
from xlgen.metrics.union_lcs import matched_bits, matched_bits_of_long

Text = list[list[int]]


def bits(predicted: list[int], wanted: list[int]) -> list[int]:
    """For each predicted token the places of equal wanted ones, as bits."""
    return [sum(1 << place for place, other in enumerate(wanted) if other == token) for token in predicted]


def words(masks: list[int], count: int) -> np.ndarray:
    return np.array([[mask >> 64 * word & (1 << 64) - 1 for word in range(count)] for mask in masks], dtype=np.uint64)


@pytest.mark.parametrize("longest", [6, 63, 64, 65, 150])
def test_the_walk_is_rouge_scores(longest: int) -> None:
    chance = random.Random(longest)
    for _ in range(30):
        kinds = chance.choice([2, 4, 20])
        one, other = ([chance.randrange(kinds) for _ in range(chance.randint(1, longest))] for _ in range(2))
        expected = sum(1 << place for place in lcs_ind(other, one))
        masks = bits(one, other)
        assert matched_bits_of_long(masks, len(other)) == expected
        count = (len(other) + 63) // 64
        padded = [0] * chance.randrange(3) + masks
        found = matched_bits(np.repeat(words(padded, count)[:, :, None], 2, axis=2))
        assert [sum(int(word) << 64 * place for place, word in enumerate(pair)) for pair in found.T] == [expected] * 2


def texts(chance: random.Random, count: int, sentences: int, longest: int) -> list[Text]:
    def sentence() -> list[int]:
        kinds = chance.choice([3, 12])
        return [chance.randrange(kinds) for _ in range(chance.randint(1, longest))]

    return [[sentence() for _ in range(chance.randint(0, sentences))] for _ in range(count)]


def rows(of: list[Text]) -> tuple[Ragged, Ragged]:
    """The tokens of each text, and the lengths of its sentences."""
    flat = [[token for sentence in text for token in sentence] for text in of]
    lengths = [[len(sentence) for sentence in text] for text in of]
    return ragged(flat), ragged(lengths)


def ragged(of: list[list[int]]) -> Ragged:
    return Ragged.of(
        np.array([value for row in of for value in row], dtype=np.int64), np.array(list(map(len, of)), dtype=np.int64)
    )


def check(seed: int, count: int, sentences: int, longest: int) -> None:
    chance = random.Random(seed)
    predicted, wanted = texts(chance, count, sentences, longest), texts(chance, count, sentences, longest)
    (tokens, lines), (other_tokens, other_lines) = rows(predicted), rows(wanted)
    slots = Slots.of(tokens, other_tokens)
    unions, longest_common = union_hits(slots, lines, other_lines), lcs_lengths(slots)
    singles, doubles = unigram_hits(slots), bigram_hits(slots)
    for number, (one, other) in enumerate(zip(predicted, wanted, strict=True)):
        flat, other_flat = list(chain(*one)), list(chain(*other))
        total = len(other_flat)
        assert unions[number] == pytest.approx(_summary_level_lcs(other, one).recall * total)
        assert longest_common[number] == pytest.approx(_score_lcs(other_flat, flat).recall * total)
        for order, hits in ((1, singles), (2, doubles)):
            grams = _create_ngrams(other_flat, order), _create_ngrams(flat, order)
            assert hits[number] == pytest.approx(_score_ngrams(*grams).recall * max(total - order + 1, 1))


@pytest.mark.parametrize("shape", [(0, 3, 3), (1, 0, 5), (150, 5, 9), (12, 3, 150)])
def test_counts_are_rouge_scores(shape: tuple[int, int, int]) -> None:
    check(1, *shape)


@pytest.mark.parametrize(("cells", "step", "most"), [(50, 5, 1), (1_000_000, 4096, 0), (1, 1, 8)])
def test_blocks_and_steps_change_nothing(monkeypatch: pytest.MonkeyPatch, cells: int, step: int, most: int) -> None:
    monkeypatch.setattr(lcs, "_CELLS", cells)
    monkeypatch.setattr(sentence_pairs, "_STEP", step)
    monkeypatch.setattr(sentence_pairs, "_MOST_WORDS", most)
    check(2, 60, 5, 9)
    check(3, 5, 3, 150)


def test_keys_too_large_to_pack_are_sorted_otherwise() -> None:
    huge = 2**58
    slots = Slots.of(ragged([[huge, 5], [5, huge]]), ragged([[huge], [7]]))
    assert unigram_hits(slots).tolist() == [1, 0]
