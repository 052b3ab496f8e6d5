"""Singular values against numpy's, names of every family's weights, and what bounds a change of spectrum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from xlgen.adaptation.base import methods
from xlgen.analysis.spectra import compared, effective_rank, singular_values, spectra
from xlgen.analysis.weights import Weight, weights_of
from xlgen.backbones.base import Backbone, families
from xlgen.core.registry import InputError


def weight(tensor: torch.Tensor) -> Weight:
    return Weight("encoder", 0, "self", "K", "k.weight", tensor)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 10_000))
def test_they_are_numpys(rows: int, columns: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    before, after = generator.normal(size=(2, rows, columns))
    old = spectra([weight(torch.from_numpy(before))])
    (new,) = compared([weight(torch.from_numpy(after))], old)
    s, t = (np.linalg.svd(each, compute_uv=False) for each in (before, after))
    assert np.allclose(old[0].values, s) and np.allclose(new.values, t)
    assert old[0].norm == pytest.approx(np.linalg.norm(before)) and (old[0].distance, old[0].change) == (0, 0)
    assert new.distance == pytest.approx(np.linalg.norm(s - t))
    assert new.change == pytest.approx(np.linalg.norm(after - before) / np.linalg.norm(before))
    # Mirsky (1960): singular values move no further than the matrix.
    assert new.spectrum_change <= new.change + 1e-12
    shares = s / s.sum()
    assert old[0].rank == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))
    assert 1 - 1e-9 <= old[0].rank <= min(rows, columns) + 1e-9


def test_effective_rank_of_what_is_known() -> None:
    assert effective_rank(singular_values(torch.eye(7))) == pytest.approx(7)
    assert effective_rank(singular_values(torch.outer(torch.arange(1.0, 5), torch.ones(3)))) == pytest.approx(1)
    assert effective_rank(torch.zeros(3)) == 0
    rotation = torch.linalg.qr(torch.randn(7, 7, generator=torch.Generator().manual_seed(0)))[0]
    assert torch.allclose(singular_values(3 * rotation), torch.full((7,), 3.0, dtype=torch.float64), atol=1e-5)


def test_every_matrix_of_a_backbone_s_layers_is_named(any_backbone: Backbone) -> None:
    found = weights_of(any_backbone.model, any_backbone.projections)
    named = {w.name for w in found}
    matrices = {
        name
        for name, p in any_backbone.model.named_parameters()
        if p.dim() == 2 and (".layers." in name or ".block." in name) and "relative_attention_bias" not in name
    }
    assert named == matrices
    gated = any_backbone.model.config.model_type in ("mt5", "umt5")
    first = ["FC1 wi_0", "FC1 wi_1"] if gated else ["FC1"]
    feed_forward = [("", kind) for kind in (*first, "FC2")]
    own, cross = ([(attention, kind) for kind in ("K", "Q", "V", "Out")] for attention in ("self", "cross"))
    for half, expected in (("encoder", own + feed_forward), ("decoder", own + feed_forward + cross)):
        for layer in range(2):
            assert [(w.attention, w.kind) for w in found if (w.half, w.layer) == (half, layer)] == expected


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta"])
def test_plain_encoders_of_transformers(kind: str) -> None:
    from transformers import AutoConfig, AutoModel

    size = {"hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 2, "num_hidden_layers": 2}
    model = AutoModel.from_config(AutoConfig.for_model(kind, vocab_size=50, **size))
    found = weights_of(model, families.get(kind)(model, None, kind).weight_names)
    assert [(w.half, w.layer, w.kind) for w in found] == [
        ("encoder", layer, kind) for layer in range(2) for kind in ("K", "Q", "V", "Out", "FC1", "FC2")
    ]
    assert [tuple(w.tensor.shape) for w in found[:6]] == [*[(16, 16)] * 4, (24, 16), (16, 24)]


def test_lora_shows_once_it_is_merged(any_backbone: Backbone) -> None:
    pytest.importorskip("peft")
    before = spectra(
        replace(each, tensor=each.tensor.clone()) for each in weights_of(any_backbone.model, any_backbone.projections)
    )
    method = methods.build({"method": "lora", "rank": 2})
    method.prepare(any_backbone)
    for name, p in any_backbone.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(p, generator=torch.Generator().manual_seed(0))
    method.merge(any_backbone)
    after = compared(weights_of(any_backbone.model, any_backbone.projections), before)
    moved = [each for each in after if each.change > 0]
    assert 0 < len(moved) < len(after)
    for each in moved:  # the change has rank 2
        old = next(b for b in before if b.weight.place == each.weight.place)
        assert (singular_values(each.weight.tensor - old.weight.tensor) > 1e-5).sum() == 2


def test_bad_input() -> None:
    whole = torch.randn(4, 4)
    with pytest.raises(InputError, match=r"k\.weight: .* not finite"):
        spectra([weight(torch.full((2, 2), torch.nan))])
    with pytest.raises(InputError, match=r"layers do not match: k\.weight is \(3, 4\), but \(4, 4\)"):
        compared([weight(whole[:3])], spectra([weight(whole)]))
    deeper = Weight("encoder", 1, "self", "K", "k.weight", whole)
    with pytest.raises(
        InputError, match=r"layers do not match: 1 weights are in only one of the checkpoints \(encoder\)"
    ):
        compared([weight(whole), deeper], spectra([weight(whole)]))
