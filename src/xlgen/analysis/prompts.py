"""Compare language prompts: cosines and clusters (Vu et al. 2022, Appendix D)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
from scipy.spatial.distance import squareform

from xlgen.analysis.figures import Dendrogram
from xlgen.analysis.rows import AnalysisRows
from xlgen.core.json_types import JsonObject
from xlgen.core.languages import Language, language_name
from xlgen.core.registry import InputError
from xlgen.core.tables import Column, Table, number_column, text_table
from xlgen.runs.runs import short_backbone

Array = NDArray[np.float64]
Pooling = Literal["mean", "tokens"]
Linkage = Literal["average", "complete", "single"]

KINDS = ("family", "branch", "script")
"""Properties that languages may share; a branch is ``Language.group``."""
_SHUFFLES = 9_999
_TOGETHER = 500


@dataclass(frozen=True)
class Contrast:
    """Mean cosines of pairs of languages with the same family, branch or script, and of other pairs."""

    kind: str
    within: float
    between: float
    pairs: int
    """Number of pairs that share the property."""
    p: float
    """P-value: the share of random permutations of the labels whose difference is at least as large."""


@dataclass(frozen=True)
class Clusters:
    """Cosines of all pairs of languages' prompts, and their hierarchical clustering."""

    model: str
    languages: tuple[str, ...]
    """Languages in the order of the tree's leaves."""
    cosines: Array
    """(languages, languages), in that order."""
    tree: Array
    """A linkage matrix of scipy over the languages in that order: (languages - 1, 4)."""
    contrasts: tuple[Contrast, ...]
    signature: str

    def rows(self) -> list[JsonObject]:
        """One row per pair of languages, per merge in the tree, and per contrast."""
        shared = {"model": self.model, "signature": self.signature}
        pairs = zip(*np.triu_indices(len(self.languages), 1), strict=True)
        return [
            *(
                {
                    "analysis": "prompts", **shared, "language": self.languages[i],
                    "other_language": self.languages[j], "value": float(self.cosines[i, j]),
                }
                for i, j in pairs
            ),
            *(
                {
                    "analysis": "prompts-tree", **shared, "first": int(left), "second": int(right),
                    "value": float(distance), "n": int(size),
                }
                for left, right, distance, size in self.tree
            ),
            *(
                {
                    "analysis": "prompts-contrast", **shared, "kind": each.kind, "within": each.within,
                    "between": each.between, "value": each.within - each.between, "n": each.pairs, "p": each.p,
                }
                for each in self.contrasts
            ),
        ]  # fmt: skip

    def figure(self) -> Dendrogram:
        """Figure 8 of Vu et al. (2022): cosines in the order of the tree, coloured by family and script."""
        return Dendrogram(
            name="prompts",
            title=f"Cosine of language prompts: {short_backbone(self.model)}",
            leaves=self.languages,
            values=self.cosines,
            tree=self.tree,
            distance="1 - cosine",
            groups=tuple(labels_of(self.languages, "branch")),
            marks=tuple(labels_of(self.languages, "script")),
            legends=("family or branch (names)", "script (squares)"),
        )


def compare_prompts(
    model: str, prompts: Mapping[str, np.ndarray], pooling: Pooling = "mean", method: Linkage = "average"
) -> Clusters:
    """Cosines of prompts and their hierarchical clustering.

    Args:
        model: The model that they were trained in.
        prompts: Prompts by language: (tokens, width).
        pooling: For prompts of several vectors, ``mean`` averages the vectors; ``tokens`` concatenates them, so that
            vectors are compared by position. Vu et al. (2022) use one vector, for which both are equal.
        method: The linkage of clusters under the distance 1 - cosine. Vu et al. (2022) do not state theirs.

    Raises:
        InputError: if there are fewer than two languages, sizes differ, or a prompt is zero or not finite.
    """
    if len(prompts) < 2:
        raise InputError(f"{model}: comparing prompts needs two languages, but there is only {', '.join(prompts)}")
    vectors = _pooled(model, prompts, pooling)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = np.clip(unit @ unit.T, -1.0, 1.0)
    distances = squareform(1 - (cosines + cosines.T) / 2, checks=False)
    tree = optimal_leaf_ordering(linkage(distances, method), distances)
    order = leaves_list(tree)
    codes = tuple(prompts)
    tokens = len(next(iter(prompts.values())))
    return Clusters(
        model=model,
        languages=tuple(codes[place] for place in order),
        cosines=cosines[np.ix_(order, order)],
        tree=_renamed(tree, order),
        contrasts=tuple(
            each for kind in KINDS if (each := contrast(cosines, labels_of(codes, kind), kind)) is not None
        ),
        signature=f"prompts:{tokens}x{vectors.shape[1] // (tokens if pooling == 'tokens' else 1)}|pooling:{pooling}"
        f"|distance:1-cosine|linkage:{method}|leaves:optimal",
    )


