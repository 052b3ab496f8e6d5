"""Our attention has the outputs and gradients of the library's."""

import copy
from typing import Any

import pytest
import torch

from xlgen.backbones import training_modules
from xlgen.backbones.base import Backbone
from xlgen.backbones.training_modules import make_faster
from xlgen.data.examples import EncodedExample
from xlgen.kernels import decoder_steps
from xlgen.kernels.attention import NAME, attention
from xlgen.training.loop import token_loss


@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
@pytest.mark.parametrize("biased", [False, True])
def test_other_dtypes_are_computed_in_fp32(dtype: torch.dtype, biased: bool) -> None:
    torch.manual_seed(0)
    states = [torch.randn(4, 2, n, 6, dtype=dtype, requires_grad=True) for n in (3, 5, 5)]
    bias = torch.randn(1, 2, 3, 5, dtype=dtype, requires_grad=True) if biased else None
    mask = torch.zeros((4, 1, 1, 5), dtype=dtype)
    mask[1, :, :, 3:] = -torch.inf
    query, key, value = (each.float() for each in states)
    scores = query @ key.transpose(2, 3) * 0.3 + mask.float() + (0 if bias is None else bias.float())
    wanted = (scores.softmax(-1) @ value).transpose(1, 2)
    found, _ = attention(torch.nn.Module(), *states, mask, scaling=0.3, position_bias=bias)  # type: ignore[arg-type]
    assert found.dtype == dtype
    torch.testing.assert_close(found, wanted.to(dtype), rtol=2e-3, atol=1e-5)
    inputs = [*states, *([] if bias is None else [bias])]
    upstream = torch.randn(found.shape, dtype=dtype)
    for mine, theirs in zip(
        torch.autograd.grad(found, inputs, upstream), torch.autograd.grad(wanted, inputs, upstream.float()), strict=True
    ):
        assert mine.dtype == dtype
        torch.testing.assert_close(mine, theirs, rtol=2e-3, atol=1e-5)


@pytest.mark.exhaustive
def test_a_bias_that_is_not_one_for_the_batch_has_no_gradient() -> None:
    states = [torch.randn(4, 2, 3, 6) for _ in range(3)]
    bias = torch.randn(4, 2, 3, 3)
    found, _ = attention(torch.nn.Module(), *states, None, scaling=1.0, position_bias=bias)  # type: ignore[arg-type]
    wanted = (states[0] @ states[1].transpose(2, 3) + bias).softmax(-1) @ states[2]
    torch.testing.assert_close(found, wanted.transpose(1, 2))
    with pytest.raises(ValueError, match=r"not \(4, 2, 3, 3\)"):
        attention(torch.nn.Module(), *states, None, position_bias=bias.requires_grad_())  # type: ignore[arg-type]


def test_dropout_is_for_training_only() -> None:
    states = [torch.randn((1, 1, 30, 4)) for _ in range(3)]
    module = torch.nn.Module()
    plain, _ = attention(module.eval(), *states, None)  # type: ignore[arg-type]
    assert torch.equal(attention(module.eval(), *states, None, dropout=0.3)[0], plain)  # type: ignore[arg-type]
    assert not torch.equal(attention(module.train(), *states, None, dropout=0.3)[0], plain)  # type: ignore[arg-type]


def test_without_compiled_code_a_model_keeps_the_librarys(any_backbone: Backbone, monkeypatch: Any) -> None:
    backbone = copy.deepcopy(any_backbone)
    before = backbone.model.config._attn_implementation
    for module in (training_modules, decoder_steps):
        monkeypatch.setattr(module, "kernels_for", lambda tensor: None)
    make_faster(backbone)
    assert backbone.model.config._attn_implementation == before != NAME


def gradients(backbone: Backbone, implementation: str, dtype: torch.dtype) -> tuple[float, dict[str, torch.Tensor]]:
    backbone = copy.deepcopy(backbone)
    if implementation == NAME:
        make_faster(backbone)
    else:
        backbone.model.set_attn_implementation(implementation)
    code = backbone.languages[0]
    examples = [
        EncodedExample(
            backbone.source(list(range(20, 24 + 3 * i)), code), backbone.target([9 + i] * (2 + i), code), code
        )
        for i in range(4)
    ]
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        loss = token_loss(backbone.model.train(), backbone.collate(examples))
    loss.backward()
    return float(loss.detach()), {name: p.grad for name, p in backbone.model.named_parameters() if p.grad is not None}


def test_a_models_loss_and_gradients_are_the_same_in_fp32(any_backbone: Backbone) -> None:
    loss, wanted = gradients(any_backbone, "eager", torch.float32)
    found_loss, found = gradients(any_backbone, NAME, torch.float32)
    assert found_loss == pytest.approx(loss, rel=1e-5)
    assert found.keys() == wanted.keys()
    for name, gradient in wanted.items():  # those of BART's key biases are rounding: softmax does not see them
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=2e-6)


@pytest.mark.exhaustive
def test_in_bf16_it_is_as_near_to_fp32_as_the_librarys(any_backbone: Backbone) -> None:
    _, exact = gradients(any_backbone, "eager", torch.float32)
    errors = []
    for implementation in ("eager", NAME):
        _, found = gradients(any_backbone, implementation, torch.bfloat16)
        off = sum(float((found[name] - exact[name]).square().sum()) for name in exact)
        errors.append((off / sum(float(gradient.square().sum()) for gradient in exact.values())) ** 0.5)
    assert errors[1] < 1.3 * errors[0] + 1e-3
