"""Our attention has the outputs and gradients of the library's."""

import copy
from typing import Any

import pytest
import torch

from xlgen.backbones.attention import NAME, _Attention, attention
from xlgen.backbones.base import Backbone
from xlgen.backbones.training_modules import make_faster
from xlgen.data.examples import EncodedExample
from xlgen.training.loop import token_loss


@pytest.mark.parametrize("bias", [None, (1, 2, 3, 5), (4, 2, 3, 5), (1, 1, 1, 5)])
@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_the_gradients_are_those_of_the_function(bias: Any, scale: float) -> None:
    torch.manual_seed(0)
    shapes = [(4, 2, 3, 6), (4, 2, 5, 6), (4, 2, 5, 6)]
    tensors = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    added = None if bias is None else torch.randn(bias, dtype=torch.float64, requires_grad=True)
    mask = torch.zeros((4, 1, 1, 5), dtype=torch.float64)
    mask[1, :, :, 3:] = -torch.inf

    def call(*given: torch.Tensor) -> torch.Tensor:
        return _Attention.apply(*given[:3], given[3] if bias else None, mask, scale, 0.0)  # type: ignore[no-any-return]

    inputs = (*tensors, *([] if added is None else [added]))
    assert torch.autograd.gradcheck(call, inputs)


def test_dropout_keeps_the_mean_and_its_gradient_fits() -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn((1, 1, n, 4), dtype=torch.float64) for n in (2, 300, 300))
    module = torch.nn.Module().train()
    plain, _ = attention(module, query, key, value, None)
    many = torch.stack([attention(module, query, key, value, None, dropout=0.3)[0] for _ in range(2_000)])
    assert torch.allclose(many.mean(0), plain, atol=4 * float(many.std(0).max()) / 2_000**0.5)
    # The output is linear in the values, with the probabilities that were kept.
    value.requires_grad_()
    torch.manual_seed(1)
    dropped, _ = attention(module, query, key, value, None, dropout=0.3)
    (gradient,) = torch.autograd.grad(dropped.sum(), value)
    torch.testing.assert_close((gradient * value).sum(), dropped.sum())
    assert torch.equal(attention(module.eval(), query, key, value, None, dropout=0.3)[0], plain)


def gradients(backbone: Backbone, implementation: str, dtype: torch.dtype) -> tuple[float, dict[str, torch.Tensor]]:
    backbone = copy.deepcopy(backbone)
    if implementation == NAME:
        make_faster(backbone.model)
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


def test_in_bf16_it_is_as_near_to_fp32_as_the_librarys(any_backbone: Backbone) -> None:
    _, exact = gradients(any_backbone, "eager", torch.float32)
    errors = []
    for implementation in ("eager", NAME):
        _, found = gradients(any_backbone, implementation, torch.bfloat16)
        off = sum(float((found[name] - exact[name]).square().sum()) for name in exact)
        errors.append((off / sum(float(gradient.square().sum()) for gradient in exact.values())) ** 0.5)
    assert errors[1] < 1.3 * errors[0] + 1e-3
