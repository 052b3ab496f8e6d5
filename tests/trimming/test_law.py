"""On text whose tokens are all kept, tokens, logits over kept tokens and outputs are equal, with transformers alone."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import hub_layout
from trimming import models
from trimming.models import KINDS, LANGUAGES, Read
from xlgen.backbones.trimming.record import read_record
from xlgen.backbones.trimming.source import open_source
from xlgen.backbones.trimming.trim import check_same_tokens, write_trimmed

Places = dict[int, int]
"""The new ids by the old ones."""


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def whole(kind: str, whole_model: Callable[[str], Path]) -> Path:
    return whole_model(kind)


@pytest.fixture(scope="module")
def folder(kind: str, trimmed_model: Callable[[str], Path]) -> Path:
    return trimmed_model(kind)


@pytest.fixture(scope="module")
def kept(folder: Path) -> tuple[int, ...]:
    record = read_record(str(folder))
    assert record is not None
    return record.kept


@pytest.fixture(scope="module")
def before(kind: str, whole: Path) -> Read:
    return Read(whole, repair=kind == "nllb")


@pytest.fixture(scope="module")
def after(folder: Path) -> Read:
    return Read(folder)


@pytest.fixture(scope="module")
def places(kept: tuple[int, ...]) -> Places:
    return {old: new for new, old in enumerate(kept)}


def new_ids(ids: list[int], places: Places) -> list[int] | None:
    """The ids in the trimmed vocabulary; None if one is not kept."""
    return [places[index] for index in ids] if all(index in places for index in ids) else None


def parts_of(sentences: list[str]) -> list[str]:
    """Sentences, their words, and short parts of them, since some scripts have no spaces."""
    parts = [part for text in sentences for part in (text, *text.split(" "))]
    parts += [text[first : first + 6] for text in sentences for first in range(0, len(text), 6)]
    return list(dict.fromkeys(parts))


@pytest.mark.keep("mt5", "nllb", "byte-bpe")
def test_texts_of_kept_tokens_have_the_same_tokens(before: Read, after: Read, places: Places) -> None:
    assert len(after.tokenizer) == len(places) < len(before.tokenizer) / 1.2
    checked = {}
    for code, sentences in hub_layout.texts(models.UNSEEN).items():
        # Whole sentences of other languages are not made of kept tokens.
        texts = parts_of(sentences) if code in LANGUAGES else sentences
        whole_ids, trimmed_ids = before.ids(texts), after.ids(texts)
        expected = [new_ids(ids, places) for ids in whole_ids]
        found = [place for place, ids in enumerate(expected) if ids is not None]
        assert [trimmed_ids[place] for place in found] == [expected[place] for place in found]
        decoded = after.tokenizer.batch_decode([trimmed_ids[place] for place in found], skip_special_tokens=True)
        assert decoded == before.tokenizer.batch_decode([whole_ids[place] for place in found], skip_special_tokens=True)
        checked[code] = len(found)
    assert min(checked[code] for code in LANGUAGES) >= 10, checked


@pytest.mark.keep("mt5", "nllb", "byte-bpe")
def test_special_tokens_keep_their_text_and_roles(kind: str, before: Read, after: Read, kept: tuple[int, ...]) -> None:
    _compare_special(kind, before.tokenizer, after.tokenizer, kept)


def _compare_special(kind: str, before: Any, after: Any, kept: tuple[int, ...]) -> None:
    assert after.all_special_tokens == before.all_special_tokens
    assert [kept[index] for index in after.all_special_ids] == list(before.all_special_ids)
    for token in (*before.get_added_vocab(), *(f"▁<extra_id_{index}>" for index in range(100) if kind == "mt5")):
        assert kept[after.convert_tokens_to_ids(token)] == before.convert_tokens_to_ids(token)
    if kind in ("mbart", "nllb"):
        code = {"mbart": "fr_XX", "nllb": "fra_Latn"}[kind]
        before.src_lang = after.src_lang = code
        ids = after("Bonjour")["input_ids"]
        assert after.convert_ids_to_tokens(ids[0]) == code
        assert [kept[index] for index in ids] == before("Bonjour")["input_ids"]


@pytest.mark.keep("mt5", "nllb", "byte-bpe")
def test_ids_in_configs_follow(before: Read, after: Read, places: Places) -> None:
    old_model, new_model = before.model, after.model
    pairs = [(old_model.config, new_model.config)]
    pairs += [(old_model.generation_config, new_model.generation_config)] if old_model.can_generate() else []
    for old, new in pairs:
        named = [key for key in vars(old) if key.endswith("_token_id") and getattr(old, key) is not None]
        assert named
        for key in named:
            expected = getattr(old, key)
            found = getattr(new, key)
            assert (found if isinstance(found, list) else [found]) == new_ids(
                expected if isinstance(expected, list) else [expected], places
            ), key
    assert new_model.config.vocab_size == len(places)


@pytest.fixture(scope="module")
def inputs(before: Read, places: Places) -> list[tuple[list[int], list[int]]]:
    """Ids of a text of kept tokens in each language, of the whole and of the trimmed model."""
    found, sentences = [], hub_layout.texts(models.UNSEEN)
    for code in LANGUAGES:
        pairs = ((ids, new_ids(ids, places)) for ids in before.ids(parts_of(sentences[code])))
        found.append(
            max(((old[:40], new[:40]) for old, new in pairs if new is not None), key=lambda pair: len(pair[0]))
        )
    return found


@pytest.mark.keep("mt5", "nllb", "byte-bpe")
def test_logits_over_kept_tokens_are_equal(
    before: Read, after: Read, kept: tuple[int, ...], inputs: list[tuple[list[int], list[int]]]
) -> None:
    for old, new in inputs:
        with torch.no_grad():
            expected, found = (_logits(read.model, ids) for read, ids in ((before, old), (after, new)))
        torch.testing.assert_close(found, expected[..., list(kept)], rtol=0, atol=1e-5)


def _logits(model: Any, ids: list[int]) -> Tensor:
    given = {"input_ids": torch.tensor([ids])}
    if model.config.is_encoder_decoder:
        given["decoder_input_ids"] = torch.tensor([ids])
    logits: Tensor = model(**given).logits
    return logits


@pytest.mark.keep("mt5-4")
@pytest.mark.parametrize("beams", [1, 4])
def test_generated_ids_are_equal(
    before: Read, after: Read, kept: tuple[int, ...], inputs: list[tuple[list[int], list[int]]], beams: int
) -> None:
    """The whole model must not choose dropped tokens, as a random one does."""
    if not before.model.can_generate():
        pytest.skip("an encoder generates nothing")
    dropped = sorted(set(range(before.model.config.vocab_size)) - set(kept))
    options = {"num_beams": beams, "max_new_tokens": 8, "renormalize_logits": True}
    for old, new in inputs:
        expected = before.model.generate(torch.tensor([old]), suppress_tokens=dropped, **options)[0].tolist()
        found = after.model.generate(torch.tensor([new]), **options)[0].tolist()
        assert [kept[index] for index in found] == expected


@pytest.mark.keep("mt5-0", "nllb-1")
@pytest.mark.parametrize("seed", range(3))
def test_law_holds_for_any_choice_of_tokens(kind: str, whole: Path, tmp_path: Path, seed: int) -> None:
    """Random tokens with what they entail, not frequent ones."""
    source, random_ = open_source(str(whole)), random.Random(seed)
    vocabulary = source.vocabulary
    chosen = random_.sample(sorted(vocabulary.names), 1_500)
    needed = vocabulary.required() | source.config_ids
    kept = sorted({each for index in (*needed, *chosen) for each in vocabulary.closure(index)})
    (tmp_path / "trimmed").mkdir()
    write_trimmed(source, kept, tmp_path / "trimmed")
    texts = [text for found in hub_layout.texts(models.UNSEEN).values() for text in found]
    words = sorted({word for text in texts for word in text.split(" ")})
    ids = source.tokenize(words)
    assert sum(set(each) <= set(kept) for each in ids) > 100
    check_same_tokens(source, kept, Read(tmp_path / "trimmed").tokenizer, words)
