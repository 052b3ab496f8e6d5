"""Cosines and clusters of prompts against scipy and scikit-learn, and against prompts whose families are known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import cophenet, linkage
from scipy.spatial.distance import pdist, squareform
from sklearn.metrics.pairwise import cosine_similarity

from xlgen.analysis.prompts import compare_prompts, contrast, labels_of
from xlgen.core.languages import Language
from xlgen.core.registry import InputError

CODES = ("en", "de", "fr", "es", "ru", "uk", "hi", "ar", "he", "th", "zh", "ja")


def random_prompts(tokens: int = 1, seed: int = 0, codes: tuple[str, ...] = CODES) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {code: rng.normal(size=(tokens, 16)) for code in codes}


def of_families(noise: float = 0.5) -> dict[str, np.ndarray]:
    """A direction a branch, and noise."""
    rng = np.random.default_rng(1)
    centres = {group: rng.normal(size=(1, 16)) for group in dict.fromkeys(labels_of(CODES, "branch"))}
    return {code: centres[Language.parse(code).group] + noise * rng.normal(size=(1, 16)) for code in CODES}


@pytest.mark.parametrize("tokens", [1, 4])
@pytest.mark.parametrize("pooling", ["mean", "tokens"])
def test_cosines_are_scikit_learn_s(tokens: int, pooling: str) -> None:
    prompts = random_prompts(tokens)
    found = compare_prompts("a", prompts, pooling)  # type: ignore[arg-type]
    rows = [prompts[code].mean(0) if pooling == "mean" else prompts[code].ravel() for code in found.languages]
    assert np.allclose(found.cosines, cosine_similarity(rows))
    assert sorted(found.languages) == sorted(CODES) and f"pooling:{pooling}" in found.signature


@pytest.mark.parametrize("method", ["average", "complete", "single"])
def test_the_tree_is_scipy_s_of_the_languages_in_order(method: str) -> None:
    prompts = random_prompts()
    found = compare_prompts("a", prompts, method=method)  # type: ignore[arg-type]
    distances = pdist([prompts[code][0] for code in found.languages], "cosine")
    assert np.allclose(cophenet(found.tree), cophenet(linkage(distances, method)))
    assert np.allclose(squareform(distances), 1 - found.cosines)
    # Leaves that are joined first stand beside one another.
    first, second = sorted(found.tree[0, :2])
    assert second == first + 1


def test_languages_of_a_branch_stand_together() -> None:
    found = compare_prompts("a", of_families(0.2))
    groups = labels_of(found.languages, "branch")
    assert sum(a != b for a, b in pairwise(groups)) == len(set(groups)) - 1
    by_kind = {each.kind: each for each in found.contrasts}
    assert by_kind["branch"].within > 0.8 > by_kind["branch"].between and by_kind["branch"].p < 0.01
    assert by_kind["branch"].pairs == 4  # en-de, fr-es, ru-uk, ar-he
    # Ukrainian and Russian share a script, and English with three others of Latin script.
    assert by_kind["script"].pairs == 7


def test_one_row_a_pair_a_join_and_a_contrast() -> None:
    rows = compare_prompts("a", random_prompts()).rows()
    kinds = [row["analysis"] for row in rows]
    assert [kinds.count(kind) for kind in ("prompts", "prompts-tree", "prompts-contrast")] == [66, 11, 3]


@settings(max_examples=10)
@given(st.integers(0, 1_000), st.floats(0.1, 100))
def test_length_does_not_count_nor_the_order_of_languages(seed: int, scale: float) -> None:
    prompts = random_prompts(2, seed, CODES[:5])
    turned = {code: scale * prompts[code] for code in reversed(prompts)}
    one, other = compare_prompts("a", prompts), compare_prompts("a", turned)
    places = [other.languages.index(code) for code in one.languages]
    assert np.allclose(one.cosines, other.cosines[np.ix_(places, places)])
    assert np.allclose(one.tree[:, 2], other.tree[:, 2])


def test_a_contrast_of_nothing_is_seldom_significant() -> None:
    rng = np.random.default_rng(0)
    labels = ["a", "a", "b", "b", "c", "c", "d", "d"]
    p = []
    for _ in range(40):
        values = rng.normal(size=(8, 8))
        found = contrast(values + values.T, labels, "branch")
        assert found is not None
        p.append(found.p)
    assert 0.25 < np.mean(p) < 0.75
    assert contrast(np.eye(3), ["a", "b", "c"], "branch") is None and contrast(np.eye(2), ["a", "a"], "family") is None


def test_bad_input() -> None:
    good = random_prompts()
    with pytest.raises(InputError, match="there is only en"):
        compare_prompts("a", {"en": good["en"]})
    with pytest.raises(InputError, match="that of th 2 x 16; only prompts of one backbone"):
        compare_prompts("a", {"en": good["en"], "th": np.ones((2, 16))})
    with pytest.raises(InputError, match="prompt of th is not finite"):
        compare_prompts("a", {"en": good["en"], "th": np.full((1, 16), np.nan)})
    with pytest.raises(InputError, match="prompt of th is zero"):
        compare_prompts("a", {"en": good["en"], "th": np.zeros((1, 16))})