def prompts_tables(rows: AnalysisRows) -> list[Table]:
    """The table of saved rows of pairs: each language in tree order, with the nearest and the farthest prompt."""
    near: dict[str, list[tuple[float, str]]] = {}
    for row in rows:
        near.setdefault(row["language"], []).append((row["value"], row["other_language"]))
        near.setdefault(row["other_language"], []).append((row["value"], row["language"]))
    families, scripts = (labels_of(list(near), kind) for kind in ("branch", "script"))
    lines = []
    for (code, others), family, script in zip(near.items(), families, scripts, strict=True):
        ends = (f"{other} {value:.2f}" for value, other in (max(others), min(others)))
        lines.append([code, language_name(code), family, script, *ends])
    columns: list[str | Column] = ["language", "", "family", "script", "nearest", "farthest"]
    return [text_table("prompts", f"Cosine of language prompts: {rows[0]['model']}", columns, lines)]


def contrast_tables(rows: AnalysisRows) -> list[Table]:
    """The table of saved rows of contrasts: one row per property that two languages may share, such as the script."""
    lines = []
    for row in rows:
        means = (f"{row[key]:.3f}" for key in ("within", "between", "value"))
        lines.append([row["kind"], str(row["n"]), *means, f"{row['p']:.4f}"])
    columns: list[str | Column] = ["of the same", *map(number_column, ("pairs", "same", "others", "difference", "p"))]
    title = "Mean cosine of language pairs that share a property, and of other pairs (p: permutation test)"
    return [text_table("prompts-contrast", title, columns, lines)]


def labels_of(languages: Sequence[str], kind: str) -> list[str]:
    """The family, branch or script of each language."""
    field = "group" if kind == "branch" else kind
    return [getattr(Language.parse(code), field) for code in languages]


def contrast(cosines: Array, labels: Sequence[str], kind: str, seed: int = 0) -> Contrast | None:
    """The mean cosine of pairs with the same label and of other pairs, with a permutation test (Mantel 1967).

    None if all pairs have the same label, or no pair does.
    """
    names = np.asarray(labels)
    left, right = np.triu_indices(len(names), 1)
    same = names[left] == names[right]
    if same.all() or not same.any():
        return None
    values = cosines[left, right]
    found = values[same].mean() - values[~same].mean()
    rng = np.random.default_rng(seed)
    kinds = np.unique(names, return_inverse=True)[1]
    larger = 0
    for start in range(0, _SHUFFLES, _TOGETHER):
        mixed = rng.permuted(np.tile(kinds, (min(_TOGETHER, _SHUFFLES - start), 1)), axis=1)  # (shuffles, languages)
        within = (mixed[:, left] == mixed[:, right]) @ values  # the number of such pairs is constant
        between = values.sum() - within
        differences = within / same.sum() - between / (~same).sum()
        larger += int((differences >= found - 1e-12).sum())
    p = (1 + larger) / (1 + _SHUFFLES)
    return Contrast(kind, float(values[same].mean()), float(values[~same].mean()), int(same.sum()), p)


def _pooled(model: str, prompts: Mapping[str, np.ndarray], pooling: Pooling) -> Array:
    """The prompts as one vector per language: (languages, width), or (languages, tokens * width)."""
    (first, shape), *others = ((code, vectors.shape) for code, vectors in prompts.items())
    for code, other in others:
        if other != shape:
            raise InputError(
                f"{model}: the prompt of {first} is {shape[0]} x {shape[1]}, that of {code} {other[0]} x {other[1]}; "
                "only prompts of one backbone and one length can be compared"
            )
    stacked = np.stack([np.asarray(vectors, dtype=np.float64) for vectors in prompts.values()])
    found = stacked.mean(1) if pooling == "mean" else stacked.reshape(len(prompts), -1)
    for code, vector in zip(prompts, found, strict=True):
        if not np.isfinite(vector).all():
            raise InputError(f"{model}: the prompt of {code} is not finite (NaN or infinite); its training diverged")
        if not vector.any():
            raise InputError(f"{model}: the prompt of {code} is zero, and has no direction to compare")
    return found


def _renamed(tree: Array, order: np.ndarray) -> Array:
    """The tree with its leaves numbered in drawing order."""
    count = len(order)
    place = np.concatenate([np.argsort(order), np.arange(count, 2 * count - 1)])
    found = tree.copy()
    found[:, :2] = place[tree[:, :2].astype(int)]
    return found
