"""Claim: minibatch CKA of all pairs is at least 10 times as fast as the direct way. ``python benchmarks/cka.py``

Random states of 2,000 sentences, 13 layers and 12 languages, fp64; CKA of every two languages at every layer (Ji et al.
2024, Figure 2): 858 pairs. The peer is the direct way, as in the code that Kornblith et al. (2019) published: for each
pair both Gram matrices, centred by their means, and three inner products. Ours is the same number (biased, all
sentences), then the unbiased one of all sentences, and the one that ``xlgen analyze cka`` takes, in batches of 256: the
claim is of this one. Times are the processor's, so that work beside it does not count; with OMP_NUM_THREADS=1 they are
of one core, on an idle machine what the clock says. ``--layers 2`` is a quicker look.

All sentences: 132 Gram matrices become 12 a layer, so that 11 is about the most there is; what is left is their
products. In batches of b, a Gram matrix costs b / n of that.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from xlgen.analysis.cka import cka, minibatch_cka

Array = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=2_000)
    parser.add_argument("--layers", type=int, default=13)
    parser.add_argument("--languages", type=int, default=12)
    parser.add_argument("--width", type=int, default=768)
    chosen = parser.parse_args()
    generator = np.random.default_rng(0)
    shared = generator.normal(size=(chosen.sentences, chosen.width))
    layers = [
        [shared + generator.normal(size=shared.shape) for _ in range(chosen.languages)] for _ in range(chosen.layers)
    ]
    pairs = chosen.layers * chosen.languages * (chosen.languages - 1) // 2
    print(f"{chosen.sentences} sentences x {chosen.width}, {chosen.layers} layers, {pairs} pairs", flush=True)
    ways: dict[str, Callable[[list[Array]], Array]] = {
        "biased, all sentences": lambda sets: cka(sets, "biased"),
        "unbiased, all sentences": cka,
        "unbiased, batches of 256": minibatch_cka,
    }
    for way in (*ways.values(), pair_by_pair):
        way(layers[0][:2])  # what is slow the first time
    ours = {name: measure(way, layers) for name, way in ways.items()}
    seconds, direct = measure(pair_by_pair, layers)
    print(f"{'direct, pair by pair':<26} {seconds:8.2f} s")
    for name, (took, found) in ours.items():
        print(f"{name:<26} {took:8.2f} s, {seconds / took:6.1f} times as fast", end="; ")
        print(f"largest difference from the direct one {np.abs(found - direct).max():.1e}")
    ratio = seconds / ours["unbiased, batches of 256"][0]
    print("the claim holds" if ratio >= 10 else f"THE CLAIM DOES NOT HOLD: {ratio:.1f}")


def measure(way: Callable[[list[Array]], Array], layers: list[list[Array]]) -> tuple[float, Array]:
    start = time.process_time()
    found = np.stack([way(sets) for sets in layers])
    return time.process_time() - start, found


def pair_by_pair(sets: list[Array]) -> Array:
    found = np.eye(len(sets))
    for i, j in itertools.combinations(range(len(sets)), 2):
        found[i, j] = found[j, i] = direct(sets[i], sets[j])
    return found


def direct(x: Array, y: Array) -> float:
    k, m = centred(x @ x.T), centred(y @ y.T)
    return float(np.vdot(k, m) / np.sqrt(np.vdot(k, k) * np.vdot(m, m)))


def centred(gram: Array) -> Array:
    means = gram.mean(0)
    means -= means.mean() / 2
    gram -= means[:, None]
    gram -= means[None]
    return gram


if __name__ == "__main__":
    main()
