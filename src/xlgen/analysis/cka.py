"""Centered kernel alignment (CKA): the similarity of two sets of representations of the same items, up to rotation.

Linear CKA (Kornblith et al. 2019; Ji et al. 2024, section 3.2) is

    CKA(X, Y) = ||Y'X||^2 / (||X'X|| ||Y'Y||) = HSIC(X, Y) / sqrt(HSIC(X, X) HSIC(Y, Y))

with centred X (n, d) and Y (n, e) and Frobenius norms. With this *biased* HSIC, even unrelated sets appear similar if
there are fewer sentences than dimensions. The *unbiased* estimator of HSIC (Song et al. 2012) is about zero for them,
and its mean over batches estimates HSIC over all sentences (*minibatch* CKA, Nguyen et al. 2021).

HSIC is the inner product of two centred Gram matrices. Each set's Gram matrix is computed once, not once per pair, and
the products of all pairs are one matrix product. Both are computed tile by tile, so memory does not grow with the
square of the number of sentences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from xlgen.core.registry import InputError

Array: TypeAlias = NDArray[np.float64]
Estimator: TypeAlias = Literal["unbiased", "biased"]

_TILE = 256
_FEWEST = {"unbiased": 4, "biased": 2}
"""The fewest rows for which an estimate is defined (Song et al. 2012, equation 5, divides by n (n - 3))."""
_ROUNDING = 1e-12
"""A set whose variance is below this share of its squared norm counts as constant: the rest is rounding error."""


@dataclass(frozen=True)
class CKASettings:
    """Settings of an estimate of CKA; see :func:`minibatch_cka`."""

    batch_size: int = 256
    epochs: int = 1
    seed: int = 0
    estimator: Estimator = "unbiased"
    """``biased`` uses the formula of Ji et al. (2024, section 3.2) on all sentences at once."""

    def signature(self, sentences: int) -> str:
        """The signature of a value: how it was measured."""
        if self.estimator == "biased":
            return f"hsic:biased|states:encoder-mean|sentences:{sentences}"
        if self.batch_size >= sentences:
            return f"hsic:unbiased|states:encoder-mean|sentences:{sentences}"
        return (
            f"hsic:unbiased|states:encoder-mean|sentences:{sentences}|batch:{self.batch_size}"
            f"|epochs:{self.epochs}|seed:{self.seed}"
        )


@dataclass(frozen=True)
class _Centring:
    """One set, and the means that centre its Gram matrix K: ``K[i, j] - rows[i] - rows[j] + all``."""

    features: Array
    rows: Array
    all: float


def hsic(sets: Sequence[NDArray[np.floating]], estimator: Estimator = "unbiased", tile: int = _TILE) -> Array:
    """HSIC of every pair of ``sets`` of representations of the same n items.

    Args:
        sets: Each of shape (n, width); widths may differ.
        estimator: ``unbiased`` is equation 5 of Song et al. (2012), which needs n >= 4 and can be negative; ``biased``
            is ``||Y'X||^2 / (n - 1)^2`` of centred X and Y.
        tile: The number of rows and columns of each set's Gram matrix in memory at a time.

    Returns:
        A symmetric array of shape (sets, sets).

    Raises:
        InputError: if sets differ in n, n is too small, or a number is not finite.
    """
    n = _check(sets, estimator)
    centred = [_centring(np.asarray(features, dtype=float), estimator) for features in sets]
    total = np.zeros((len(sets), len(sets)))
    for top in range(0, n, tile):
        for left in range(top, n, tile):
            flat = np.stack([_tile(each, top, left, tile, estimator) for each in centred])  # (sets, rows * columns)
            # Gram matrices are symmetric, so tiles right of the diagonal count twice.
            total += (1 if left == top else 2) * (flat @ flat.T)
    return total / (n * (n - 3) if estimator == "unbiased" else (n - 1) ** 2)


def cka(sets: Sequence[NDArray[np.floating]], estimator: Estimator = "unbiased") -> Array:
    """Linear CKA of every pair of ``sets``: (sets, sets), with 1 on the diagonal, and NaN for constant sets.

    See :func:`hsic` for arguments and errors. The biased estimate is in [0, 1], the unbiased one in [-1, 1].
    """
    return _normalized(hsic(sets, estimator), sets)


def minibatch_cka(sets: Sequence[NDArray[np.floating]], batch_size: int = 256, epochs: int = 1, seed: int = 0) -> Array:
    """CKA from the means over batches of the unbiased HSIC (Nguyen et al. 2021, equation 5): (sets, sets).

    The cost is ``n * batch_size`` instead of ``n ** 2``. In each of ``epochs``, the items are shuffled into batches of
    nearly equal size, at most ``batch_size``. With one batch, this equals ``cka(sets)``. Raises InputError like
    :func:`hsic`.
    """
    n = _check(sets, "unbiased")
    if batch_size < _FEWEST["unbiased"]:
        raise InputError(f"batches of {batch_size}: the unbiased estimator needs at least {_FEWEST['unbiased']}")
    # At least four items per batch; batches may be slightly larger if they would otherwise be too small.
    count = max(1, min(-(-n // batch_size), n // _FEWEST["unbiased"]))
    generator = np.random.default_rng(seed)
    total = np.zeros((len(sets), len(sets)))
    for _ in range(epochs):
        order = generator.permutation(n) if count > 1 else np.arange(n)
        for batch in np.array_split(order, count):
            total += hsic([features[batch] for features in sets]) / (epochs * count)
    return _normalized(total, sets)


def estimate(sets: Sequence[NDArray[np.floating]], settings: CKASettings) -> Array:
    """CKA of every pair of ``sets`` by the estimator of ``settings``; see :func:`cka` and :func:`minibatch_cka`."""
    if settings.estimator == "biased":
        return cka(sets, "biased")
    return minibatch_cka(sets, settings.batch_size, settings.epochs, settings.seed)


def _check(sets: Sequence[NDArray[np.floating]], estimator: Estimator) -> int:
    sizes = sorted({len(features) for features in sets})
    if len(sizes) != 1:
        raise InputError(f"CKA compares representations of the same sentences, but the sets have {sizes} of them")
    if sizes[0] < _FEWEST[estimator]:
        raise InputError(f"CKA needs at least {_FEWEST[estimator]} sentences ({estimator} HSIC), not {sizes[0]}")
    for place, features in enumerate(sets):
        if not np.isfinite(features).all():
            raise InputError(f"set {place} of {len(sets)} has values that are not finite (NaN or infinite)")
    return sizes[0]


def _centring(features: Array, estimator: Estimator) -> _Centring:
    """The means to subtract from the Gram matrix, without computing the matrix: its row sums are ``X (X'1)``.

    For the unbiased estimator they are those of U-centring (Székely and Rizzo 2014, equation 3.6), which excludes the
    diagonal. HSIC is then the inner product without the diagonal, which is equation 5 of Song et al. (2012).
    """
    features = features - features.mean(0)  # (n, width); only reduces rounding errors
    n = len(features)
    if estimator == "biased":
        return _Centring(features, np.zeros(n), 0.0)
    rows = features @ features.sum(0) - np.einsum("ij,ij->i", features, features)  # (n,)
    return _Centring(features, rows / (n - 2), float(rows.sum()) / ((n - 1) * (n - 2)))


def _tile(centred: _Centring, top: int, left: int, size: int, estimator: Estimator) -> Array:
    """A tile of the centred Gram matrix, flattened."""
    down, right = slice(top, top + size), slice(left, left + size)
    features, rows = centred.features, centred.rows
    gram = features[down] @ features[right].T  # (rows, columns)
    if estimator == "unbiased":
        gram -= rows[down, None]
        gram += centred.all - rows[right]
        if top == left:
            np.fill_diagonal(gram, 0)
    return gram.ravel()


def _normalized(found: Array, sets: Sequence[NDArray[np.floating]]) -> Array:
    """Normalize HSIC to CKA. A constant set gives NaN, even with itself."""
    size = np.diagonal(found).copy()
    for place, features in enumerate(sets):
        values = np.asarray(features, dtype=float)
        spread = float(np.square(values - values.mean(0)).sum())
        if spread <= _ROUNDING * float(np.square(values).sum()) or size[place] <= 0:
            size[place] = np.nan
    return np.clip(found / np.sqrt(np.outer(size, size)), -1, 1)
