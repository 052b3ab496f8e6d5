"""Prompt tuning: what the encoder and the decoder see, by hand and by peft; and where there is no room for a prompt."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from xlgen.adaptation.base import methods, trainable_parameters
from xlgen.adaptation.checkpoints import load_checkpoint
from xlgen.backbones.base import Backbone, BackboneError
from xlgen.core.config import Recipe, RecipeError
from xlgen.data.examples import EncodedExample, LabelledExample
from xlgen.decoding.decode import Decoding, generate
from xlgen.runs.checkpoints import checkpoints_of
from xlgen.training.loop import token_loss
from xlgen.training.run import train


def batch_of(backbone: Backbone) -> dict[str, Tensor]:
    """Two examples of different lengths, so that there is padding on both sides."""
    rows = [("en", [5, 6, 7, 8, 9], [9, 10, 11]), ("fr", [12, 13], [14])]
    return backbone.collate(
        [EncodedExample(backbone.source(s, code), backbone.target(t, code), code) for code, s, t in rows]
    )


def prompted(backbone: Backbone, count: int = 4, **options: Any) -> Tensor:
    methods.build({"method": "prompt", "num_virtual_tokens": count, **options}).prepare(backbone)
    return backbone.model.get_encoder().prompt.vectors


@torch.no_grad()
def logits(backbone: Backbone) -> Tensor:
    return backbone.model.eval()(**{k: v for k, v in batch_of(backbone).items() if k != "labels"}).logits


@torch.no_grad()
def by_hand(plain: Backbone, vectors: Tensor, skip: int = 0) -> Tensor:
    """The library's own way: embeddings with the prompt in them, and a mask as long."""
    batch = batch_of(plain)
    embedded = plain.model.get_encoder().embed_tokens(batch["input_ids"])
    prompt = vectors.expand(len(embedded), -1, -1)
    ones = torch.ones(len(embedded), len(vectors), dtype=torch.long)
    return plain.model.eval()(
        inputs_embeds=torch.cat([embedded[:, :skip], prompt, embedded[:, skip:]], 1),
        attention_mask=torch.cat([ones, batch["attention_mask"]], 1),
        decoder_input_ids=batch["decoder_input_ids"],
    ).logits


def plain_of(backbone: Backbone, backbone_of: Callable[[str], Backbone]) -> Backbone:
    return backbone_of(Path(backbone.name).name)


