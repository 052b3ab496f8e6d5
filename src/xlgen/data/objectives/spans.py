"""Where spans of noise lie: shared by the objectives that mask spans."""

from __future__ import annotations

import random
from collections.abc import Sequence


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


def sentence_spans(ends: Sequence[int], noise_density: float, rng: random.Random) -> list[tuple[int, int]]:
    """(start, end) of whole sentences to hide: ``noise_density`` of them, at least one and never all.

    ``ends`` holds the position after each sentence's last token. Neighbours make one span, so that spans never touch.
    """
    if len(ends) < 2:
        return []
    count = min(max(round(len(ends) * noise_density), 1), len(ends) - 1)
    starts = [0, *ends[:-1]]
    spans: list[tuple[int, int]] = []
    for index in sorted(rng.sample(range(len(ends)), count)):
        start, end = starts[index], ends[index]
        if spans and spans[-1][1] == start:
            start = spans.pop()[0]
        spans.append((start, end))
    return spans
