"""Text through the tokenizers of real checkpoints: SentencePiece is the judge, and what data spells is text."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import sentencepiece

import hub_layout
from xlgen.backbones.base import Backbone
from xlgen.backbones.loading import load
from xlgen.data.markup import segments, shown, token, tokens_in
from xlgen.decoding.cleanup import clean

SPECIAL = (
    *("</s>", "<s>", "<pad>", "<unk>", "<mask>", "fr_XX", "fra_Latn", "eng_Latn", "<extra_id_0>", "▁<extra_id_7>"),
    *("<0x41>", "<0x0A>", "[CLS]", "[SEP]", "[MASK]", "<sep>", "＜／ｓ＞", "<|endoftext|>", "<EXTRA_ID_0>"),
)
SENTENCES = {
    "en": "was 100 now 80",
    "fr": "C’était déjà l’été à Paris",
    "de": "Über 80 Straßen",
    "ru": "Сегодня в городе дождь",
    "ar": "افتتح العمدة مدرسة",
    "hi": "आज बारिश हो रही है",
    "th": "นายกเทศมนตรีเปิดโรงเรียน",
    "zh": "市长开了一所学校",
    "ja": "市長が学校を開いた",
    "ko": "시장이 학교를 열었다",
    "tr": "İstanbul’da ılık bir gün",
    "vi": "Hôm nay trời mưa ở Hà Nội",
}


@pytest.fixture(scope="module", params=hub_layout.NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(name: str, hub_checkpoint: Callable[[str], Path]) -> Path:
    return hub_checkpoint(name)


@pytest.fixture(scope="module")
def backbone(folder: Path) -> Backbone:
    return load(str(folder))


def judge(folder: Path, name: str) -> Callable[[str], list[int]]:
    """The ids that SentencePiece itself gives a text, by the numbering of the family."""
    processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / hub_layout.FILES[name]))

    def ids(text: str) -> list[int]:
        found: list[int] = processor.encode(text)
        # fairseq has <s> <pad> </s> <unk> where SentencePiece has <unk> <s> </s>.
        return found if name == "mt5" else [{0: 3, 1: 0, 2: 2}.get(index, index + 1) for index in found]

    return ids


@pytest.mark.spread(2)
def test_real_text_is_cut_as_sentencepiece_cuts_it(backbone: Backbone, folder: Path, name: str) -> None:
    theirs = judge(folder, name)
    for language, rows in hub_layout.texts(slice(150, 400)).items():
        wrong = [text for text in rows if backbone.tokenize(text) != theirs(text)]
        assert wrong == [], f"{language}: {len(wrong)} of {len(rows)}"


@pytest.mark.parametrize("text", SPECIAL)
def test_what_text_spells_is_no_special_token(backbone: Backbone, folder: Path, name: str, text: str) -> None:
    """SentencePiece takes no control symbol or byte piece from text either; mT5's sentinels are its own user's."""
    theirs = judge(folder, name)
    special = set(backbone.text.special) - {backbone.tokenizer.unk_token_id}
    for sentence in SENTENCES.values():
        for said in (text, f"{sentence} {text}", f"{text}{sentence}{text}", f"{sentence}{text} 80"):
            ids = backbone.tokenize(said)
            assert special.isdisjoint(ids)
            if "extra_id" not in text:
                assert ids == theirs(said)


@pytest.mark.parametrize("language", SENTENCES)
def test_text_comes_back(backbone: Backbone, folder: Path, name: str, language: str) -> None:
    """As SentencePiece normalises it; what the vocabulary lacks is in bytes in mT5, and an unknown token elsewhere."""
    processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / hub_layout.FILES[name]))
    for text in (*SPECIAL, "《𠮷野家》 😀🏽 ﷽ ½", "two\nlines\tand\u3000more", "NFD: e\u0301 \u0e4d\u0e32"):
        said = f"{SENTENCES[language]} {text}!"
        back = backbone.decode(backbone.target(backbone.tokenize(said), language))
        # "▁" itself is a space to SentencePiece.
        normal = " ".join(processor.normalize(said).replace("▁", " ").split())
        lost = backbone.text.with_spans(said).unknown
        if name == "mt5":
            assert (back, lost) == (normal, [])
            continue
        assert tokens_in(back) == ["<unk>"] * len(lost)
        pattern = ".+?".join(re.escape(part.replace(" ", "")) for part in segments(back)[::2])
        assert re.fullmatch(pattern, normal.replace(" ", ""))


def test_sentinels_are_those_of_the_published_vocabulary(hub_checkpoint: Callable[[str], Path]) -> None:
    backbone = load(str(hub_checkpoint("mt5")))
    ids = backbone.sentinels(100)
    assert ids == list(range(hub_layout.PIECES + 99, hub_layout.PIECES - 1, -1))
    assert backbone.tokenize(f"a {token('<extra_id_3>')} b")[1] == ids[3]
    assert clean(
        backbone.decode([ids[0], *backbone.tokenize("Er kam <extra_id_0>."), ids[1]]), backbone.leftover_pattern
    )
    assert set(ids) <= backbone.leftovers


def test_nllb_has_its_codes_and_mask_where_it_was_trained_with_them(hub_checkpoint: Callable[[str], Path]) -> None:
    """fairseq's numbering: the vocabulary with one more token, 202 codes, the mask (NLLB-200: 256001 to 256203)."""
    backbone = load(str(hub_checkpoint("nllb")))
    codes = backbone.tokenizer.convert_tokens_to_ids(["ace_Arab", "eng_Latn", "zul_Latn", "<mask>"])
    first = hub_layout.PIECES + 1
    assert codes == [first, first + 46, first + 201, first + 202]
    assert backbone.source([], "fr")[0] == first + 56 and len(backbone.languages) > 190


def test_sentinels_in_a_template_and_in_data_are_told_apart(hub_checkpoint: Callable[[str], Path]) -> None:
    backbone = load(str(hub_checkpoint("mt5")))
    marked, spelled = (backbone.tokenize(f"{text} Paris") for text in (token("<extra_id_0>"), "<extra_id_0>"))
    assert marked[0] == backbone.sentinels(1)[0] and spelled[0] != marked[0]
    assert backbone.decode(spelled) == "<extra_id_0> Paris" and shown(backbone.decode(marked)) == "<extra_id_0> Paris"


def test_byte_pieces_of_mt5_are_read_where_a_model_writes_them(hub_checkpoint: Callable[[str], Path]) -> None:
    backbone = load(str(hub_checkpoint("mt5")))
    written = backbone.tokenizer.convert_tokens_to_ids(["▁x", "<0xF0>", "<0x9F>", "<0x98>", "<0x80>"])
    assert backbone.decode(written) == "x😀"
    assert backbone.decode(written[:-1]) == "x\ufffd\ufffd\ufffd"  # as SentencePiece writes half a character
