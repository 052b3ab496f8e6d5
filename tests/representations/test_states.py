"""Means of every layer against the library's own encoder, a sentence at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from xlgen.adaptation.base import methods
from xlgen.backbones.base import Backbone
from xlgen.backbones.heads import HeadSpec
from xlgen.backbones.loading import load
from xlgen.data.examples import EncodedExample, LabelledExample
from xlgen.representations.states import layer_means, means

TEXTS = {"en": "the ship sinks", "th": "เรือจม", "ar": "غرق القارب"}


@pytest.mark.spread(2)
@pytest.mark.parametrize("virtual", [0, 3])
def test_every_layer_is_the_library_s_without_the_prompt(any_backbone: Backbone, virtual: int) -> None:
    method = methods.build({"method": "prompt", "num_virtual_tokens": virtual} if virtual else {"method": "full"})
    method.prepare(any_backbone)
    inputs = [
        EncodedExample(any_backbone.source(any_backbone.tokenize(text), code), (0,), code)
        for code, text in TEXTS.items()
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


def test_pairs_have_their_segments(checkpoint: Callable[[str], Path]) -> None:
    """BERT distinguishes the two texts by them, in training as here."""
    backbone = load(str(checkpoint("bert")), head=HeadSpec("classification", ("no", "yes")))
    example = LabelledExample("1", "en", "The children went", ("no",), "here", pair="to school .")
    encoded, _ = backbone.encode(example, 64)
    model, ids = backbone.encoder.eval(), torch.tensor([encoded.source])
    segments = backbone.collate_sources([encoded])["token_type_ids"]
    assert segments.unique().tolist() == [0, 1]
    with torch.inference_mode():
        expected = model(ids, torch.ones_like(ids), segments).last_hidden_state[0].mean(0)
    assert torch.allclose(means(backbone, [encoded])[0], expected, atol=1e-5)


@pytest.mark.parametrize("name", ["mt5", "mbart", "nllb"])
def test_a_model_with_a_head_has_no_decoder(checkpoint: Callable[[str], Path], name: str) -> None:
    backbone = load(str(checkpoint(name)), head=HeadSpec("classification", ("no", "yes")))
    assert not backbone.decodes
