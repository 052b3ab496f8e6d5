"""Exported models have the outputs of the checkpoint in the software that they are for."""

import json
import subprocess
import sys
from collections.abc import Callable
from itertools import cycle, product
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM
from typer.testing import CliRunner

from older import forget_digests
from xlgen.adaptation import checkpoints as store
from xlgen.cli import app
from xlgen.core.registry import InputError
from xlgen.data.markup import without_tokens
from xlgen.decoding.decode import hypotheses
from xlgen.decoding.settings import Decoding
from xlgen.evaluation.export.run import export
from xlgen.pocket.world import LANGUAGES as CODES

Make = Callable[[str, dict[str, Any]], Path]


@pytest.mark.spread(2)
@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("family", ["mt5", "mbart", "nllb"])
@pytest.mark.parametrize("to", ["transformers", "ctranslate2"])
def test_the_exported_model_generates_the_same(
    trained: Make, tmp_path: Path, to: str, family: str, method: str
) -> None:
    if to == "ctranslate2":
        pytest.importorskip("ctranslate2")
    found = export(trained(family, {"method": method}), to, tmp_path / "out", examples=2)
    assert found.compared == 24
    # Sums in another order: where two tokens are near each other, one output in many may go on otherwise.
    assert min(found.equal, found.equal_with_beams) >= (24 if to == "transformers" else 22)
    # mT5's logits times d_model^-0.5, as CTranslate2's converter has them, are off by 2.
    assert found.score_difference < (1e-4 if to == "transformers" else 0.02)
    assert torch.get_num_threads() == 1, "an export leaves PyTorch's threads as they were"


ADAPTED = {
    "houlsby": {"method": "adapters", "bottleneck_dim": 5},
    "bapna": {"method": "adapters", "bottleneck_dim": 5, "placement": "bapna"},
    "parallel": {"method": "adapters", "bottleneck_dim": 5, "placement": "parallel"},
    "prompt": {"method": "prompt", "num_virtual_tokens": 3},
    "after-code": {"method": "prompt", "num_virtual_tokens": 3, "place": "after_code"},
    "factorized": {"method": "factorized", "num_language_tokens": 2, "num_task_tokens": 3},
    "one-language": {"method": "factorized", "num_language_tokens": 2, "keep_source_language": True},
    "madx": {"method": "madx", "language_bottleneck_dim": 4, "learn": "task", "languages": list(CODES)},
}


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("name", "family"),
    [
        *product(["houlsby"], ["mt5", "mbart", "nllb"]),
        *zip(list(ADAPTED)[1:], cycle(["nllb", "mt5", "mbart"]), strict=False),
    ],
)
def test_what_cannot_be_merged_comes_with_a_module(trained: Make, tmp_path: Path, name: str, family: str) -> None:
    found = export(trained(family, ADAPTED[name]), "transformers", tmp_path / "out", examples=1)
    assert (found.compared, found.equal, found.equal_with_beams) == (12, 12, 12)
    assert found.score_difference < 1e-4
    with pytest.raises(ValueError, match="Unrecognized model"):  # nobody opens the pretrained model for the adapted one
        AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "out")


