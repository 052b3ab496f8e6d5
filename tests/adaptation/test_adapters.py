"""Bottleneck adapters: where they stand, what they compute, and that they start as nothing."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional

from xlgen.adaptation.adapters import BottleneckAdapter
from xlgen.adaptation.base import methods, trainable_parameters
from xlgen.backbones.base import Backbone
from xlgen.data.examples import EncodedExample
from xlgen.decoding.decode import generate
from xlgen.decoding.settings import Decoding


def logits(backbone: Backbone) -> torch.Tensor:
    batch = backbone.collate([EncodedExample((5, 6, 7, 8), (9, 10, 11), "en"), EncodedExample((12, 13), (14,), "fr")])
    with torch.inference_mode():
        return backbone.model(**batch).logits


def test_step_0_equals_the_pretrained_model(any_backbone: Backbone) -> None:
    before = logits(any_backbone)
    methods.build({"method": "adapters"}).prepare(any_backbone)
    assert torch.equal(logits(any_backbone), before)


def test_there_is_one_after_every_block(any_backbone: Backbone) -> None:
    methods.build({"method": "adapters", "bottleneck_dim": 6}).prepare(any_backbone)
    adapters = [name for name, m in any_backbone.model.named_modules() if isinstance(m, BottleneckAdapter)]
    assert adapters == [f"{name}.adapter" for name, _ in any_backbone.sublayers()]
    assert sum("decoder" in name for name in adapters) == 6 and len(adapters) == 10
    assert trainable_parameters(any_backbone.model) == 10 * (2 * 32 * 6 + 6 + 32)


def test_they_stand_on_the_blocks_output(any_backbone: Backbone, backbone_of: Callable[[str], Backbone]) -> None:
    """Each block gives ``h + W_up relu(W_down h)`` of what it gave before; by hand, on the untouched model."""
    plain = backbone_of(any_backbone.name.rsplit("/", 1)[-1])
    methods.build({"method": "adapters", "bottleneck_dim": 6}).prepare(any_backbone)
    torch.manual_seed(0)
    for name, parameter in any_backbone.model.named_parameters():
        if ".adapter." in name:
            torch.nn.init.normal_(parameter, std=0.3)
    original = dict(plain.sublayers())
    blocks: list[tuple[str, Any]] = any_backbone.sublayers()
    for name, block in blocks:
        down, up = block.adapter.down, block.adapter.up

        def by_hand(module: Any, inputs: Any, output: Any, down: Any = down, up: Any = up) -> Any:
            hidden = output[0] if isinstance(output, tuple) else output
            inner = functional.relu(hidden @ down.weight.T + down.bias)
            adapted = hidden + inner @ up.weight.T + up.bias
            return (adapted, *output[1:]) if isinstance(output, tuple) else adapted

        original[name].register_forward_hook(by_hand)
    torch.testing.assert_close(logits(any_backbone), logits(plain))
    assert (logits(any_backbone) - logits(backbone_of(any_backbone.name.rsplit("/", 1)[-1]))).abs().max() > 0.1


@pytest.mark.spread(2)
def test_they_work_while_generating(any_backbone: Backbone) -> None:
    """With the decoder's cache on, step by step."""
    source = any_backbone.source([5, 6, 7], "en")
    before = generate(any_backbone, [source], ["en"], Decoding(6))
    methods.build({"method": "adapters"}).prepare(any_backbone)
    assert generate(any_backbone, [source], ["en"], Decoding(6)) == before
    for name, parameter in any_backbone.model.named_parameters():
        if ".adapter.up." in name:
            torch.nn.init.normal_(parameter)
    assert generate(any_backbone, [source], ["en"], Decoding(6)) != before


@pytest.mark.parametrize("dim", [1, 64])
def test_a_fresh_adapter_is_the_identity(dim: int) -> None:
    adapter = BottleneckAdapter(8, dim)
    hidden = torch.randn(2, 3, 8)
    assert torch.equal(adapter(hidden), hidden)
    assert adapter.down.weight.shape == (dim, 8) and adapter.up.weight.shape == (8, dim)


# -- placements


def by_hand(hidden: torch.Tensor, adapter: BottleneckAdapter) -> torch.Tensor:
    return functional.relu(hidden @ adapter.down.weight.T + adapter.down.bias) @ adapter.up.weight.T + adapter.up.bias


@pytest.mark.spread(9)
@pytest.mark.parametrize("placement", ["houlsby", "bapna", "parallel"])
@pytest.mark.parametrize("dim", [1, 32, 4096])
def test_any_placement_and_dimension_starts_as_nothing(any_backbone: Backbone, placement: str, dim: int) -> None:
    before = logits(any_backbone)
    methods.build({"method": "adapters", "placement": placement, "bottleneck_dim": dim}).prepare(any_backbone)
    assert torch.equal(logits(any_backbone), before)
    count = 4 if placement == "bapna" else 10  # two layers on each side
    assert trainable_parameters(any_backbone.model) == count * (2 * 32 * dim + dim + 32)


@pytest.mark.parametrize("placement", ["bapna", "parallel"])
def test_what_placements_compute(
    any_backbone: Backbone, backbone_of: Callable[[str], Backbone], placement: str
) -> None:
    """By hand, with hooks of the test's own on the untouched model; and the same again on a copy of the model."""
    plain = backbone_of(any_backbone.name.rsplit("/", 1)[-1])
    methods.build({"method": "adapters", "bottleneck_dim": 6, "placement": placement}).prepare(any_backbone)
    torch.manual_seed(0)
    for name, parameter in any_backbone.model.named_parameters():
        if ".adapter." in name:
            torch.nn.init.normal_(parameter, std=0.3)
    modules = dict(plain.model.named_modules())
    for name, adapter in any_backbone.model.named_modules():
        if not isinstance(adapter, BottleneckAdapter):
            continue
        block = name.removesuffix(".adapter")
        seen: list[torch.Tensor] = []

        def enter(module: Any, args: Any, kwargs: Any, seen: Any = seen) -> None:
            seen[:] = [args[0] if args else kwargs["hidden_states"]]

        def leave(module: Any, args: Any, output: Any, seen: Any = seen, adapter: Any = adapter) -> Any:
            hidden = output[0] if isinstance(output, tuple) else output
            changed = hidden + by_hand(seen[0] if placement == "parallel" else hidden, adapter)
            return (changed, *output[1:]) if isinstance(output, tuple) else changed

        modules[block.replace(".fc2", ".fc1")].register_forward_pre_hook(enter, with_kwargs=True)
        modules[block].register_forward_hook(leave)
    expected = logits(plain)
    torch.testing.assert_close(logits(any_backbone), expected)
    copied = copy.deepcopy(any_backbone.model)
    for parameter in any_backbone.model.parameters():
        parameter.data.zero_()
    any_backbone.model = copied
    torch.testing.assert_close(logits(any_backbone), expected)
