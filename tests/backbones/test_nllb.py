"""NLLB-200: FLORES codes on both sides, beside the tokenizer's own encoding."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from xlgen.backbones.base import Backbone, BackboneError
from xlgen.backbones.loading import load
from xlgen.backbones.nllb import Nllb

TEXTS = {"en": "He came.", "ru": "Он пришёл в город.", "ar": "جاء إلى المدينة.", "th": "เขามา", "zh": "他来了。"}
CODES = {"en": "eng_Latn", "ru": "rus_Cyrl", "ar": "arb_Arab", "th": "tha_Thai", "zh": "zho_Hans"}


@pytest.fixture
def backbone(backbone_of: Callable[[str], Backbone]) -> Nllb:
    found = backbone_of("nllb")
    assert isinstance(found, Nllb)
    return found


@pytest.mark.spread(8)
@pytest.mark.parametrize("source", TEXTS)
@pytest.mark.parametrize("target", TEXTS)
def test_source_and_target_are_the_tokenizers_own(
    backbone: Nllb, checkpoint: Callable[[str], Path], source: str, target: str
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(
        checkpoint("nllb"), src_lang=CODES[source], tgt_lang=CODES[target], legacy_behaviour=False
    )
    expected = tokenizer(TEXTS[source], text_target=TEXTS[target])
    assert list(backbone.source(backbone.tokenize(TEXTS[source]), source)) == expected["input_ids"]
    assert list(backbone.target(backbone.tokenize(TEXTS[target]), target)) == expected["labels"]


def test_the_code_stays_first_where_a_tokenizer_puts_it_last(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    """The published tokenizers may ask for the old layout, ``X </s> code``."""
    shutil.copytree(checkpoint("nllb"), tmp_path / "legacy")
    path = tmp_path / "legacy" / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**settings, "legacy_behaviour": True}), encoding="utf-8")
    backbone = load(str(tmp_path / "legacy"))
    code, end = backbone.tokenizer.convert_tokens_to_ids(["fra_Latn", "</s>"])
    pieces = backbone.tokenize("He came.")
    assert backbone.source(pieces, "fr") == backbone.target(pieces, "fr") == (code, *pieces, end)


def test_decoding_starts_with_the_end_and_the_code(backbone: Nllb) -> None:
    ids = backbone.tokenizer.convert_tokens_to_ids(["</s>", "fra_Latn", "tha_Thai"])
    assert backbone.decoder_start(["fr", "th", "fr"]).tolist() == [ids[:2], [ids[0], ids[2]], ids[:2]]


def test_all_codes_are_known(backbone: Nllb) -> None:
    assert len(backbone.codes) == len(set(backbone.codes.values())) == 202
    assert backbone.tokenizer.unk_token_id not in backbone.codes.values()
    assert backbone.codes["el"] == backbone.tokenizer.convert_tokens_to_ids("ell_Grek")


def test_another_m2m_100_is_another_family(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    shutil.copytree(checkpoint("nllb"), tmp_path / "m2m")
    path = tmp_path / "m2m" / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**settings, "tokenizer_class": "M2M100Tokenizer"}), encoding="utf-8")
    with pytest.raises(BackboneError, match=r"'m2m_100' checkpoint \(tokenizer M2M100Tokenizer\)"):
        load(str(tmp_path / "m2m"))
