"""Cropping, batches and text of generated ids."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from xlgen.backbones.base import IGNORED, Backbone, BackboneError
from xlgen.backbones.headed import EncoderClassifier
from xlgen.backbones.heads import HeadSpec
from xlgen.backbones.loading import load
from xlgen.data.examples import EncodedExample, LabelledExample
from xlgen.data.markup import shown, token
from xlgen.decoding.cleanup import clean
from xlgen.pocket import world

HEAD, TAIL = "Read this. ", " What did he buy?"


def document(language: str) -> str:
    frame = next(iter(world.frames("unlabelled", 1)))
    return world.render(frame, language).document


def question(language: str) -> LabelledExample:
    """A long paragraph that may be cropped between two lines that may not."""
    text = document(language)
    source = HEAD + text + TAIL
    return LabelledExample("0", language, source, ("x",), "a.jsonl, line 7", (len(HEAD), len(HEAD) + len(text)))


@pytest.mark.spread(6)
@pytest.mark.parametrize("language", ["en", "th", "zh", "ar", "hi"])
def test_cropping_keeps_what_is_outside(any_backbone: Backbone, language: str) -> None:
    example = question(language)
    specials = len(any_backbone.source([], language))
    whole = len(any_backbone.tokenize(example.source))
    head, tail = any_backbone.decode(any_backbone.tokenize(HEAD)), any_backbone.decode(any_backbone.tokenize(TAIL))
    text = any_backbone.decode(any_backbone.tokenize(document(language)))
    longest = min(whole + specials - 1, any_backbone.positions or 10**6)
    for limit in range(28, longest + 1):
        source, cropped = any_backbone.encode_source(example, limit)
        assert limit - 8 <= len(source) <= limit  # nothing is cropped without need
        assert cropped == whole + specials - len(source) > 0
        found = any_backbone.decode(source)
        assert found.startswith(head) and found.endswith(tail)
        kept = found[len(head) : -len(tail)].strip()
        assert text.startswith(kept)


def test_nothing_is_cropped_that_fits(backbone_of: Callable[[str], Backbone]) -> None:
    backbone = backbone_of("mt5")
    example = question("en")
    pieces = backbone.tokenize(example.source)
    assert backbone.encode_source(example, len(pieces) + 1) == (backbone.source(pieces, "en"), 0)


def test_without_a_croppable_part_the_end_goes(any_backbone: Backbone) -> None:
    example = LabelledExample("0", "en", document("en"), ("x",), "")
    source, cropped = any_backbone.encode_source(example, 20)
    assert len(source) <= 20 and cropped > 0
    assert document("en").startswith(any_backbone.decode(source))


def test_white_space_before_the_croppable_part_is_kept(backbone_of: Callable[[str], Backbone]) -> None:
    backbone = backbone_of("mt5")
    example = LabelledExample("0", "en", "a b c word word word", ("x",), "", (6, 20))
    for limit in range(4, 7):
        assert backbone.decode(backbone.encode_source(example, limit)[0]).startswith("a b c")


def test_what_must_stay_and_does_not_fit_is_refused(any_backbone: Backbone) -> None:
    with pytest.raises(BackboneError, match=r"a\.jsonl, line 7: .*over the limit of 6.*raise max_source_tokens"):
        any_backbone.encode_source(question("en"), 6)


@pytest.mark.parametrize(("name", "positions"), [("mt5", None), ("umt5", None), ("mbart", 160), ("nllb", 160)])
def test_positions_limit_the_source(backbone_of: Callable[[str], Backbone], name: str, positions: int | None) -> None:
    backbone = backbone_of(name)
    example = LabelledExample("0", "en", document("en") * 9, ("x",), "")
    source, cropped = backbone.encode_source(example, 400)
    assert (len(source) <= positions and cropped) if positions else (len(source) > 160)
    example_ids = EncodedExample(source, backbone.target([], "en"), "en")
    assert torch.isfinite(backbone.model(**backbone.collate([example_ids])).logits).all()


def test_one_position_more_breaks_mbart(backbone_of: Callable[[str], Backbone]) -> None:
    """So the limit is a real one."""
    with pytest.raises(IndexError):
        backbone_of("mbart").model(input_ids=torch.full((1, 161), 7))


def test_collate(any_backbone: Backbone) -> None:
    pad, start = any_backbone.tokenizer.pad_token_id, any_backbone.start_token
    long = EncodedExample(any_backbone.source([11, 12, 13], "fr"), any_backbone.target([21], "fr"), "fr")
    short = EncodedExample(any_backbone.source([14], "ru"), any_backbone.target([22, 23, 24], "ru"), "ru")
    batch = any_backbone.collate([long, short])
    source, target = len(long.source), len(short.target)
    forced = len(any_backbone.target_prefix("fr"))
    assert batch["input_ids"].tolist() == [list(long.source), [*short.source, pad, pad]]
    assert batch["attention_mask"].tolist() == [[1] * source, [1] * (source - 2) + [0, 0]]
    assert batch["decoder_input_ids"].tolist() == [
        [start, *long.target[:-1], pad, pad],
        [start, *short.target[:-1]],
    ]
    assert batch["labels"].tolist() == [
        [*[IGNORED] * forced, *long.target[forced:], IGNORED, IGNORED],
        [*[IGNORED] * forced, *short.target[forced:]],
    ]
    assert batch["labels"].shape == (2, target)


def test_a_padding_id_inside_the_source_is_no_padding(any_backbone: Backbone) -> None:
    """The mask comes from lengths: text may hold the padding token's name."""
    pad = any_backbone.tokenizer.pad_token_id
    batch = any_backbone.collate([EncodedExample((pad, 5), (6,), "en")])
    assert batch["attention_mask"].tolist() == [[1, 1]]


