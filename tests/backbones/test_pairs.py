"""Pairs of texts for a head, with the layout, truncation and segments of the library's tokenizers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from encoders import SENTENCES
from xlgen.backbones.base import BackboneError
from xlgen.backbones.headed import EncoderClassifier, fitted
from xlgen.backbones.heads import HeadSpec
from xlgen.backbones.loading import load
from xlgen.data.examples import LabelledExample

CLASSES = HeadSpec("classification", ("no", "yes"))
Load = Callable[[str], EncoderClassifier]
TEXTS = st.sampled_from(sorted(SENTENCES)).flatmap(
    lambda code: st.lists(st.sampled_from(SENTENCES[code]), min_size=1, max_size=12).map(" ".join)
)
LIKE = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def library_tokenizer(kind: str, plain: Any) -> Any:
    """The library's own class over the pieces of a tiny tokenizer, with the library's layout of pairs."""
    from transformers import BertTokenizer, XLMRobertaTokenizer

    if kind == "bert":
        return BertTokenizer(vocab=plain.get_vocab(), do_lower_case=False)
    pieces = json.loads(plain.backend_tokenizer.to_str())["model"]["vocab"][4:]
    special = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    return XLMRobertaTokenizer(vocab=[*special, *map(tuple, pieces)])


@pytest.fixture(scope="module")
def headed(checkpoint: Callable[[str], Path]) -> Load:
    kept: dict[str, EncoderClassifier] = {}

    def find(name: str) -> EncoderClassifier:
        if name not in kept:
            found = load(str(checkpoint(name)), head=CLASSES)
            assert isinstance(found, EncoderClassifier)
            if name in ("bert", "xlm-roberta"):
                found = type(found)(found.model, library_tokenizer(name, found.tokenizer), name)
            kept[name] = found
        return kept[name]

    return find


def example(first: str, second: str, language: str = "en") -> LabelledExample:
    return LabelledExample("1", language, first, ("no",), "here", pair=second)


@pytest.mark.spread(1)
@pytest.mark.parametrize("name", ["bert", "xlm-roberta", "mt5"])
@LIKE
@given(first=TEXTS, second=TEXTS, limit=st.integers(8, 40))
def test_ids_and_segments_are_the_librarys(headed: Load, name: str, first: str, second: str, limit: int) -> None:
    backbone = headed(name)
    theirs = backbone.tokenizer(first, second, truncation="longest_first", max_length=limit)
    ids, cropped = backbone.encode_source(example(first, second), limit)
    assert list(ids) == theirs["input_ids"]
    assert cropped == len(backbone.tokenizer(first, second)["input_ids"]) - len(ids)
    encoded, _ = backbone.encode(example(first, second), limit)
    rows = backbone.collate([encoded])
    assert rows.get("token_type_ids", torch.zeros(1)).any() == any(theirs.get("token_type_ids", [0]))
    if "token_type_ids" in rows:
        assert rows["token_type_ids"].tolist() == [theirs["token_type_ids"]]


@pytest.mark.parametrize("name", ["mbart", "nllb"])
@LIKE
@given(first=TEXTS, second=TEXTS, limit=st.integers(8, 40))
def test_halves_have_an_end_between(headed: Load, name: str, first: str, second: str, limit: int) -> None:
    """Truncated as in the library, whose tokenizers of these families put nothing between two texts."""
    backbone = headed(name)
    end, code = backbone.tokenizer.eos_token_id, backbone.source([], "en")[0]
    theirs = backbone.tokenizer(
        first, second, truncation="longest_first", max_length=limit - 3, add_special_tokens=False
    )
    of = theirs.encodings[0].sequence_ids
    parts = [[i for i, which in zip(theirs["input_ids"], of, strict=True) if which == part] for part in (0, 1)]
    assert backbone.encode_source(example(first, second), limit)[0] == (code, *parts[0], end, *parts[1], end)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 60))
def test_as_much_stays_as_there_is_room_for(first: int, second: int, room: int) -> None:
    ours, theirs = fitted(first, second, room)
    assert (ours <= first, theirs <= second, ours + theirs == min(room, first + second)) == (True, True, True)
    if ours < first and theirs < second:
        assert abs(ours - theirs) <= 1
    elif ours < first:
        assert ours >= theirs - 1
    elif theirs < second:
        assert theirs >= ours - 1


def test_segments_reach_the_model(headed: Load) -> None:
    """Logits are those of the library's model, which is given the library's rows."""
    from transformers import BertForSequenceClassification

    backbone = headed("bert")
    theirs = BertForSequenceClassification(backbone.model.config).eval()
    theirs.bert.load_state_dict(backbone.model.encoder.state_dict(), strict=False)
    head = backbone.model.head
    assert head.dense is not None
    theirs.bert.pooler.dense.load_state_dict(head.dense.state_dict())
    theirs.classifier.load_state_dict(head.classifier.state_dict())
    pairs = [(" ".join(SENTENCES[a]), " ".join(SENTENCES[b])) for a, b in (("en", "th"), ("ru", "ja"), ("hi", "ar"))]
    sources = [backbone.encode_source(example(*pair), 64)[0] for pair in pairs]
    rows = backbone.tokenizer([a for a, _ in pairs], [b for _, b in pairs], padding=True, return_tensors="pt")
    with torch.no_grad():
        expected = theirs(**rows).logits
    torch.testing.assert_close(torch.stack(backbone.logits(sources, 1000)), expected)
    swapped = [backbone.encode_source(example(b, a), 64)[0] for a, b in pairs]
    assert not torch.allclose(torch.stack(backbone.logits(swapped, 1000)), expected)


def test_a_language_without_a_code_gets_the_code_of_english(checkpoint: Callable[[str], Path]) -> None:
    """J reads Greek and Bulgarian with mBART-50, which has no code for them."""
    with pytest.raises(BackboneError, match="does not know Greek"):
        load(str(checkpoint("mbart")), languages=("el",), head=CLASSES)
    backbone = load(str(checkpoint("mbart")), languages=("el",), head=CLASSES, allow_unknown=True)
    assert backbone.source([7], "el") == backbone.source([7], "en")
    assert backbone.source([7], "fr") != backbone.source([7], "en")
    with pytest.raises(BackboneError, match="does not know Greek"):
        load(str(checkpoint("mbart")), languages=("el",), allow_unknown=True)


def test_a_limit_without_room_is_an_error(headed: Load) -> None:
    with pytest.raises(BackboneError, match="here: no token of a pair fits into 3 tokens"):
        headed("bert").encode_source(example("a", "b"), 3)
