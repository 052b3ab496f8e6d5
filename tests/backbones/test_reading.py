"""Checkpoints read in bf16, a tensor at a time, are what the library reads."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, GenerationConfig

from xlgen.backbones.base import BackboneError
from xlgen.backbones.loading import load

INDEX = "model.safetensors.index.json"


@pytest.fixture
def sharded(checkpoint: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a tiny checkpoint in several files, with settings of generation."""

    def make(name: str) -> Path:
        folder = tmp_path / name
        shutil.copytree(checkpoint(name), folder)
        (folder / "model.safetensors").unlink()
        model = AutoModelForSeq2SeqLM.from_pretrained(checkpoint(name))
        model.generation_config = GenerationConfig(num_beams=3, pad_token_id=0, eos_token_id=1)
        model.save_pretrained(folder, max_shard_size="100KB")
        assert (folder / INDEX).exists() and len(list(folder.glob("*.safetensors"))) > 1
        return folder

    return make


@pytest.mark.spread(1)
@pytest.mark.parametrize("name", ["mt5", "umt5", "mbart", "nllb"])
def test_one_file_or_several(checkpoint: Callable[[str], Path], sharded: Callable[[str], Path], name: str) -> None:
    for folder in (checkpoint(name), sharded(name)):
        theirs = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.bfloat16)
        ours = load(str(folder), weights="bf16").model
        assert ours.dtype == torch.bfloat16
        assert not ours.training
        assert ours.generation_config.to_dict() == theirs.generation_config.to_dict()
        wanted = theirs.state_dict()
        assert ours.state_dict().keys() == wanted.keys()
        for key, tensor in ours.state_dict().items():
            assert torch.equal(tensor, wanted[key]), key


@pytest.mark.spread(3)
@pytest.mark.parametrize("weights", ["fp32", "bf16"])
@pytest.mark.parametrize("content", ["{}", "[]", '{"weight_map": 3}', '{"weight_map":', '{"weight_map": ["a"]}'])
def test_a_damaged_index(sharded: Callable[[str], Path], content: str, weights: str) -> None:
    folder = sharded("mt5")
    (folder / INDEX).write_text(content, encoding="utf-8")
    with pytest.raises(BackboneError, match=r"index\.json"):
        load(str(folder), weights=weights)


@pytest.mark.spread(1)
@pytest.mark.parametrize("weights", ["fp32", "bf16"])
def test_an_index_that_names_a_file_which_is_not_there(sharded: Callable[[str], Path], weights: str) -> None:
    folder = sharded("mt5")
    index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    lost = sorted(set(index["weight_map"].values()))[-1]
    (folder / lost).unlink()
    with pytest.raises(BackboneError, match=lost):
        load(str(folder), weights=weights)
