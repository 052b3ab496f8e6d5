"""Freezing named parts."""

from collections.abc import Callable

import pytest

from xlgen.adaptation.base import methods
from xlgen.backbones.base import Backbone, BackboneError


def trained(backbone: Backbone, *freeze: str) -> set[str]:
    config = {"method": "freezing", **({"freeze": freeze} if freeze else {})}
    methods.build(config).prepare(backbone)
    return {name for name, p in backbone.model.named_parameters() if p.requires_grad}


def test_by_default_the_encoder_alone_is_trained(any_backbone: Backbone) -> None:
    names = {name.removeprefix("model.") for name in trained(any_backbone)}
    every = {name.removeprefix("model.") for name, _ in any_backbone.model.named_parameters()}
    assert names == {name for name in every if name.startswith("encoder.")}
    assert not any_backbone.model.get_input_embeddings().weight.requires_grad
    assert not any_backbone.model.get_output_embeddings().weight.requires_grad


def test_parts_by_name(any_backbone: Backbone) -> None:
    names = trained(any_backbone, "encoder")
    assert any(name.removeprefix("model.").startswith("decoder.") for name in names)
    assert not any(name.removeprefix("model.").startswith("encoder.") for name in names)
    assert any_backbone.model.get_input_embeddings().weight.requires_grad


def test_parts_by_prefix(backbone_of: Callable[[str], Backbone]) -> None:
    backbone = backbone_of("mt5")
    every = {name for name, _ in backbone.model.named_parameters()}
    assert every - trained(backbone, "encoder.block.0.") == {n for n in every if n.startswith("encoder.block.0.")}


def test_the_output_matrix(backbone_of: Callable[[str], Backbone]) -> None:
    """mT5 has one of its own; that of the others is the embeddings."""
    mt5, mbart = backbone_of("mt5"), backbone_of("mbart")
    assert {"shared.weight"} == {n for n in trained(mt5, "lm_head") if "shared" in n or "lm_head" in n}
    assert "model.shared.weight" not in trained(mbart, "lm_head")


def test_frozen_parts_thaw_when_another_method_comes(backbone_of: Callable[[str], Backbone]) -> None:
    backbone = backbone_of("mt5")
    trained(backbone)
    methods.build({"method": "full"}).prepare(backbone)
    assert all(p.requires_grad for p in backbone.model.parameters())


@pytest.mark.parametrize("part", ["encodr", "encoder.block.7."])
def test_a_name_that_freezes_nothing_is_refused(any_backbone: Backbone, part: str) -> None:
    with pytest.raises(BackboneError, match=f"no part or parameter '{part}': did you mean 'encoder'"):
        trained(any_backbone, part)


def test_something_must_be_left(any_backbone: Backbone) -> None:
    with pytest.raises(BackboneError, match="nothing is left to train"):
        trained(any_backbone, "encoder", "decoder", "embeddings", "lm_head")
