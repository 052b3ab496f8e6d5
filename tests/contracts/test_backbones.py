"""What every registered family of backbones keeps to, on a tiny checkpoint of each."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoTokenizer, DataCollatorForSeq2Seq

from xlgen.backbones.base import IGNORED, Backbone, BackboneError, families
from xlgen.backbones.loading import load
from xlgen.data.examples import EncodedExample, LabelledExample
from xlgen.data.markup import shown
from xlgen.decoding.decode import generate
from xlgen.decoding.settings import Decoding
from xlgen.training.loop import token_loss

SOURCES = {
    "en": "The mayor opened a new school in the city.",
    "ru": "Мэр открыл новую школу.",
    "ar": "افتتح العمدة مدرسة جديدة في المدينة اليوم.",
    "th": "นายกเทศมนตรีเปิดโรงเรียนใหม่",
    "fr": "Le maire a ouvert une école.",
    "hi": "मेयर ने शहर में एक नया स्कूल खोला।",
}
TARGETS = {"en": "A school.", "ru": "Школа открыта.", "ar": "مدرسة", "th": "โรงเรียน", "fr": "École.", "hi": "नया"}
CODES = {
    "mbart": {"en": "en_XX", "ru": "ru_RU", "ar": "ar_AR", "th": "th_TH", "fr": "fr_XX", "hi": "hi_IN"},
    "nllb": {
        "en": "eng_Latn",
        "ru": "rus_Cyrl",
        "ar": "arb_Arab",
        "th": "tha_Thai",
        "fr": "fra_Latn",
        "hi": "hin_Deva",
    },
}


def encoded(backbone: Backbone) -> list[EncodedExample]:
    examples = [LabelledExample(code, code, SOURCES[code], (TARGETS[code],), "") for code in SOURCES]
    return [backbone.encode(example, 48)[0] for example in examples]


@torch.inference_mode()
def logits(backbone: Backbone, batch: dict[str, Tensor]) -> Tensor:
    inputs = {key: batch[key] for key in ("input_ids", "attention_mask", "decoder_input_ids")}
    return backbone.model.eval()(**inputs).logits


def spied(backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> list[list[list[int]]]:
    """The ids that the library generates from now on, call by call."""
    calls: list[list[list[int]]] = []
    original = backbone.model.generate

    def spy(**kwargs: Any) -> Tensor:
        ids = original(**kwargs)
        calls.append(ids.sequences.tolist())
        return ids

    monkeypatch.setattr(backbone.model, "generate", spy)
    return calls


def generated(backbone: Backbone, examples: Sequence[EncodedExample], **decoding: Any) -> list[str]:
    sources, languages = [e.source for e in examples], [e.language for e in examples]
    return generate(backbone, sources, languages, Decoding(**{"max_new_tokens": 8, **decoding}))


def test_every_family_is_tried_here(any_backbone: Backbone, checkpoint: Callable[[str], Path]) -> None:
    """A new family needs a tiny checkpoint in shared_fixtures.py; encoders are tried in test_encoders.py."""
    names = [name for name in families.names() if families.get(name).decodes]
    assert {type(load(str(checkpoint(name)))) for name in names} == {families.get(name) for name in names}
    assert isinstance(any_backbone, tuple(families.get(name) for name in names))


@pytest.mark.spread(2)
def test_logits_survive_save_and_load(any_backbone: Backbone, tmp_path: Path) -> None:
    batch = any_backbone.collate(encoded(any_backbone))
    before = logits(any_backbone, batch)
    any_backbone.model.save_pretrained(tmp_path)
    any_backbone.tokenizer.save_pretrained(tmp_path)
    again = load(str(tmp_path))
    assert type(again) is type(any_backbone)
    assert encoded(again) == encoded(any_backbone)
    assert torch.equal(logits(again, batch), before)


@pytest.mark.spread(2)
def test_logits_survive_a_second_save_and_load_after_training(any_backbone: Backbone, tmp_path: Path) -> None:
    batch = any_backbone.collate(encoded(any_backbone))
    with torch.no_grad():
        for parameter in any_backbone.model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.01)
    backbone = any_backbone
    for folder in (tmp_path / "1", tmp_path / "2"):
        backbone.model.save_pretrained(folder)
        backbone.tokenizer.save_pretrained(folder)
        backbone = load(str(folder))
    assert torch.equal(logits(backbone, batch), logits(any_backbone, batch))


def test_a_batch_is_the_librarys_own(any_backbone: Backbone, checkpoint: Callable[[str], Path]) -> None:
    """DataCollatorForSeq2Seq over the tokenizer's own encoding gives the same batch, but for the codes' labels."""
    name = Path(any_backbone.name).name
    tokenizer = AutoTokenizer.from_pretrained(checkpoint(name))
    rows = []
    for code in SOURCES:
        if name in CODES:
            tokenizer.src_lang = tokenizer.tgt_lang = CODES[name][code]
        rows.append(dict(tokenizer(SOURCES[code], text_target=TARGETS[code])))
    expected = DataCollatorForSeq2Seq(tokenizer, model=any_backbone.model)(rows)
    batch = any_backbone.collate(encoded(any_backbone))
    assert torch.equal(batch["input_ids"], expected["input_ids"])
    assert torch.equal(batch["attention_mask"], expected["attention_mask"])
    forced = len(any_backbone.target_prefix("en"))
    assert torch.equal(batch["labels"][:, forced:], expected["labels"][:, forced:])
    assert (batch["labels"][:, :forced] == IGNORED).all()
    # The library shifts labels into decoder inputs; where the label is padding, what it puts there does not matter.
    inputs = {key: expected[key] for key in ("input_ids", "attention_mask", "labels")}
    with torch.inference_mode():
        theirs = any_backbone.model.eval()(**inputs).logits
    real = expected["labels"] != IGNORED
    torch.testing.assert_close(logits(any_backbone, batch)[real], theirs[real], rtol=1e-5, atol=1e-5)


def test_the_loss_is_the_librarys_own(any_backbone: Backbone) -> None:
    batch = any_backbone.collate(encoded(any_backbone))
    theirs = any_backbone.model(**batch).loss
    ours = token_loss(any_backbone.model, batch) / (batch["labels"] != IGNORED).sum()
    torch.testing.assert_close(ours, theirs)


def test_the_decoder_does_not_see_what_comes_later(any_backbone: Backbone) -> None:
    """Also without padding in the batch, when the library leaves the mask out."""
    source = any_backbone.source(any_backbone.tokenize(SOURCES["en"]), "en")
    batches = [any_backbone.collate([EncodedExample(source, (7, 8, last, 9), "en")]) for last in (10, 11)]
    first, second = (logits(any_backbone, batch)[0] for batch in batches)
    assert torch.equal(first[:3], second[:3])
    assert not torch.equal(first[3], second[3])


def test_padding_changes_nothing(any_backbone: Backbone) -> None:
    examples = encoded(any_backbone)
    together = logits(any_backbone, any_backbone.collate(examples))
    for row, example in zip(together, examples, strict=True):
        alone = logits(any_backbone, any_backbone.collate([example]))[0]
        torch.testing.assert_close(row[: len(alone)], alone, rtol=1e-4, atol=1e-4)


@pytest.mark.covering(1)
@pytest.mark.parametrize("beams", [1, 4])
def test_a_mixed_batch_generates_what_each_generates_alone(any_backbone: Backbone, beams: int) -> None:
    """An English source is generated in every language, in a batch with sources in the other languages."""
    own = encoded(any_backbone)
    pieces = any_backbone.tokenize(SOURCES["en"])
    examples = [*own, *(EncodedExample(any_backbone.source(pieces, "en"), (), code) for code in SOURCES)]
    together = generated(any_backbone, examples, num_beams=beams)
    assert together == [generated(any_backbone, [example], num_beams=beams)[0] for example in examples]
    assert any(together)


@pytest.mark.spread(4)
@pytest.mark.parametrize("beams", [1, 4])
def test_the_target_code_is_forced_per_example(
    any_backbone: Backbone, monkeypatch: pytest.MonkeyPatch, beams: int
) -> None:
    name = Path(any_backbone.name).name
    calls = spied(any_backbone, monkeypatch)
    languages = ["fr", "th", "fr", "ar", "en"]
    source = any_backbone.source(any_backbone.tokenize(SOURCES["en"]), "en")
    texts = generate(any_backbone, [source] * 5, languages, Decoding(8, num_beams=beams, engine="transformers"))
    assert len(calls) == 1  # one batch
    assert generate(any_backbone, [source] * 5, languages, Decoding(8, num_beams=beams)) == texts
    start = any_backbone.decoder_start(languages)
    assert [row[: start.shape[1]] for row in calls[0]] == start.tolist()
    if name in CODES:
        codes = any_backbone.tokenizer.convert_ids_to_tokens([row[1] for row in calls[0]])
        assert codes == [CODES[name][language] for language in languages]
        assert len({texts[0], texts[1], texts[3], texts[4]}) > 1  # and the code matters
    assert texts[0] == texts[2]


@pytest.mark.covering(1)
@pytest.mark.parametrize("beams", [1, 4])
def test_generation_is_the_librarys_own_with_a_forced_code(any_backbone: Backbone, beams: int) -> None:
    """The library can force one code a call (``forced_bos_token_id``); a call an example is the reference."""
    name = Path(any_backbone.name).name
    examples = encoded(any_backbone)
    expected = []
    for example in examples:
        code = CODES[name][example.language] if name in CODES else None
        ids = any_backbone.model.generate(
            input_ids=torch.tensor([example.source]),
            max_new_tokens=8 + (code is not None),
            num_beams=beams,
            do_sample=False,
            forced_bos_token_id=any_backbone.tokenizer.convert_tokens_to_ids(code) if code else None,
            forced_eos_token_id=None,
            **({"length_penalty": 0.0} if beams > 1 else {}),
        )
        expected.append(any_backbone.tokenizer.decode(ids[0], skip_special_tokens=True).strip())
    # Without a length penalty, which would count the forced code here and not there.
    found = generated(any_backbone, examples, num_beams=beams, length_penalty=0.0)
    special = any_backbone.tokenizer.all_special_tokens
    assert [_without(shown(text), special) for text in found] == [_without(text, special) for text in expected]


def _without(text: str, tokens: Sequence[str]) -> str:
    for token in tokens:
        text = text.replace(token, "")
    return "".join(text.split())


@pytest.mark.spread(2)
@pytest.mark.parametrize("beams", [1, 3])
def test_what_a_checkpoint_ships_for_generation_decides_nothing(
    any_backbone: Backbone, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, beams: int
) -> None:
    """mbart-large-50 ships 5 beams and a forced end, its many-to-one sister a forced language."""
    folder = Path(shutil.copytree(any_backbone.name, tmp_path / "shipped"))
    path = folder / "generation_config.json"
    other = any_backbone.tokenize("school")[0]
    shipped = {
        "num_beams": 5,
        "max_length": 7,
        "min_length": 6,
        "early_stopping": True,
        "length_penalty": 2.0,
        "no_repeat_ngram_size": 2,
        "repetition_penalty": 3.0,
        "forced_bos_token_id": other,
        "forced_eos_token_id": 2,
    }
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **shipped}), encoding="utf-8")
    with_settings = load(str(folder))
    assert with_settings.model.generation_config.num_beams == 5
    plain, found = spied(any_backbone, monkeypatch), spied(with_settings, monkeypatch)
    examples = encoded(any_backbone)
    generated(any_backbone, examples, num_beams=beams, max_new_tokens=12, engine="transformers")
    generated(with_settings, examples, num_beams=beams, max_new_tokens=12, engine="transformers")
    assert found == plain
    assert with_settings.model.generation_config.num_beams == 5  # and what it ships stays with it


@pytest.mark.spread(2)
def test_generation_stops_where_positions_end(any_backbone: Backbone) -> None:
    """Learned positions end; asking for more tokens must not crash."""
    texts = generated(any_backbone, encoded(any_backbone)[:2], max_new_tokens=200)
    assert len(texts) == 2


def test_generating_nothing_gives_nothing(any_backbone: Backbone) -> None:
    assert generate(any_backbone, [], [], Decoding(8)) == []


def test_generation_leaves_the_model_in_its_mode(any_backbone: Backbone) -> None:
    any_backbone.model.train()
    generated(any_backbone, encoded(any_backbone)[:1])
    assert any_backbone.model.training


@pytest.mark.spread(2)
def test_small_batches_generate_the_same_in_order(any_backbone: Backbone) -> None:
    examples = encoded(any_backbone)
    assert generated(any_backbone, examples, batch_tokens=1) == generated(any_backbone, examples)


def test_every_parameter_is_in_a_part(any_backbone: Backbone) -> None:
    parts = any_backbone.parts()
    names = [name for name, _ in any_backbone.model.named_parameters()]
    assert all(any(name.startswith(prefixes) for prefixes in parts.values()) for name in names)
    for part, prefixes in parts.items():
        assert any(name.startswith(prefixes) for name in names), part


def test_sublayers_are_the_attention_and_feed_forward_blocks(any_backbone: Backbone) -> None:
    """Two in each of the two encoder layers, three in each of the two decoder layers, each as wide as the model."""
    blocks = any_backbone.sublayers()
    widths: dict[str, int] = {}

    def note(name: str) -> Callable[..., None]:
        def hook(module: Any, inputs: Any, output: Any) -> None:
            widths[name] = (output[0] if isinstance(output, tuple) else output).shape[-1]

        return hook

    for name, block in blocks:
        block.register_forward_hook(note(name))
    logits(any_backbone, any_backbone.collate(encoded(any_backbone)))
    assert len(blocks) == 10
    assert sum("encoder." in name and "decoder." not in name for name, _ in blocks) == 4
    assert widths == {name: 32 for name, _ in blocks}


@pytest.mark.spread(2)
def test_an_unknown_language_is_refused_with_its_name(any_backbone: Backbone) -> None:
    with pytest.raises(BackboneError, match=r"does not know Low German \(nds\); it knows"):
        any_backbone.check_languages(["fr", "nds"])
    any_backbone.check_languages(SOURCES)


def test_unsafe_precisions_are_refused_and_the_others_not(any_backbone: Backbone) -> None:
    for precision in ("fp32", "bf16", "fp16"):
        if precision in any_backbone.precisions:
            any_backbone.check_precision(precision)
        else:
            with pytest.raises(BackboneError, match=precision):
                any_backbone.check_precision(precision)
