"""mT5's output matrix is one of its own, and stays so; umT5 the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForSeq2SeqLM, AutoTokenizer, MT5Config

from xlgen.backbones.base import Backbone, BackboneError
from xlgen.backbones.loading import load
from xlgen.backbones.mt5 import MT5, keep_output_matrix
from xlgen.data.examples import EncodedExample


def separate(model: Any) -> bool:
    head, shared = model.lm_head.weight, model.shared.weight
    return head is not shared and head.data_ptr() != shared.data_ptr() and not torch.equal(head, shared)


def logits(backbone: Backbone) -> torch.Tensor:
    batch = backbone.collate([EncodedExample((5, 6, 7, 1), (8, 9, 1), "en")])
    with torch.inference_mode():
        return backbone.model(**batch).logits


@pytest.fixture(params=["mt5", "umt5"])
def backbone(request: pytest.FixtureRequest, backbone_of: Callable[[str], Backbone]) -> Backbone:
    return backbone_of(request.param)


def test_the_library_ties_a_fresh_model() -> None:
    """The trap is there; without it the guards below prove nothing."""
    model = AutoModelForSeq2SeqLM.from_config(MT5Config(vocab_size=9, d_model=4, d_kv=2, d_ff=4, num_layers=1))
    assert model.lm_head.weight is model.shared.weight
    MT5.repair(model, fresh=True)
    assert separate(model)
    assert 0.3 < model.lm_head.weight.std() / 4**-0.5 < 2


def test_the_head_is_not_tied_after_loading(backbone: Backbone) -> None:
    assert separate(backbone.model)
    assert "lm_head.weight" in dict(backbone.model.named_parameters())


def test_the_head_survives_tie_weights(backbone: Backbone) -> None:
    before = logits(backbone)
    backbone.model.tie_weights()
    assert separate(backbone.model)
    assert torch.equal(logits(backbone), before)


def test_the_head_survives_whatever_the_config_says(backbone: Backbone) -> None:
    """The config is forced to True wherever a copy of it is made."""
    backbone.model.config.tie_word_embeddings = True
    backbone.model.tie_weights()
    assert separate(backbone.model)


def test_the_head_of_random_weights_survives_the_mapping_made_before(checkpoint: Callable[[str], Path]) -> None:
    model = load(str(checkpoint("mt5")), init="random").model
    model.tie_weights(recompute_mapping=False)
    assert separate(model)


def test_the_head_survives_resizing(backbone: Backbone) -> None:
    before, size = logits(backbone), backbone.model.config.vocab_size
    backbone.model.resize_token_embeddings(size + 7)
    assert separate(backbone.model)
    assert backbone.model.lm_head.weight.shape == backbone.model.shared.weight.shape == (size + 7, 32)
    assert backbone.model.encoder.embed_tokens.weight is backbone.model.shared.weight
    assert backbone.model.decoder.embed_tokens.weight is backbone.model.shared.weight
    torch.testing.assert_close(logits(backbone)[..., :size], before)


def test_the_head_survives_resize_save_and_load(backbone: Backbone, tmp_path: Path) -> None:
    backbone.model.resize_token_embeddings(backbone.model.config.vocab_size + 7)
    backbone.model.save_pretrained(tmp_path)
    backbone.tokenizer.save_pretrained(tmp_path)
    again = load(str(tmp_path))
    assert separate(again.model)
    assert torch.equal(logits(again), logits(backbone))
    assert torch.equal(again.model.lm_head.weight, backbone.model.lm_head.weight)


def test_two_equal_matrices_are_two_after_loading(backbone: Backbone, tmp_path: Path) -> None:
    """The library ties matrices that hold the same numbers; training must be able to part them."""
    backbone.model.lm_head.weight.data.copy_(backbone.model.shared.weight.data)
    backbone.model.save_pretrained(tmp_path)
    backbone.tokenizer.save_pretrained(tmp_path)
    model = load(str(tmp_path)).model
    assert torch.equal(model.lm_head.weight, model.shared.weight)
    assert model.lm_head.weight.data_ptr() != model.shared.weight.data_ptr()


def test_a_tied_checkpoint_comes_apart_with_the_same_logits(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    torch.manual_seed(0)
    tied = AutoModelForSeq2SeqLM.from_config(AutoConfig.from_pretrained(checkpoint("mt5"))).eval()
    tied.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(checkpoint("mt5")).save_pretrained(tmp_path)
    again = load(str(tmp_path))
    assert again.model.lm_head.weight.data_ptr() != again.model.shared.weight.data_ptr()
    batch = again.collate([EncodedExample((5, 6, 7, 1), (8, 9, 1), "en")])
    with torch.inference_mode():
        assert torch.equal(again.model(**batch).logits, tied(**batch).logits)


def test_logits_are_not_scaled(backbone: Backbone) -> None:
    """There is no d_model**-0.5 before the published output matrix; the library's umT5 scales whenever it ties."""
    batch = backbone.collate([EncodedExample((5, 6, 7, 1), (8, 9, 1), "en")])
    with torch.inference_mode():
        hidden = backbone.model(**batch, output_hidden_states=True).decoder_hidden_states[-1]
        torch.testing.assert_close(logits(backbone), hidden @ backbone.model.lm_head.weight.T)


def test_the_published_shape_of_mt5_small_has_300_million_parameters() -> None:
    config = MT5Config(vocab_size=250_112, d_model=512, d_kv=64, d_ff=1024, num_layers=8, num_heads=6)
    with torch.device("meta"):
        model = AutoModelForSeq2SeqLM.from_config(config)
        tied = sum(p.numel() for p in model.parameters())
        keep_output_matrix(model)
    assert tied == 172_119_424
    assert sum(p.numel() for p in model.parameters()) == 300_176_768


@pytest.mark.parametrize("text", ["He came to the city.", "Он пришёл.", "เขามา", ""])
def test_source_and_target_are_the_tokenizers_own(backbone: Backbone, text: str) -> None:
    ids = backbone.tokenize(text)
    expected = backbone.tokenizer(text, text_target=text)
    assert list(backbone.source(ids, "ru")) == expected["input_ids"]
    assert list(backbone.target(ids, "ru")) == expected["labels"]


def test_decoding_starts_with_padding_alone(backbone: Backbone) -> None:
    assert backbone.decoder_start(["en", "th"]).tolist() == [[0], [0]]


def test_sentinels(backbone: Backbone) -> None:
    ids = backbone.sentinels(100)
    assert backbone.tokenizer.convert_ids_to_tokens(ids)[::99] == ["<extra_id_0>", "<extra_id_99>"]
    with pytest.raises(BackboneError, match="fewer than 101 sentinels"):
        backbone.sentinels(101)


def test_fp16_is_refused_with_the_reason(backbone: Backbone) -> None:
    with pytest.raises(BackboneError, match=r"overflow in fp16.*use bf16 or fp32"):
        backbone.check_precision("fp16")
    for precision in ("fp32", "bf16"):
        backbone.check_precision(precision)


def test_languages(backbone: Backbone) -> None:
    assert {"en", "el", "th", "zh", "no"} <= set(backbone.languages)
    assert len(backbone.languages) >= 101
    with pytest.raises(BackboneError, match=r"does not know Assamese \(as\); it knows"):
        backbone.check_languages(["en", "as"])
