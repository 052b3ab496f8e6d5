"""Dropout without a mask."""

import pytest
import torch

from xlgen.backbones.training_modules import _dropout
from xlgen.kernels.dropout import drop


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(3,), (0, 4), (7, 5, 333)])
def test_a_share_is_left_out_and_the_rest_grows(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    states = torch.ones(shape, dtype=dtype)
    found = drop(states, 0.25, 99)
    assert found.shape == states.shape and found.dtype == dtype
    larger = torch.tensor(1 / 0.75, dtype=dtype)
    assert bool(((found == 0) | (found == larger)).all())
    assert torch.equal(found, drop(states, 0.25, 99))
    if states.numel() > 1_000:
        assert float((found == 0).float().mean()) == pytest.approx(0.25, abs=0.02)
        assert not torch.equal(found, drop(states, 0.25, 100))


def test_the_gradient_is_left_out_where_the_output_is() -> None:
    module, states = torch.nn.Dropout(0.4), torch.randn(50, 40, requires_grad=True)
    found = _dropout(module, states)
    (gradient,) = torch.autograd.grad(found.sum(), states)
    assert torch.equal(gradient == 0, found == 0)
    torch.testing.assert_close(gradient * states, found)


def test_strides_do_not_matter() -> None:
    states = torch.randn(20, 30)
    assert torch.equal(drop(states.t().contiguous().t(), 0.5, 3), drop(states, 0.5, 3))


def test_the_generator_decides_which() -> None:
    module, states = torch.nn.Dropout(0.4), torch.randn(50, 40)
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(_dropout(module, states))
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])
    assert _dropout(module.eval(), states) is states or torch.equal(_dropout(module.eval(), states), states)