@pytest.mark.parametrize("count", [1, 10, 100])
def test_equals_embeddings_by_hand(any_backbone: Backbone, backbone_of: Callable[[str], Backbone], count: int) -> None:
    plain = plain_of(any_backbone, backbone_of)
    vectors = prompted(any_backbone, count)
    torch.testing.assert_close(logits(any_backbone), by_hand(plain, vectors), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(logits(any_backbone), logits(plain), atol=1e-3)


@pytest.mark.parametrize("name", ["mbart", "nllb"])
def test_behind_the_language_code(backbone_of: Callable[[str], Backbone], name: str) -> None:
    plain, backbone, first = backbone_of(name), backbone_of(name), backbone_of(name)
    vectors = prompted(backbone, place="after_code")
    torch.testing.assert_close(logits(backbone), by_hand(plain, vectors, skip=1), rtol=1e-5, atol=1e-5)
    prompted(first)
    assert not torch.allclose(logits(backbone), logits(first), atol=1e-3)


def test_where_there_is_no_code_there_is_one_place(backbone_of: Callable[[str], Backbone]) -> None:
    one, other = backbone_of("mt5"), backbone_of("mt5")
    prompted(one, place="after_code")
    prompted(other)
    assert torch.equal(logits(one), logits(other))


def test_equals_peft(any_backbone: Backbone, backbone_of: Callable[[str], Backbone]) -> None:
    """Its PromptTuning wraps the model and builds the same input outside of it."""
    peft = pytest.importorskip("peft")
    plain = plain_of(any_backbone, backbone_of)
    vectors = prompted(any_backbone)
    config = peft.PromptTuningConfig(
        task_type="SEQ_2_SEQ_LM", num_virtual_tokens=4, num_transformer_submodules=1, tokenizer_name_or_path=None
    )
    theirs = peft.get_peft_model(plain.model, config)
    theirs.prompt_encoder["default"].embedding.weight.data.copy_(vectors)
    # peft looks ids up in the first embedding it finds, which mBART's encoder would scale.
    theirs.word_embeddings = plain.model.get_encoder().embed_tokens
    with torch.no_grad():
        expected = theirs.eval()(**{k: v for k, v in batch_of(plain).items() if k != "labels"}).logits
    torch.testing.assert_close(logits(any_backbone), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.spread(3)
@pytest.mark.parametrize("beams", [1, 3])
def test_generation_sees_the_prompt(any_backbone: Backbone, backbone_of: Callable[[str], Backbone], beams: int) -> None:
    """Greedy search is the plain forward repeated; beams and batches change nothing."""
    plain = plain_of(any_backbone, backbone_of)
    sources = [any_backbone.source(ids, "en") for ids in ([5, 6, 7, 8], [9, 10])]
    before = generate(any_backbone, sources, ["en", "en"], Decoding(6, beams))
    vectors = prompted(any_backbone)
    found = generate(any_backbone, sources, ["en", "en"], Decoding(6, beams))
    alone = [generate(any_backbone, [source], ["en"], Decoding(6, beams))[0] for source in sources]
    assert found == alone
    embedded = plain.model.get_encoder().embed_tokens(torch.tensor([sources[0]]))
    start = plain.decoder_start(["en"])
    ids = plain.model.generate(
        inputs_embeds=torch.cat([vectors[None], embedded], 1),
        decoder_input_ids=start,
        max_new_tokens=6,
        num_beams=beams,
        do_sample=False,
        forced_eos_token_id=None,
        forced_bos_token_id=None,
        **({"length_penalty": 0.6, "early_stopping": False} if beams > 1 else {}),
    )
    assert found[0] == plain.decode(ids[0, start.shape[1] :].tolist())
    assert before != found


def test_gradients_go_to_the_prompt_alone(any_backbone: Backbone) -> None:
    vectors = prompted(any_backbone)
    assert trainable_parameters(any_backbone.model) == vectors.numel()
    token_loss(any_backbone.model, batch_of(any_backbone)).backward()
    assert {n for n, p in any_backbone.model.named_parameters() if p.grad is not None} == {
        n for n, p in any_backbone.model.named_parameters() if p is vectors
    }
    assert vectors.grad is not None and (vectors.grad != 0).all()


# -- initialisation


def rows_of(backbone: Backbone, vectors: Tensor) -> list[int]:
    """The ids whose embeddings (as the encoder gets them) the vectors are."""
    encoder = backbone.model.get_encoder()
    table = encoder.embed_tokens(torch.arange(encoder.embed_tokens.weight.shape[0]))
    return [int((table == vector).all(1).nonzero()[0, 0]) for vector in vectors]


def test_from_the_vocabulary(any_backbone: Backbone) -> None:
    ids = rows_of(any_backbone, prompted(any_backbone, 60))
    assert len(set(ids)) > 40
    assert max(ids) > any_backbone.model.config.vocab_size // 2


def test_from_the_first_5000_without_replacement(any_backbone: Backbone) -> None:
    ids = rows_of(any_backbone, prompted(any_backbone, 100, init="first-5000"))
    assert len(set(ids)) == 100 and max(ids) < 5_000


def test_more_vectors_than_first_ids_are_refused(backbone_of: Callable[[str], Backbone]) -> None:
    backbone = backbone_of("mt5")
    size = min(5_000, backbone.model.config.vocab_size)
    with pytest.raises(BackboneError, match=rf"there are {size}, 7 fewer than num_virtual_tokens"):
        prompted(backbone, size + 7, init="first-5000")


@pytest.mark.spread(5)
@pytest.mark.parametrize("text", ["Summarize the text: ", "สรุปข้อความ", "لخص النص", "总结"])
def test_from_text_again_and_again(any_backbone: Backbone, text: str) -> None:
    pieces = any_backbone.tokenize(text)
    ids = rows_of(any_backbone, prompted(any_backbone, 50, init="text", init_text=text))
    assert ids == [pieces[i % len(pieces)] for i in range(50)]


def test_uniform(any_backbone: Backbone) -> None:
    vectors = prompted(any_backbone, 100, init="uniform").detach()
    assert -0.5 <= float(vectors.min()) < -0.49 and 0.49 < float(vectors.max()) <= 0.5
    assert abs(float(vectors.mean())) < 0.03


@pytest.mark.parametrize("options", [{"init": "text"}, {"init_text": "x"}, {"init": "zeros"}, {"place": "end"}])
def test_wrong_options(options: dict[str, str]) -> None:
    with pytest.raises(RecipeError, match="method prompt is invalid"):
        methods.build({"method": "prompt", **options})


# -- positions


@pytest.mark.parametrize("name", ["mbart", "nllb"])
def test_a_prompt_beyond_the_positions_is_refused(backbone_of: Callable[[str], Backbone], name: str) -> None:
    with pytest.raises(
        BackboneError, match=r"pass the 160 positions of .* by 43; set num_virtual_tokens to at most 157"
    ):
        prompted(backbone_of(name), 200)
    prompted(backbone_of(name), 157)


def test_relative_positions_have_no_end(backbone_of: Callable[[str], Backbone]) -> None:
    backbone = backbone_of("mt5")
    prompted(backbone, 1000)
    assert torch.isfinite(logits(backbone)).all()


@pytest.mark.parametrize("name", ["mbart", "nllb"])
def test_sources_leave_room_for_the_prompt(backbone_of: Callable[[str], Backbone], name: str) -> None:
    backbone = backbone_of(name)
    prompted(backbone, 100)
    example = LabelledExample("0", "en", "the mayor opened a school " * 40, ("a school",), "")
    encoded, cropped = backbone.encode(example, 500)
    assert len(encoded.source) <= 60 and cropped > 0
    assert backbone.target_limit(500) == 160
    inputs = backbone.collate([encoded])
    assert torch.isfinite(backbone.model(**inputs).logits).all()
    assert generate(backbone, [encoded.source], ["en"], Decoding(3))


# -- after an intermediate task (V, Appendix F)


def two_stages(checkpoint: Callable[[str], Path], second: int = 5) -> Recipe:
    prompt = {"method": "prompt", "init": "uniform"}
    text = {"objective": {"name": "lm", "max_tokens": 20}, "corpus": {"reader": "pocket", "size": 4}}
    training = {"steps": 2, "warmup_steps": 0, "schedule": "constant", "batch_tokens": 400, "optimizer": "adafactor"}
    stages = [
        {"adaptation": {**prompt, "num_virtual_tokens": count}, "training": {**training, "learning_rate": rate}}
        for count, rate in ((5, 0.3), (second, 1e-4))
    ]
    stages = [{**stage, "unlabelled": [{**text, "languages": ["fr"]}]} for stage in stages]
    return Recipe.model_validate({"name": "it", "backbone": str(checkpoint("mt5")), "stages": stages})


def test_goes_on_from_the_prompt_of_the_stage_before(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    train(two_stages(checkpoint), tmp_path)
    vectors = []
    for place in (tmp_path / "stages" / "0", tmp_path):
        backbone, method, _ = load_checkpoint(checkpoints_of(place)[-1])
        vectors.append(next(iter(method.state(backbone).values())).clone())
    fresh = torch.rand(5, 32, generator=torch.Generator().manual_seed(0)) - 0.5
    assert float((vectors[0] - fresh).abs().max()) > 0.05
    assert 0 < float((vectors[1] - vectors[0]).abs().max()) < 0.01


@pytest.mark.exhaustive
def test_a_prompt_of_another_length_does_not_fit(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"does not fit: .*vectors is \(5, 32\), not \(6, 32\)"):
        train(two_stages(checkpoint, 6), tmp_path)
