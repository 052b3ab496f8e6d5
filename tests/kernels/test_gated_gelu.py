"""The gated GELU has the outputs and gradients of PyTorch's, and gives way to hooks and wrappers."""

import pytest
import torch
from torch.nn import functional
from transformers import MT5Config
from transformers.models.mt5.modeling_mt5 import MT5DenseGatedActDense

from xlgen.backbones.training_modules import _gated, _GatedGelu, _Joined


@pytest.mark.parametrize("shape", [(1, 2), (3, 5, 26), (70, 130)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_outputs_and_gradients_are_pytorchs(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    states = (5 * torch.randn(shape)).to(dtype).requires_grad_()
    gate, linear = states.float().chunk(2, -1)
    wanted = functional.gelu(gate, approximate="tanh") * linear
    found = _GatedGelu.apply(states)
    upstream = torch.randn(found.shape).to(dtype)
    (mine,) = torch.autograd.grad(found, states, upstream)
    (theirs,) = torch.autograd.grad(wanted, states, upstream.float())
    tolerance = {"rtol": 8e-3, "atol": 1e-5} if dtype == torch.bfloat16 else {"rtol": 1e-5, "atol": 1e-5}
    assert found.dtype == mine.dtype == dtype
    torch.testing.assert_close(found.float(), wanted, **tolerance)
    torch.testing.assert_close(mine.float(), theirs.float(), **tolerance)


def test_hooks_on_its_linear_maps_are_called() -> None:
    torch.manual_seed(0)
    block, states = (
        MT5DenseGatedActDense(MT5Config(d_model=8, d_ff=12, feed_forward_proj="gated-gelu")),
        torch.randn(3, 8),
    )
    plain = _gated(block.eval(), states)
    torch.testing.assert_close(plain, block(states))
    block.wi_1.register_forward_hook(lambda module, inputs, output: output * 2)
    torch.testing.assert_close(_gated(block, states), 2 * plain)


def test_joined_maps_give_each_input_its_own_results() -> None:
    torch.manual_seed(0)
    maps = [torch.nn.Linear(4, size) for size in (3, 5)]
    joined, one, other = _Joined(maps), torch.randn(2, 4), torch.randn(2, 4)
    for index, states in ((0, one), (1, one), (1, other), (1, one), (0, other), (0, other)):
        torch.testing.assert_close(joined.forward(index, states), maps[index](states))