@pytest.mark.spread(8)
@pytest.mark.parametrize("language", ["en", "fr", "ru", "ar", "hi", "th", "zh", "ja"])
def test_decode_hides_codes_padding_and_ends(any_backbone: Backbone, language: str) -> None:
    text = document(language)
    ids = any_backbone.target(any_backbone.tokenize(text), language)
    pad = any_backbone.tokenizer.pad_token_id
    # T5's tokenizer makes a space of the no-break spaces in French.
    assert any_backbone.decode([*ids, pad, pad]).split() == text.split()
    assert any_backbone.decode([pad, pad]) == ""


@pytest.mark.parametrize(
    ("name", "leftover"), [("mt5", "<extra_id_0>"), ("umt5", "<extra_id_99>"), ("mbart", "<mask>"), ("nllb", "<s>")]
)
def test_decode_shows_leftovers(backbone_of: Callable[[str], Backbone], name: str, leftover: str) -> None:
    backbone = backbone_of(name)
    ids = backbone.tokenize(f"{token(leftover)} He came.")
    assert backbone.tokenizer.convert_tokens_to_ids(leftover) in ids
    text = backbone.decode(backbone.target(ids, "en"))
    assert leftover in shown(text) and "He came." in text
    assert clean(text, backbone.leftover_pattern) == "He came."


def test_labels_of_an_example(any_backbone: Backbone) -> None:
    example = LabelledExample("0", "fr", "He came.", ("Il est venu.", "not this"), "")
    encoded, cropped = any_backbone.encode(example, 40)
    assert (encoded.language, cropped) == ("fr", 0)
    assert any_backbone.decode(encoded.source) == "He came."
    assert any_backbone.decode(encoded.target) == any_backbone.decode(any_backbone.tokenize("Il est venu."))


def test_objectives_that_need_other_tokens_are_refused(backbone_of: Callable[[str], Backbone]) -> None:
    with pytest.raises(BackboneError, match="no sentinel tokens; span corruption needs an mT5"):
        backbone_of("mbart").sentinels(3)
    with pytest.raises(BackboneError, match="no mask token; denoising needs"):
        backbone_of("mt5").mask()


def test_a_backbone_may_name_its_languages(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    for name in ("mt5", "mbart", "nllb"):
        shutil.copytree(checkpoint(name), tmp_path / name)
        config = json.loads((tmp_path / name / "config.json").read_text(encoding="utf-8"))
        (tmp_path / name / "config.json").write_text(json.dumps({**config, "xlgen_languages": ["en", "th"]}))
        backbone = load(str(tmp_path / name), languages=("th",))
        assert backbone.languages == ("en", "th")
        with pytest.raises(BackboneError, match="does not know French"):
            backbone.check_languages(["en", "fr"])


@pytest.mark.spread(6)
@pytest.mark.parametrize("name", ["mt5", "umt5", "mbart", "nllb", "bert", "xlm-roberta"])
@pytest.mark.parametrize(
    "text",
    [
        *("</s>", "<s>", "<pad>", "<unk>", "<mask>", "fr_XX", "fra_Latn", "<extra_id_0>", "[CLS]", "[SEP]", "[MASK]"),
        *("was <s>100</s> now 80", "ตอนนี้</s>80", "现在<pad>八十", "الآن [SEP] ثمانون", "अब<extra_id_99>अस्सी"),
    ],
)
def test_no_special_token_comes_from_text(checkpoint: Callable[[str], Path], name: str, text: str) -> None:
    """In every family, including encoders: alone, in a batch and as a word for a head."""
    backbone = load(str(checkpoint(name)), encoder_only=True)
    special = set(backbone.text.special) - {backbone.text.unknown_id}
    assert len(special) >= 3
    assert special.isdisjoint(backbone.tokenize(text))
    backbone.cache_tokens([text, "other"])
    assert special.isdisjoint(backbone.tokenize(text))
    example = LabelledExample("", "en", text, (text,), "here")
    ids, _ = backbone.encode_source(example, 64)
    assert [index for index in ids if index in special] == [i for i in backbone.source([], "en") if i in special]
    if not backbone.decodes or name == "mt5":
        headed = load(str(checkpoint(name)), head=HeadSpec("tagging", ("A", "B")))
        assert isinstance(headed, EncoderClassifier)
        assert special.isdisjoint(headed._word(text.split()[-1]))


def test_what_the_librarys_tokenizer_was_last_asked_for_does_not_matter(checkpoint: Callable[[str], Path]) -> None:
    """It keeps the truncation of its last call."""
    backbone = load(str(checkpoint("mbart")))
    backbone.tokenizer("He came and went.", truncation=True, max_length=4, padding="max_length")
    assert backbone.decode(backbone.tokenize("He came and went.")) == "He came and went."
