"""T5's norm for training: the library's results and gradients, whoever shares the rows."""

import copy

import pytest
import torch
from transformers.models.mt5.modeling_mt5 import MT5LayerNorm

from xlgen.backbones.base import Backbone
from xlgen.backbones.training_modules import _norm, make_faster
from xlgen.kernels import norms


@pytest.mark.parametrize("shape", [(1, 8), (3, 5, 24), (70, 130)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_outputs_and_gradients_are_the_librarys(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    norm = MT5LayerNorm(shape[-1])
    torch.nn.init.normal_(norm.weight)
    states, upstream = torch.randn(shape).to(dtype).requires_grad_(), torch.randn(shape)
    found, wanted = _norm(norm, states), norm(states)
    torch.testing.assert_close(found.float(), wanted.float(), rtol=2e-2 if dtype == torch.bfloat16 else 1e-5, atol=1e-6)
    inputs = (states, norm.weight)
    for mine, theirs in zip(
        torch.autograd.grad(found, inputs, upstream.to(found.dtype)),
        torch.autograd.grad(wanted, inputs, upstream.to(wanted.dtype)),
        strict=True,
    ):
        tolerance = 3e-2 if dtype == torch.bfloat16 else 1e-4
        torch.testing.assert_close(mine.float(), theirs.float(), rtol=tolerance, atol=tolerance)


def test_under_autocast_it_rounds_as_what_follows_would() -> None:
    torch.manual_seed(0)
    norm, states = MT5LayerNorm(16), torch.randn(4, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = _norm(norm, states)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, norm(states).bfloat16(), rtol=8e-3, atol=0)


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_share_the_rows(threads: int) -> None:
    torch.manual_seed(0)
    states, weight, gradient = torch.randn(11, 40), torch.rand(40), torch.randn(11, 40)
    before = torch.get_num_threads()
    found = []
    try:
        for count in (1, threads):
            torch.set_num_threads(count)
            out, scales = norms.forward(states, weight, 1e-6, torch.float32)
            found.append((out, *norms.backward(states, weight, scales, gradient)))
    finally:
        torch.set_num_threads(before)
    for alone, shared in zip(*found, strict=True):
        torch.testing.assert_close(alone, shared)


@pytest.mark.exhaustive
def test_a_copy_of_a_faster_model_is_its_own(any_backbone: Backbone) -> None:
    make_faster(any_backbone)
    copied = copy.deepcopy(any_backbone.model).eval()
    ids = torch.tensor([[5, 6, 7, any_backbone.tokenizer.eos_token_id]])
    with torch.no_grad():
        before = copied(input_ids=ids, decoder_input_ids=ids).logits
        for parameter in any_backbone.model.parameters():
            parameter.zero_()
        assert torch.equal(copied(input_ids=ids, decoder_input_ids=ids).logits, before)
