"""Exported checkpoints generate what the checkpoint does, opened by the software they are for."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from xlgen.adaptation.base import build_method
from xlgen.backbones import loading
from xlgen.cli import app
from xlgen.export.run import export
from xlgen.registry import InputError
from xlgen.training import checkpoints as store

Make = Callable[[str, dict[str, Any]], Path]


@pytest.fixture
def trained(tmp_path: Path, checkpoint: Callable[[str], Path]) -> Make:
    """A checkpoint of a run: a family and a method, whose weights have moved."""

    def make(family: str, config: dict[str, Any]) -> Path:
        name = str(checkpoint(family))
        backbone, method = loading.load(name), build_method(config)
        method.prepare(backbone)
        torch.manual_seed(0)
        with torch.no_grad():
            for parameter in backbone.model.parameters():
                if parameter.requires_grad:
                    parameter.add_(torch.randn_like(parameter) * 0.1)
        folder = tmp_path / "run" / "checkpoints" / "step-3"
        store.save_checkpoint(folder, backbone, method, store.About(3, name, config, "pocket-summaries", "."))
        return folder

    return make


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("family", ["mt5", "mbart", "nllb"])
@pytest.mark.parametrize("to", ["transformers", "ctranslate2"])
def test_the_exported_model_generates_the_same(
    trained: Make, tmp_path: Path, to: str, family: str, method: str
) -> None:
    if to == "ctranslate2":
        pytest.importorskip("ctranslate2")
    found = export(trained(family, {"method": method}), to, tmp_path / "out", examples=2)
    assert found.asked == 24
    # Sums in another order: where two tokens are near each other, one output in many may go on otherwise.
    assert found.equal >= (24 if to == "transformers" else 22)


def test_what_is_exported_to_transformers_needs_nothing_of_ours(trained: Make, tmp_path: Path) -> None:
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    folder = trained("mbart", {"method": "lora"})
    export(folder, "transformers", tmp_path / "out", examples=1)
    model = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "out").eval()
    backbone, _, _ = store.load_checkpoint(folder)
    ids = torch.tensor([backbone.source(backbone.pieces("สวัสดีชาวโลก"), "th")])
    start = backbone.decoder_start(["th"])
    with torch.no_grad():
        theirs = model(input_ids=ids, decoder_input_ids=start).logits
        ours = backbone.model(input_ids=ids, decoder_input_ids=start).logits
    assert torch.allclose(theirs, ours, atol=1e-5)
    assert AutoTokenizer.from_pretrained(tmp_path / "out").get_vocab() == backbone.tokenizer.get_vocab()
    assert json.loads((tmp_path / "out" / "config.json").read_text())["decoder_start_token_id"] is not None


@pytest.mark.parametrize(
    "config", [{"method": "lora"}, {"method": "ia3"}, {"method": "prefix", "num_virtual_tokens": 3}]
)
def test_what_is_exported_to_peft_is_opened_by_it(trained: Make, tmp_path: Path, config: dict[str, Any]) -> None:
    found = export(trained("mt5", config), "peft", tmp_path / "out", examples=1)
    assert found.equal == found.asked == 12


def test_peft_would_look_for_weights_that_were_drawn_at_random(trained: Make, tmp_path: Path) -> None:
    about = trained("mt5", {"method": "lora"}) / "checkpoint.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), "init": "random"}))
    with pytest.raises(InputError, match="drawn at random"):
        export(about.parent, "peft", tmp_path / "out", examples=1)
    assert not (tmp_path / "out").exists()


def test_int8_is_smaller(trained: Make, tmp_path: Path) -> None:
    pytest.importorskip("ctranslate2")
    folder = trained("nllb", {"method": "full"})
    sizes = []
    for name in (None, "int8"):
        export(folder, "ctranslate2", tmp_path / str(name), name, examples=1)
        sizes.append((tmp_path / str(name) / "model.bin").stat().st_size)
    assert sizes[1] < 0.6 * sizes[0]


@pytest.mark.parametrize(
    ("config", "options", "message"),
    [
        ({"method": "adapters"}, {"to": "transformers"}, "cannot be merged"),
        ({"method": "prompt", "num_virtual_tokens": 3}, {"to": "ctranslate2"}, "cannot be merged"),
        ({"method": "full"}, {"to": "peft"}, "not trained through peft"),
        ({"method": "full"}, {"to": "transformers", "quantization": "int8"}, "does not go with"),
        ({"method": "full"}, {"to": "ctranslate2", "quantization": "int5"}, "int5"),
        ({"method": "full"}, {"to": "onnx"}, "unknown export format"),
    ],
)
def test_what_cannot_be_exported_leaves_nothing(
    trained: Make, tmp_path: Path, config: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        export(trained("mt5", config), folder=tmp_path / "out", examples=1, **options)
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == []


def test_a_folder_that_is_there_is_left_alone(trained: Make, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(InputError, match="there already"):
        export(trained("mt5", {"method": "full"}), "transformers", tmp_path / "out")
    assert (tmp_path / "out" / "mine").read_text() == "mine"


def test_the_command(trained: Make, tmp_path: Path) -> None:
    folder = trained("nllb", {"method": "full"})
    words = ["export", str(folder), "--to", "transformers", "--out", str(tmp_path / "out"), "--examples", "1"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0
    assert "12 of 12 outputs are equal" in done.stdout
