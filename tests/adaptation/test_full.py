"""Full finetuning."""

from pathlib import Path

import torch
from transformers import AutoModelForSeq2SeqLM

from xlgen.adaptation.base import methods, trainable_parameters
from xlgen.adaptation.checkpoints import About, save_checkpoint
from xlgen.backbones.base import Backbone
from xlgen.data.examples import EncodedExample


def test_every_weight_trains(any_backbone: Backbone) -> None:
    methods.build({"method": "full"}).prepare(any_backbone)
    assert trainable_parameters(any_backbone.model) == sum(p.numel() for p in any_backbone.model.parameters())


def test_a_checkpoint_is_a_model_of_the_library(any_backbone: Backbone, tmp_path: Path) -> None:
    """It opens without xlgen. (umT5 needs xlgen: the library would scale its logits as if the matrices were one.)"""
    method = methods.build({"method": "full"})
    method.prepare(any_backbone)
    about = About(step=1, backbone=any_backbone.name, adaptation={"method": "full"}, task=None, data_dir=".")
    save_checkpoint(tmp_path / "step-1", any_backbone, method, about)
    model = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "step-1")
    if model.config.model_type == "umt5":
        any_backbone.repair(model, fresh=False)
    batch = any_backbone.collate([EncodedExample((5, 6, 7), (8, 9), "en")])
    with torch.inference_mode():
        assert torch.equal(model(**batch).logits, any_backbone.model(**batch).logits)
