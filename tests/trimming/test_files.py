"""What a trimmed folder holds: tensors byte for byte, in the precision, the files and the form of the whole model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import torch
from safetensors import safe_open
from torch import Tensor
from transformers import MT5Config

import hub_layout
from trimming import models
from trimming.models import KINDS, Read
from xlgen.backbones.finding import embedded
from xlgen.backbones.loading import load
from xlgen.backbones.trimming.record import from_ranges, ranges, read_record
from xlgen.backbones.trimming.source import open_source
from xlgen.core.registry import InputError


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def tensors(folder: Path) -> dict[str, Tensor]:
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            found |= {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is not a mapping
    return found


def kept_of(folder: Path) -> list[int]:
    record = read_record(str(folder))
    assert record is not None
    return list(record.kept)


@pytest.mark.keep("mt5", "byte-bpe")
def test_rows_are_selected_and_other_tensors_are_the_same(
    kind: str, whole_model: Callable[[str], Path], trimmed_model: Callable[[str], Path]
) -> None:
    before, after, kept = tensors(whole_model(kind)), tensors(trimmed_model(kind)), kept_of(trimmed_model(kind))
    rows = json.loads((whole_model(kind) / "config.json").read_text())["vocab_size"]
    assert list(after) == list(before)
    sliced = []
    for name, tensor in before.items():
        assert after[name].dtype == tensor.dtype
        if rows in tensor.shape:
            sliced.append(name)
            expected = tensor[kept] if tensor.shape[0] == rows else tensor[:, kept]
        else:
            expected = tensor
        assert torch.equal(after[name].view(torch.uint8), expected.contiguous().view(torch.uint8)), name
    assert len(sliced) == {"mt5": 2, "mbart": 2, "xlm-r": 2, "wordpiece": 2, "byte-fallback-bpe": 2}.get(kind, 1), (
        sliced
    )


def test_shards_stay_shards(whole_model: Callable[[str], Path], trimmed_model: Callable[[str], Path]) -> None:
    index = "model.safetensors.index.json"
    before, after = (json.loads((find("byte-bpe") / index).read_text()) for find in (whole_model, trimmed_model))
    assert after["weight_map"] == before["weight_map"]
    sizes = {
        name: tensor.numel() * tensor.element_size() for name, tensor in tensors(trimmed_model("byte-bpe")).items()
    }
    assert after["metadata"]["total_size"] == sum(sizes.values()) < before["metadata"]["total_size"]


def test_output_matrix_of_mt5_stays_separate(trimmed_model: Callable[[str], Path]) -> None:
    model = Read(trimmed_model("mt5")).model
    assert not torch.equal(model.lm_head.weight, model.shared.weight)
    assert torch.equal(load(str(trimmed_model("mt5"))).model.lm_head.weight, model.lm_head.weight)


@pytest.mark.keep("mt5", "nllb")
@pytest.mark.parametrize("name", hub_layout.NAMES)
def test_sentencepiece_file_reads_texts_as_before(
    name: str, whole_model: Callable[[str], Path], trimmed_model: Callable[[str], Path]
) -> None:
    """With the SentencePiece library itself, as users of CTranslate2 do."""
    before, after = (
        sentencepiece.SentencePieceProcessor(model_file=str(find(name) / hub_layout.FILES[name]))
        for find in (whole_model, trimmed_model)
    )
    known = {after.id_to_piece(index) for index in range(len(after))}
    words = sorted({word for texts in hub_layout.texts(models.UNSEEN).values() for t in texts for word in t.split(" ")})
    pieces = [before.encode(word, out_type=str) for word in words]
    checked = [place for place, found in enumerate(pieces) if set(found) <= known]
    assert len(checked) > 500
    for place in checked:
        assert after.encode(words[place], out_type=str) == pieces[place], words[place]


def test_size_of_the_vocabulary_may_be_in_the_config_class_only(tmp_path: Path) -> None:
    """As in the published Gemma 3. A second vocabulary, as in Gemma 3n, is refused."""
    folder = shutil.copytree(embedded()["pocket-mt5"], tmp_path / "model")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    del config["vocab_size"]
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    source = open_source(str(folder))
    assert source.rows == source.config["vocab_size"] == MT5Config().vocab_size
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size_per_layer_input": 9}), encoding="utf-8")
    with pytest.raises(InputError, match="vocab_size_per_layer_input in its config, a second vocabulary"):
        open_source(str(folder))


@pytest.mark.parametrize("ids", [[0], [0, 1, 2, 7, 9, 10], list(range(5, 400, 3))])
def test_ranges_are_read_as_written(ids: list[int]) -> None:
    assert from_ranges(ranges(ids)) == ids


@pytest.mark.parametrize("text", ["", "a", "3-1", "5,4", "1-3,3", "-2", "1,,2", "0-99999999"])
def test_wrong_ranges_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_ranges(text)


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", ["mt5", "mbart", "nllb", "byte-fallback-bpe"])
def test_ctranslate2_converts_and_generates(
    kind: str, whole_model: Callable[[str], Path], trimmed_model: Callable[[str], Path], tmp_path: Path
) -> None:
    ctranslate2 = pytest.importorskip("ctranslate2")
    folder = trimmed_model(kind)
    read = Read(folder)
    ctranslate2.converters.TransformersConverter(str(folder)).convert(str(tmp_path / "converted"))
    tokens = read.tokenizer.convert_ids_to_tokens(read.ids(["Hello and welcome"])[0])
    if kind == "byte-fallback-bpe":
        generator: Any = ctranslate2.Generator(str(tmp_path / "converted"))
        found = generator.generate_batch([tokens], max_length=8, include_prompt_in_result=False)[0].sequences_ids[0]
        ids = read.model.generate(torch.tensor([read.ids(["Hello and welcome"])[0]]), max_new_tokens=8, do_sample=False)
        assert ids[0].tolist()[len(tokens) :][: len(found)] == found
        return
    translator: Any = ctranslate2.Translator(str(tmp_path / "converted"))
    if kind == "mt5":  # the converter believes the tie that transformers forces, so that outputs differ
        assert translator.translate_batch([tokens], max_decoding_length=8)[0].hypotheses
        return
    code = {"mbart": "de_DE", "nllb": "deu_Latn"}[kind]
    found = translator.translate_batch([tokens], target_prefix=[[code]], beam_size=1, max_decoding_length=8)
    ids = read.model.generate(
        torch.tensor(read.ids(["Hello and welcome"])),
        forced_bos_token_id=read.tokenizer.convert_tokens_to_ids(code),
        max_new_tokens=10,  # mBART's config forces the end of the sentence at the last one
        num_beams=1,
    )
    expected = read.tokenizer.convert_ids_to_tokens(ids[0])
    assert expected[1 : 1 + len(found[0].hypotheses[0])] == found[0].hypotheses[0]


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", ["mt5", "nllb", "byte-bpe"])
def test_peft_trains_and_loads(kind: str, trimmed_model: Callable[[str], Path], tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    read = Read(trimmed_model(kind))
    targets = {"mt5": ["q", "v"]}.get(kind, ["q_proj", "v_proj"])
    model = peft.get_peft_model(read.model, peft.LoraConfig(target_modules=targets, init_lora_weights=False))
    ids = torch.tensor(read.ids(["Hello and welcome"]))
    given = {"input_ids": ids, "labels": ids}
    expected = model.eval()(**given).loss
    model.save_pretrained(tmp_path)
    again = peft.PeftModel.from_pretrained(Read(trimmed_model(kind)).model, tmp_path).eval()
    torch.testing.assert_close(again(**given).loss, expected)
