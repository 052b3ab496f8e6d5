"""Contracts of every family with a head on its encoder, on a tiny checkpoint of each."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from encoders import SENTENCES, tags_of
from xlgen.adaptation.base import methods
from xlgen.backbones.base import IGNORED, BackboneError, families
from xlgen.backbones.headed import EncoderClassifier
from xlgen.backbones.heads import HeadSpec, head_loss
from xlgen.backbones.loading import load
from xlgen.core.languages import Language
from xlgen.core.registry import InputError
from xlgen.data.examples import LabelledExample

NAMES = ("mt5", "umt5", "mbart", "nllb", "bert", "xlm-roberta")
TAGS = HeadSpec("tagging", ("NOUN", "VERB", "PUNCT", "O"))
CLASSES = HeadSpec("classification", ("no", "yes", "maybe"))
# Those that every tiny checkpoint's language table has.
CODES = ("en", "ru", "ar", "hi", "th", "zh", "ja", "ko")
Make = Callable[[HeadSpec], EncoderClassifier]


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def make(name: str, checkpoint: Callable[[str], Path]) -> Make:
    def loaded(head: HeadSpec) -> EncoderClassifier:
        found = load(str(checkpoint(name)), head=head)
        assert isinstance(found, EncoderClassifier)
        return found

    return loaded


def tagged(code: str) -> LabelledExample:
    words = SENTENCES[code]
    return LabelledExample(code, code, " ".join(words), (), "here", words=words, tags=tags_of(words))


def classed(code: str) -> LabelledExample:
    return LabelledExample(code, code, " ".join(SENTENCES[code]), (CLASSES.labels[len(code[0]) % 3],), "here")


def batch(backbone: EncoderClassifier, codes: tuple[str, ...] = CODES) -> dict[str, Tensor]:
    example = tagged if backbone.head.by_word else classed
    return backbone.collate([backbone.encode(example(code), 64)[0] for code in codes])


def loss(backbone: EncoderClassifier, inputs: dict[str, Tensor]) -> Tensor:
    backbone.model.eval()
    return head_loss(backbone.model(inputs["input_ids"], inputs["attention_mask"]), inputs["labels"], IGNORED)


def test_every_family_is_tried_here() -> None:
    assert set(families.names()) <= set(NAMES)


@pytest.mark.spread(4)
@pytest.mark.parametrize("code", CODES)
def test_the_first_piece_of_each_word_carries_its_tag(make: Make, code: str) -> None:
    """Where the library's own alignment, ``word_ids``, has the words' first pieces."""
    backbone = make(TAGS)
    example, cropped = backbone.encode(tagged(code), 160)
    assert cropped == 0
    tags = [backbone.head.labels[label] for label in example.target if label != IGNORED]
    assert tuple(tags) == tags_of(SENTENCES[code])
    theirs = backbone.tokenizer(list(SENTENCES[code]), is_split_into_words=True, add_special_tokens=False)
    assert example.source == backbone.source(theirs["input_ids"], code)
    numbers = [None, *theirs.word_ids()]
    firsts = [place for place, (before, number) in enumerate(pairwise(numbers)) if number != before]
    lead = backbone.leading_codes
    assert [place - lead for place, label in enumerate(example.target) if label != IGNORED] == firsts


def test_a_word_of_which_nothing_is_left_has_a_place(make: Make) -> None:
    backbone = make(TAGS)
    words = ("a", "\ufe0f", "\u200b", "b")
    example = LabelledExample("1", "en", "", (), "here", words=words, tags=("NOUN", "VERB", "PUNCT", "O"))
    encoded, _ = backbone.encode(example, 64)
    assert [label for label in encoded.target if label != IGNORED] == [0, 1, 2, 3]


def test_words_after_the_limit_have_no_position(make: Make) -> None:
    backbone = make(TAGS)
    whole, starts, _ = backbone.encode_words(tagged("en"), 160)
    limit = len(whole) - 1
    ids, kept, cropped = backbone.encode_words(tagged("en"), limit)
    assert len(ids) <= limit
    assert kept == starts[: len(kept)]
    assert 0 < len(kept) < len(starts)
    assert cropped == len(whole) - len(ids)
    with pytest.raises(BackboneError, match="here: its first word does not fit into 1 tokens"):
        backbone.encode_words(tagged("en"), 1)


def test_a_label_that_the_head_does_not_have_is_an_error(make: Make) -> None:
    with pytest.raises(BackboneError, match="here: 'NOUN' is none of the task's labels no, yes, maybe"):
        make(CLASSES).label("NOUN", "here")


@pytest.mark.spread(3)
@pytest.mark.parametrize("head", [TAGS, CLASSES], ids=lambda head: head.kind)
def test_padding_changes_nothing(make: Make, head: HeadSpec) -> None:
    backbone = make(head)
    alone = [loss(backbone, batch(backbone, (code,))) for code in CODES]
    torch.testing.assert_close(loss(backbone, batch(backbone)), torch.stack(alone).sum(), rtol=1e-4, atol=1e-4)
    example = tagged if head.by_word else classed
    sources = [backbone.encode(example(code), 64)[0].source for code in CODES]
    for one, many in zip(
        [backbone.logits([source], 64)[0] for source in sources], backbone.logits(sources, 1000), strict=True
    ):
        torch.testing.assert_close(one, many, rtol=1e-4, atol=1e-4)


@pytest.mark.spread(3)
@pytest.mark.parametrize("head", [TAGS, CLASSES], ids=lambda head: head.kind)
def test_logits_survive_save_and_load(make: Make, head: HeadSpec, tmp_path: Path) -> None:
    backbone = make(head)
    backbone.model.save_pretrained(tmp_path)
    backbone.tokenizer.save_pretrained(tmp_path)
    again = load(str(tmp_path))
    assert isinstance(again, EncoderClassifier)
    assert again.head == head
    inputs = batch(backbone)
    assert torch.equal(loss(again, inputs), loss(backbone, inputs))


def test_an_encoder_alone_needs_a_head(checkpoint: Callable[[str], Path]) -> None:
    with pytest.raises(BackboneError, match="is an encoder without a decoder: it needs a task with labels"):
        load(str(checkpoint("bert")))


def _library(name: str, kind: str, folder: str, labels: int) -> Any:
    import transformers as library

    prefix = {"bert": "Bert", "xlm-roberta": "XLMRoberta", "mt5": "MT5", "umt5": "UMT5"}[name]
    return getattr(library, f"{prefix}For{kind}Classification").from_pretrained(folder, num_labels=labels).eval()


@pytest.mark.parametrize("name", ["bert", "xlm-roberta", "mt5", "umt5"])
def test_the_loss_of_tags_is_the_librarys(make: Make, name: str, checkpoint: Callable[[str], Path]) -> None:
    backbone = make(TAGS)
    theirs = _library(name, "Token", str(checkpoint(name)), len(TAGS.labels))
    theirs.classifier.load_state_dict(backbone.model.head.classifier.state_dict())
    inputs = batch(backbone)
    ours = loss(backbone, inputs) / (inputs["labels"] != IGNORED).sum()
    torch.testing.assert_close(ours, theirs(**inputs).loss)


@pytest.mark.parametrize("name", ["bert", "xlm-roberta"])
def test_the_loss_of_classes_is_the_librarys(make: Make, name: str, checkpoint: Callable[[str], Path]) -> None:
    backbone = make(CLASSES)
    theirs = _library(name, "Sequence", str(checkpoint(name)), len(CLASSES.labels))
    head = backbone.model.head
    dense, last = (
        (theirs.bert.pooler.dense, theirs.classifier)
        if name == "bert"
        else (theirs.classifier.dense, theirs.classifier.out_proj)
    )
    assert head.dense is not None
    dense.load_state_dict(head.dense.state_dict())
    last.load_state_dict(head.classifier.state_dict())
    inputs = batch(backbone)
    torch.testing.assert_close(loss(backbone, inputs) / len(CODES), theirs(**inputs).loss)


@pytest.mark.parametrize("name", ["mbart", "nllb"])
def test_the_encoder_half_is_the_librarys(make: Make, name: str, checkpoint: Callable[[str], Path]) -> None:
    """For these the library has no head over the encoder: its states, through a linear map."""
    from transformers import AutoModelForSeq2SeqLM

    backbone, inputs = make(TAGS), {}
    whole = AutoModelForSeq2SeqLM.from_pretrained(checkpoint(name)).eval()
    inputs = batch(backbone)
    states = whole.get_encoder()(inputs["input_ids"], attention_mask=inputs["attention_mask"]).last_hidden_state
    classifier = backbone.model.head.classifier
    logits = functional.linear(states, classifier.weight, classifier.bias)
    labels = inputs["labels"]
    expected = nn.CrossEntropyLoss(reduction="sum")(logits[labels != IGNORED], labels[labels != IGNORED])
    torch.testing.assert_close(loss(backbone, inputs), expected)


@pytest.mark.spread(4)
@pytest.mark.parametrize("method", ["prompt", "prefix"])
def test_prompts_are_refused(make: Make, method: str) -> None:
    with pytest.raises(InputError, match=r"prompts cannot be inserted before an encoder|generates no text"):
        methods.build({"method": method, "num_virtual_tokens": 2}).prepare(make(TAGS))


METHODS: dict[str, dict[str, Any]] = {
    "full": {},
    "adapters": {"bottleneck_dim": 4},
    "adapters-bapna": {"bottleneck_dim": 4, "placement": "bapna"},
    "adapters-parallel": {"bottleneck_dim": 4, "placement": "parallel"},
    "lora": {"rank": 2},
    "lora-feed-forward": {"rank": 2, "targets": ["feed_forward_in", "feed_forward_out"]},
    "ia3": {},
    "freezing": {},
    "bitfit": {},
}


@pytest.mark.spread(3)
@pytest.mark.parametrize("method", METHODS)
def test_methods_train_what_they_say_and_the_head(make: Make, method: str, name: str, tmp_path: Path) -> None:
    """A step lowers the loss and changes only trained weights; a saved and loaded model gives the same loss."""
    if method == "bitfit" and name in ("mt5", "umt5"):
        pytest.skip("mT5 has no biases")
    config = {"method": method.partition("-")[0], **METHODS[method]}
    backbone, again = make(TAGS), make(TAGS)
    before = {key: value.clone() for key, value in backbone.model.state_dict().items()}
    how, other = methods.build(config), methods.build(config)
    how.prepare(backbone)
    inputs = batch(backbone)
    first = loss(backbone, inputs)
    trained = {key: p for key, p in backbone.model.named_parameters() if p.requires_grad}
    assert any("head." in key for key in trained)
    assert method == "full" or len(trained) < len(list(backbone.model.parameters()))
    first.backward()
    torch.optim.SGD(trained.values(), lr=1e-3).step()
    assert loss(backbone, inputs) < first
    for key, value in before.items():
        kept = dict(backbone.model.named_parameters()).get(key)
        if kept is not None and key not in trained:
            assert torch.equal(kept, value)
    how.save(backbone, tmp_path)
    other.prepare(again)
    other.load(again, tmp_path)
    assert torch.equal(loss(again, inputs), loss(backbone, inputs))


@pytest.mark.spread(4)
@pytest.mark.parametrize("method", [{"method": "lora", "targets": ["feed_forward_out"]}, {"method": "ia3"}])
def test_only_the_feed_forward_blocks_way_out_is_adapted(make: Make, name: str, method: dict[str, Any]) -> None:
    """In BERT's layout the attention's ends in the same word."""
    backbone = make(TAGS)
    methods.build(method).prepare(backbone)
    adapted = [part for part, module in backbone.model.named_modules() if hasattr(module, "base_layer")]
    found = {part.partition(".encoder.")[2] for part in adapted if part.endswith(("output.dense", "fc2", "wo"))}
    assert len(found) == 2, "one a layer"
    assert not any("attention" in part for part in found)


@pytest.mark.parametrize("folder", ["pocket-mbart", "pocket-nllb"])
def test_a_language_without_a_code_is_read_under_that_of_english(folder: str) -> None:
    with pytest.raises(BackboneError, match="does not know Korean"):
        load(folder, head=TAGS, languages=("ko",))
    with pytest.raises(BackboneError, match="does not know Korean"):
        load(folder, languages=("ko",), allow_unknown=True)  # what it generates needs a code
    found = load(folder, head=TAGS, languages=("ko", "th"), allow_unknown=True)
    assert found.source([7], "ko") == found.source([7], "en") != found.source([7], "th")


@pytest.mark.parametrize(("name", "count"), [("bert", 104), ("xlm-roberta", 94)])
def test_languages_are_those_of_the_table(make: Make, count: int) -> None:
    found = make(TAGS).languages
    assert len(set(found)) == len(found) == count
    assert [Language.parse(code).code for code in found] == list(found)