@pytest.mark.exhaustive
def test_the_module_needs_nothing_of_ours_and_mixes_languages(trained: Make, tmp_path: Path) -> None:
    """Beams of a batch in three languages, each with its own modules, in a process without xlgen."""
    checkpoint = trained("mbart", ADAPTED["factorized"])
    export(checkpoint, "transformers", tmp_path / "out", examples=1)
    backbone, method, _ = store.load_checkpoint(checkpoint)
    wanted = []
    texts, codes = ("Il pleut.", "ฝนตก", "It rains."), ("fr", "th", "en")
    for text, code in zip(texts, codes, strict=True):
        method.set_language(backbone, code)
        source = backbone.source(backbone.tokenize(text), code)
        wanted.append(hypotheses(backbone, [source], [code], Decoding(9, 3))[0][0].text)
    script = tmp_path / "use.py"
    script.write_text(
        f"""
import sys
sys.modules["xlgen"] = None
sys.path.insert(0, {str(tmp_path / "out")!r})
from xlgen_adapted import load, set_language
import torch
model, tokenizer = load({str(tmp_path / "out")!r})
codes = ["fr_XX", "th_TH", "en_XX"]
rows = []
for code, text in zip(codes, {texts!r}):
    tokenizer.src_lang = code
    rows.append(tokenizer(text)["input_ids"])
width = max(map(len, rows))
ids = torch.tensor([row + [tokenizer.pad_token_id] * (width - len(row)) for row in rows])
start = torch.tensor([[tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids(code)] for code in codes])
set_language(model, {list(codes)!r})
found = model.generate(
    input_ids=ids, attention_mask=(ids != tokenizer.pad_token_id).long(), decoder_input_ids=start,
    max_new_tokens=9, num_beams=3, length_penalty=0.6, forced_eos_token_id=None,
)
print("\\n".join(text.strip() for text in tokenizer.batch_decode(found, skip_special_tokens=True)))
""",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert [line.strip() for line in done.stdout.splitlines()] == [without_tokens(text) for text in wanted]


@pytest.mark.exhaustive
def test_what_is_exported_to_transformers_needs_nothing_of_ours(trained: Make, tmp_path: Path) -> None:
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    folder = trained("mbart", {"method": "lora"})
    export(folder, "transformers", tmp_path / "out", examples=1)
    model = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "out").eval()
    backbone, _, _ = store.load_checkpoint(folder)
    ids = torch.tensor([backbone.source(backbone.tokenize("สวัสดีชาวโลก"), "th")])
    start = backbone.decoder_start(["th"])
    with torch.no_grad():
        theirs = model(input_ids=ids, decoder_input_ids=start).logits
        ours = backbone.model(input_ids=ids, decoder_input_ids=start).logits
    assert torch.allclose(theirs, ours, atol=1e-5)
    assert AutoTokenizer.from_pretrained(tmp_path / "out").get_vocab() == backbone.tokenizer.get_vocab()
    assert json.loads((tmp_path / "out" / "config.json").read_text())["decoder_start_token_id"] is not None


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "config", [{"method": "lora"}, {"method": "ia3"}, {"method": "prefix", "num_virtual_tokens": 3}]
)
def test_what_is_exported_to_peft_is_opened_by_it(trained: Make, tmp_path: Path, config: dict[str, Any]) -> None:
    found = export(trained("mt5", config), "peft", tmp_path / "out", examples=1)
    assert found.equal == found.compared == 12


@pytest.mark.exhaustive
def test_export_to_peft_refuses_random_base_weights(trained: Make, tmp_path: Path) -> None:
    about = trained("mt5", {"method": "lora"}) / "checkpoint.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), "init": "random"}))
    forget_digests(about.parent)
    with pytest.raises(InputError, match="starts from random weights"):
        export(about.parent, "peft", tmp_path / "out", examples=1)
    assert not (tmp_path / "out").exists()


@pytest.mark.exhaustive
def test_int8_is_smaller(trained: Make, tmp_path: Path) -> None:
    pytest.importorskip("ctranslate2")
    folder = trained("nllb", {"method": "full"})
    sizes = []
    for name in (None, "int8"):
        export(folder, "ctranslate2", tmp_path / str(name), name, examples=1)
        sizes.append((tmp_path / str(name) / "model.bin").stat().st_size)
    assert sizes[1] < 0.6 * sizes[0]


@pytest.mark.spread(1)
@pytest.mark.parametrize(
    ("config", "options", "message"),
    [
        ({"method": "prefix", "num_virtual_tokens": 3}, {"to": "transformers"}, "export it to peft"),
        (
            {"method": "prompt", "num_virtual_tokens": 3},
            {"to": "ctranslate2"},
            r"The methods .*full.*lora.*export this one to tr",
        ),
        ({"method": "full"}, {"to": "peft"}, "not trained through peft"),
        ({"method": "full"}, {"to": "transformers", "quantization": "int8"}, "has no `quantization`"),
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
    words = ["export", str(folder), "--to", "transformers", "--out", str(tmp_path / "out"), "--max-examples", "1"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0
    assert "12 of 12 outputs are equal greedily, 12 of 12 with 4 beams" in done.stdout
