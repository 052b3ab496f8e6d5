"""Means of every layer against the library's own encoder, a sentence at a time."""

from __future__ import annotations

import pytest
import torch

from xlgen.adaptation.base import build_method
from xlgen.analysis.states import layer_means, means
from xlgen.backbones.base import Backbone
from xlgen.data.examples import EncodedExample

TEXTS = {"en": "the ship sinks", "th": "เรือจม", "ar": "غرق القارب"}


@pytest.mark.parametrize("virtual", [0, 3])
def test_every_layer_is_the_library_s_without_the_prompt(any_backbone: Backbone, virtual: int) -> None:
    method = build_method({"method": "prompt", "num_virtual_tokens": virtual} if virtual else {"method": "full"})
    method.prepare(any_backbone)
    inputs = [
        EncodedExample(any_backbone.source(any_backbone.pieces(text), code), (0,), code) for code, text in TEXTS.items()
    ]
    found = layer_means(any_backbone, inputs)
    assert found.shape == (3, len(inputs), 32)  # embeddings and two layers
    assert torch.equal(found[-1], means(any_backbone, inputs))
    encoder = any_backbone.model.eval().get_encoder()
    for place, each in enumerate(inputs):
        ids = torch.tensor([each.source])
        with torch.inference_mode():
            alone = encoder(input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=True)
        assert len(alone.hidden_states) == 3
        for layer, states in enumerate(alone.hidden_states):
            assert torch.allclose(found[layer, place], states[0, virtual:].mean(0), atol=1e-5)
