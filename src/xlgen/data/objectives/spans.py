"""Where spans of noise lie: shared by the objectives that mask spans."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Sequence


def random_partition(total: int, parts: int, rng: random.Random) -> list[int]:
    """``total`` as a sum of ``parts`` positive numbers, every such sum equally likely."""
    cuts = sorted(rng.sample(range(1, total), parts - 1))
    return [end - start for start, end in zip([0, *cuts], [*cuts, total], strict=True)]


def noise_spans(
    length: int, noise_density: float, mean_span_length: float, rng: random.Random
) -> list[tuple[int, int]]:
    """(start, end) of the noise spans in a sequence of ``length``, as T5 draws them (Raffel et al. 2020, 3.1.4).

    Noise tokens are ``noise_density * length`` in spans of ``mean_span_length`` on average; spans never touch, and the
    sequence begins with a token that is kept.
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
    """``noise_density`` of ``count`` sentences, at least one and never all; 0 of a single one."""
    return min(max(round(count * noise_density), 1), count - 1) if count > 1 else 0


def principal_sentences(sentences: Sequence[Sequence[int]], count: int, rng: random.Random) -> list[int]:
    """The ``count`` sentences, by number, that tell most of what the others tell.

    One after the other, each time the one with which the chosen ones overlap most with all that is left, in unigram F1
    (Zhang et al. 2020, PEGASUS, section 3.1.1, "Seq-Orig"). Of sentences alike, ``rng`` chooses.
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
    """(start, end) of the ``chosen`` sentences, by number and in order; neighbours make one span.

    ``ends`` holds the position after each sentence's last token.
    """
    starts = [0, *ends[:-1]]
    spans: list[tuple[int, int]] = []
    for index in chosen:
        start, end = starts[index], ends[index]
        if spans and spans[-1][1] == start:
            start = spans.pop()[0]
        spans.append((start, end))
    return spans
