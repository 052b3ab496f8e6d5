"""Layers that are computed again on the way back: the same gradients, less memory."""

import copy
from typing import Any

import pytest
import torch

from xlgen.adaptation.base import methods
from xlgen.backbones.base import Backbone, BackboneError
from xlgen.backbones.training_modules import checkpoint_layers
from xlgen.data.examples import EncodedExample
from xlgen.training.loop import token_loss


def loss_of(backbone: Backbone) -> torch.Tensor:
    code = backbone.languages[0]
    examples = [
        EncodedExample(backbone.source(list(range(20, 28 + i)), code), backbone.target([30 + i, 31], code), code)
        for i in range(3)
    ]
    backbone.model.train()
    torch.manual_seed(0)
    return token_loss(backbone.model, backbone.collate(examples))


def gradients(backbone: Backbone) -> dict[str, torch.Tensor]:
    loss_of(backbone).backward()
    return {name: p.grad for name, p in backbone.model.named_parameters() if p.grad is not None}


@pytest.mark.spread(3)
@pytest.mark.parametrize("method", ["full", "adapters", "lora", "prompt", "freezing"])
def test_gradients_are_the_same(any_backbone: Backbone, method: str) -> None:
    config: dict[str, Any] = {"method": method}
    if method == "prompt":
        config["num_virtual_tokens"] = 4
    for module in any_backbone.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.1
    found = []
    for checkpointed in (False, True):
        backbone = copy.deepcopy(any_backbone)
        if checkpointed:
            checkpoint_layers(backbone.model)
        torch.manual_seed(1)
        methods.build(config).prepare(backbone)
        found.append(gradients(backbone))
    assert found[0].keys() == found[1].keys() and found[0]
    for name, gradient in found[0].items():
        # Sums of what comes from several layers are rounded in another order.
        rounding = 1e-5 * float(gradient.abs().max())
        torch.testing.assert_close(found[1][name], gradient, rtol=1e-4, atol=rounding)


def test_less_is_kept_for_the_way_back(any_backbone: Backbone) -> None:
    kept = []
    for checkpointed in (False, True):
        backbone = copy.deepcopy(any_backbone)
        if checkpointed:
            checkpoint_layers(backbone.model)
        sizes: list[int] = []

        def pack(tensor: torch.Tensor, sizes: list[int] = sizes) -> torch.Tensor:
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss_of(backbone)
        kept.append(sum(sizes))
    assert kept[1] < 0.5 * kept[0]


def test_what_peft_cannot_do_is_said_before_training(any_backbone: Backbone) -> None:
    checkpoint_layers(any_backbone.model)
    with pytest.raises(BackboneError, match=r"Prefix.*checkpointing"):
        methods.build({"method": "prefix"}).prepare(any_backbone)
