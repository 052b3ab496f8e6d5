"""The loss without the logits: equal to torch's, gradients and all."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from xlgen.kernels import cross_entropy
from xlgen.kernels.cross_entropy import linear_cross_entropy


@given(
    rows=st.integers(0, 9),
    vocabulary=st.integers(1, 40),
    chunk=st.integers(1, 200),
    smoothing=st.sampled_from([0.0, 0.1]),
    with_bias=st.booleans(),
    seed=st.integers(0, 99),
)
def test_equals_the_reference_in_any_chunks(
    rows: int, vocabulary: int, chunk: int, smoothing: float, with_bias: bool, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(rows, 6, generator=generator, dtype=torch.float64).requires_grad_()
    weight = torch.randn(vocabulary, 6, generator=generator, dtype=torch.float64).requires_grad_()
    bias = torch.randn(vocabulary, generator=generator, dtype=torch.float64) if with_bias else None
    labels = torch.randint(vocabulary, (rows,), generator=generator)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cross_entropy, "CHUNK_ELEMENTS", chunk)
        patch.setattr(cross_entropy, "ROW_ELEMENTS", max(1, chunk // 2))
        ours = linear_cross_entropy(hidden, weight, labels, bias, smoothing)
    theirs = functional.cross_entropy(
        functional.linear(hidden, weight, bias), labels, reduction="sum", label_smoothing=smoothing
    )
    torch.testing.assert_close(ours.double(), theirs, rtol=1e-5, atol=1e-6)
    for mine, reference in zip(
        torch.autograd.grad(3 * ours, (hidden, weight)), torch.autograd.grad(3 * theirs, (hidden, weight)), strict=True
    ):
        torch.testing.assert_close(mine, reference, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("frozen", ["hidden", "weight"])
def test_no_gradient_is_computed_for_what_is_frozen(frozen: str) -> None:
    tensors = {"hidden": torch.randn(5, 4), "weight": torch.randn(7, 4)}
    tensors["weight" if frozen == "hidden" else "hidden"].requires_grad_()
    loss = linear_cross_entropy(tensors["hidden"], tensors["weight"], torch.tensor([0, 6, 2, 2, 1]))
    assert [gradient is None for gradient in loss.grad_fn.gradients] == [frozen == "hidden", frozen == "weight"]  # type: ignore[union-attr]


def test_products_are_in_the_precision_of_autocast() -> None:
    hidden, weight, labels = torch.randn(5, 64), torch.randn(30, 64), torch.arange(5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours = linear_cross_entropy(hidden, weight, labels)
        logits = functional.linear(hidden, weight)
    assert logits.dtype == torch.bfloat16 and ours.dtype == torch.float32
    torch.testing.assert_close(ours, functional.cross_entropy(logits.float(), labels, reduction="sum"))


def test_sure_and_impossible_labels_are_exact() -> None:
    hidden = torch.tensor([[60.0], [60.0], [-300.0]])
    weight = torch.tensor([[1.0], [-1.0], [0.5]])
    labels = torch.tensor([0, 1, 0])  # sure, impossible, more than impossible
    theirs = functional.cross_entropy(hidden @ weight.T, labels, reduction="none")
    for row in range(3):
        ours = linear_cross_entropy(hidden[row : row + 1], weight, labels[row : row + 1])
        torch.testing.assert_close(ours, theirs[row], rtol=1e-6, atol=1e-6)
