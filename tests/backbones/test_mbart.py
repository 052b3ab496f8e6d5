"""mBART-50: codes on both sides, beside the tokenizer's own encoding."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from xlgen.backbones.base import Backbone, BackboneError
from xlgen.backbones.loading import load
from xlgen.backbones.mbart import MBart50
from xlgen.decoding.decode import generate
from xlgen.decoding.settings import Decoding

TEXTS = {"en": "He came.", "ru": "Он пришёл в город.", "ar": "جاء إلى المدينة.", "th": "เขามา", "zh": "他来了。"}
CODES = {"en": "en_XX", "ru": "ru_RU", "ar": "ar_AR", "th": "th_TH", "zh": "zh_CN"}


@pytest.fixture
def backbone(backbone_of: Callable[[str], Backbone]) -> MBart50:
    found = backbone_of("mbart")
    assert isinstance(found, MBart50)
    return found


@pytest.mark.spread(8)
@pytest.mark.parametrize("source", TEXTS)
@pytest.mark.parametrize("target", TEXTS)
def test_source_and_target_are_the_tokenizers_own(
    backbone: MBart50, checkpoint: Callable[[str], Path], source: str, target: str
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(checkpoint("mbart"), src_lang=CODES[source], tgt_lang=CODES[target])
    expected = tokenizer(TEXTS[source], text_target=TEXTS[target])
    assert list(backbone.source(backbone.tokenize(TEXTS[source]), source)) == expected["input_ids"]
    assert list(backbone.target(backbone.tokenize(TEXTS[target]), target)) == expected["labels"]


def test_decoding_starts_with_the_end_and_the_code(backbone: MBart50) -> None:
    ids = backbone.tokenizer.convert_tokens_to_ids(["</s>", "fr_XX", "th_TH"])
    assert backbone.decoder_start(["fr", "th", "fr"]).tolist() == [ids[:2], [ids[0], ids[2]], ids[:2]]


def test_all_codes_are_known(backbone: MBart50) -> None:
    assert len(backbone.codes) == len(set(backbone.codes.values())) == 52  # the 50, and two more in the tokenizer
    assert backbone.tokenizer.unk_token_id not in backbone.codes.values()
    assert backbone.languages == tuple(backbone.codes)


def test_greek_is_unknown_and_the_error_lists_what_is_known(backbone: MBart50) -> None:
    with pytest.raises(BackboneError, match=r"does not know Greek \(el\); it knows") as caught:
        backbone.check_languages(["en", "el"])
    assert set(backbone.languages) <= set(str(caught.value).replace(",", "").split())


def test_codes_that_the_tokenizer_lacks_are_no_languages(backbone: MBart50) -> None:
    class Few:
        unk_token_id = 3

        def convert_tokens_to_ids(self, token: str) -> int:
            return {"fr_XX": 10, "en_XX": 11}.get(token, self.unk_token_id)

    assert type(backbone)(backbone.model, Few(), "few").codes == {"en": 11, "fr": 10}


def test_a_config_that_leaves_the_decoder_start_open(
    checkpoint: Callable[[str], Path], backbone_of: Callable[[str], Backbone], tmp_path: Path
) -> None:
    """MBartConfig's default is None."""
    shutil.copytree(checkpoint("mbart"), tmp_path / "open")
    for file in ("config.json", "generation_config.json"):
        path = tmp_path / "open" / file
        settings = json.loads(path.read_text(encoding="utf-8"))
        settings.pop("decoder_start_token_id", None)
        path.write_text(json.dumps(settings), encoding="utf-8")
    backbone = load(str(tmp_path / "open"))
    assert backbone.model.config.decoder_start_token_id is None
    assert backbone.decoder_start(["fr"])[0, 0] == backbone.tokenizer.eos_token_id
    source = backbone.source(backbone.tokenize("He came."), "en")
    told = backbone_of("mbart")
    found, expected = (generate(each, [source] * 2, ["fr", "th"], Decoding(8)) for each in (backbone, told))
    assert found == expected


def test_mbart_25_is_another_family(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    """It has the same model type but puts its codes last."""
    shutil.copytree(checkpoint("mbart"), tmp_path / "cc25")
    path = tmp_path / "cc25" / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**settings, "tokenizer_class": "MBartTokenizer"}), encoding="utf-8")
    with pytest.raises(BackboneError, match=r"'mbart' checkpoint \(tokenizer MBartTokenizer\)"):
        load(str(tmp_path / "cc25"))
