"""Models and languages against each other: every cell is CKA of the two sets that it names."""

from __future__ import annotations

import numpy as np
import pytest

from xlgen.analysis.cka import CKASettings, cka, minibatch_cka
from xlgen.analysis.layer_states import LayerStates
from xlgen.analysis.similarity import compare_languages, compare_models, compare_with_length
from xlgen.core.registry import InputError


def states(
    model: str, layers: int = 3, n: int = 20, codes: tuple[str, ...] = ("en", "th"), seed: int = 0
) -> LayerStates:
    generator = np.random.default_rng(seed)
    of = {code: generator.normal(size=(layers + 1, n, 6)).astype(np.float32) for code in codes}
    return LayerStates(model, [str(number) for number in range(n)], of)


def test_each_cell_is_the_cka_of_its_sets() -> None:
    first, second = states("a"), states("b", seed=1)
    found = compare_models(first, second, CKASettings(8, 2, 5))
    assert found.layers == ((0, 0), (1, 1), (2, 2), (3, 3)) and found.values.shape == (4, 2)
    # Each call deals the same batches, so that a pair by itself is the same number.
    one = minibatch_cka([first.of["th"][2], second.of["th"][2]], 8, 2, 5)[0, 1]
    assert found.values[2, 1] == pytest.approx(one) and "batch:8|epochs:2|seed:5" in found.signature
    rows = found.rows()
    assert len(rows) == 2 * 4 * 4 and sum(row["matched"] for row in rows) == 2 * 4
    (row,) = (r for r in rows if (r["language"], r["first_layer"], r["second_layer"]) == ("th", 1, 3))
    assert row["value"] == pytest.approx(minibatch_cka([first.of["th"][1], second.of["th"][3]], 8, 2, 5)[0, 1])
    languages = compare_languages(first)
    assert languages.values[1, 0, 1] == pytest.approx(cka([first.of["en"][1], first.of["th"][1]])[0, 1])
    assert len(languages.rows()) == 4 and "batch" not in languages.signature
    assert languages.means() == pytest.approx(languages.values[:, 0, 1])


def test_a_model_is_like_itself() -> None:
    assert np.allclose(compare_models(states("a"), states("a")).values, 1)


def test_depths_are_compared_by_proportion_where_asked() -> None:
    found = compare_models(states("a", 4), states("b", 2), relative_depth=True)
    assert [right for _, right in found.layers] == [0, 0, 1, 2, 2]
    with pytest.raises(InputError, match="a has 4 and b 2; compare them by relative depth with `relative_depth`"):
        compare_models(states("a", 4), states("b", 2))


def test_bad_input() -> None:
    with pytest.raises(InputError, match="different sentences"):
        compare_models(states("a"), states("b", n=19))
    with pytest.raises(InputError, match="only one has fr"):
        compare_models(states("a"), states("b", codes=("en", "th", "fr")))
    with pytest.raises(InputError, match="at least two"):
        compare_languages(states("a", codes=("en",)))
    good = states("a")
    with pytest.raises(InputError, match="a: 20 sentences in en and 19 ids"):
        LayerStates("a", good.ids[:19], good.of)
    broken = good.of["th"].copy()
    broken[2, 3, 1] = np.nan
    with pytest.raises(InputError, match=r"a: the states of layer 2 in th are not finite"):
        LayerStates("a", good.ids, {**good.of, "th": broken})


def test_states_that_are_about_length_are_found_out() -> None:
    words = states("a")
    sizes = list(range(2, 22))
    of = {code: layers.copy() for code, layers in words.of.items()}
    of["th"][1] = np.log(sizes)[:, None] * np.arange(1, 7)
    found = compare_with_length(LayerStates("a", words.ids, of, dict.fromkeys(of, sizes)))
    assert found.values[1, 1] == pytest.approx(1, abs=1e-6) and abs(found.values[0]).max() < 0.5
    one = cka([np.log(sizes)[:, None], of["en"][2]])[0, 1]
    assert found.values[2, 0] == pytest.approx(one, abs=1e-5) and len(found.rows()) == 8
    with pytest.raises(InputError, match="lengths of the sentences are not known"):
        compare_with_length(words)


def test_states_that_are_not_finite_are_refused() -> None:
    broken = np.zeros((4, 2, 6), dtype=np.float32)
    broken[2, 1, 0] = np.inf
    with pytest.raises(InputError, match=r"m: the states of layer 2 in th are not finite .* in its encoder"):
        LayerStates("m", ["0", "1"], {"en": np.zeros_like(broken), "th": broken})
