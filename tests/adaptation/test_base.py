"""Methods by name."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from xlgen.adaptation.adapters import Adapters
from xlgen.adaptation.base import methods
from xlgen.backbones.loading import load
from xlgen.core.registry import UnknownNameError
from xlgen.core.yaml_config import RecipeError


def test_a_method_gets_its_options() -> None:
    method = methods.build({"method": "adapters", "bottleneck_dim": 8})
    assert isinstance(method, Adapters) and method.options.bottleneck_dim == 8
    assert methods.build({"method": "adapters"}).options.bottleneck_dim == 64


def test_a_wrong_name_gets_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown method 'adaptor': did you mean 'adapters'"):
        methods.build({"method": "adaptor"})


def test_a_wrong_option_gets_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"method adapters.*\n.*'bottleneck': did you mean 'bottleneck_dim'"):
        methods.build({"method": "adapters", "bottleneck": 8})


@pytest.mark.parametrize("value", [0, -1, "wide", 1.5])
def test_a_wrong_value_is_refused(value: object) -> None:
    with pytest.raises(RecipeError, match="bottleneck_dim"):
        methods.build({"method": "adapters", "bottleneck_dim": value})


@pytest.mark.spread(3)
@pytest.mark.parametrize("name", methods.names())
def test_modules_are_drawn_from_the_seed_and_from_nothing_else(checkpoint: Callable[[str], Path], name: str) -> None:
    def begin(seed: int) -> dict[str, torch.Tensor]:
        backbone = load(str(checkpoint("mbart")))
        state = torch.random.get_rng_state()
        methods.build({"method": name}).prepare(backbone, seed)
        assert torch.equal(torch.random.get_rng_state(), state)
        return {key: p.detach().clone() for key, p in backbone.model.named_parameters()}

    first, again, other = begin(3), begin(3), begin(4)
    assert all(torch.equal(first[key], again[key]) for key in first)
    differ = any(not torch.equal(first[key], other[key]) for key in first)
    assert differ == (name in ("adapters", "factorized", "lora", "madx", "prefix", "prompt"))
