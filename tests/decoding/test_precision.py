"""Decoding in half precision: nearly the same texts, and weights that come back to the bit."""

from typing import Any

import pytest
import torch

from xlgen.adaptation.base import methods
from xlgen.backbones import loading
from xlgen.backbones.base import Backbone
from xlgen.backbones.precision import weights_in
from xlgen.decoding.decode import hypotheses
from xlgen.decoding.settings import Decoding
from xlgen.pocket import world


def documents(backbone: Backbone, code: str, count: int) -> list[tuple[int, ...]]:
    frames = world.frames("validation", count)
    return [backbone.source(backbone.tokenize(world.render(frame, code).document)[:30], code) for frame in frames]


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["adapters", "full", "lora", "prefix", "prompt"])
def test_every_family_and_the_weights_afterwards(any_backbone: Backbone, name: str) -> None:
    methods.build({"method": name}).prepare(any_backbone)
    before = {key: (tensor.data_ptr(), tensor.clone()) for key, tensor in any_backbone.model.state_dict().items()}
    for beams in (1, 2):
        decoding = Decoding(6, beams, precision="bf16")
        found = hypotheses(any_backbone, documents(any_backbone, "fr", 3), ["fr"] * 3, decoding)
        assert all(len(best) == 1 for best in found)
    for key, tensor in any_backbone.model.state_dict().items():
        assert tensor.data_ptr() == before[key][0] and torch.equal(tensor, before[key][1]), key


@pytest.mark.exhaustive
def test_most_texts_are_those_of_fp32() -> None:
    backbone = loading.load("pocket-mt5")
    asked = documents(backbone, "fr", 24)
    texts: dict[str, Any] = {}
    for precision in ("fp32", "bf16"):
        decoding = Decoding(16, 1, precision=precision)  # type: ignore[arg-type]
        texts[precision] = [best[0].text for best in hypotheses(backbone, asked, ["fr"] * 24, decoding)]
    same = [a == b for a, b in zip(texts["fp32"], texts["bf16"], strict=True)]
    assert sum(same) >= 16


def test_weights_come_back_after_an_error() -> None:
    model = torch.nn.Linear(2, 2)
    with pytest.raises(ValueError, match="stop"), weights_in(model, "bf16"):
        assert model.weight.dtype == torch.bfloat16
        raise ValueError("stop")
    assert model.weight.dtype == torch.float32
