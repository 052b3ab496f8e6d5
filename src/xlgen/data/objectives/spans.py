"""Choice of noise spans, shared by the objectives that mask spans."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Sequence


def random_partition(total: int, parts: int, rng: random.Random) -> list[int]:
    """``parts`` positive numbers that sum to ``total``, drawn uniformly from all such lists."""
    cuts = sorted(rng.sample(range(1, total), parts - 1))
    return [end - start for start, end in zip([0, *cuts], [*cuts, total], strict=True)]


def noise_spans(
    length: int, noise_density: float, mean_span_length: float, rng: random.Random
) -> list[tuple[int, int]]:
    """(start, end) of the noise spans in a sequence of ``length``, drawn as in T5 (Raffel et al. 2020, 3.1.4).

    There are ``noise_density * length`` noise tokens in spans of ``mean_span_length`` on average. Spans are never
    adjacent, and the first token is always kept.
    """
    if length < 2:
        return []
    noise = min(max(round(length * noise_density), 1), length - 1)
    spans = min(max(round(noise / mean_span_length), 1), noise, length - noise)
    noisy = random_partition(noise, spans, rng)
    kept = random_partition(length - noise, spans, rng)
    result, position = [], 0
    for keep, mask in zip(kept, noisy, strict=True):
        position += keep
        result.append((position, position + mask))
        position += mask
    return result


def sentences_to_hide(count: int, noise_density: float) -> int:
    """The share ``noise_density`` of ``count`` sentences, at least one and never all; 0 for a single sentence."""
    return min(max(round(count * noise_density), 1), count - 1) if count > 1 else 0


def principal_sentences(sentences: Sequence[Sequence[int]], count: int, rng: random.Random) -> list[int]:
    """The indices of the ``count`` sentences that overlap most with the others.

    Sentences are chosen greedily, each to maximise the unigram F1 of the chosen sentences with the remaining ones
    (Zhang et al. 2020, PEGASUS, section 3.1.1, "Seq-Orig"). ``rng`` breaks ties.
    """
    order = rng.sample(range(len(sentences)), len(sentences))
    chosen: list[int] = []
    for _ in range(count):
        left = [index for index in order if index not in chosen]
        chosen.append(max(left, key=lambda index: _overlap(sentences, {*chosen, index})))
    return sorted(chosen)


def _overlap(sentences: Sequence[Sequence[int]], chosen: Collection[int]) -> float:
    inside, outside = Counter[int](), Counter[int]()
    for index, sentence in enumerate(sentences):
        (inside if index in chosen else outside).update(sentence)
    return 2 * (inside & outside).total() / ((inside + outside).total() or 1)


def sentence_spans(ends: Sequence[int], chosen: Sequence[int]) -> list[tuple[int, int]]:
    """(start, end) of the ``chosen`` sentences, given by index and in order; neighbors are merged into one span.

    ``ends`` has the position after each sentence's last token.
    """
    starts = [0, *ends[:-1]]
    spans: list[tuple[int, int]] = []
    for index in chosen:
        start, end = starts[index], ends[index]
        if spans and spans[-1][1] == start:
            start = spans.pop()[0]
        spans.append((start, end))
    return spans
