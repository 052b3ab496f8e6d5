"""Methods by name."""

import pytest

from xlgen.adaptation.adapters import Adapters
from xlgen.adaptation.base import build_method
from xlgen.overrides import RecipeError
from xlgen.registry import UnknownNameError


def test_a_method_gets_its_options() -> None:
    method = build_method({"method": "adapters", "bottleneck_dim": 8})
    assert isinstance(method, Adapters) and method.options.bottleneck_dim == 8
    assert build_method({"method": "adapters"}).options.bottleneck_dim == 64


def test_a_wrong_name_gets_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown method 'adaptor': did you mean 'adapters'"):
        build_method({"method": "adaptor"})


def test_a_wrong_option_gets_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"adaptation adapters.*\n.*'bottleneck': did you mean 'bottleneck_dim'"):
        build_method({"method": "adapters", "bottleneck": 8})


@pytest.mark.parametrize("value", [0, -1, "wide", 1.5])
def test_a_wrong_value_is_refused(value: object) -> None:
    with pytest.raises(RecipeError, match="bottleneck_dim"):
        build_method({"method": "adapters", "bottleneck_dim": value})
