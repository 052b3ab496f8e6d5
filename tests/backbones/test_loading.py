"""What is refused, when, and in which words."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from xlgen.backbones import loading
from xlgen.backbones.base import Backbone, BackboneError
from xlgen.backbones.heads import HeadSpec
from xlgen.backbones.loading import embedded, family_of, load, resolve

Checkpoint = Callable[[str], Path]


@pytest.fixture
def copy(checkpoint: Checkpoint, tmp_path: Path) -> Checkpoint:
    """A copy of a tiny checkpoint that may be broken."""
    return lambda name: Path(shutil.copytree(checkpoint(name), tmp_path / name))


@pytest.fixture
def no_weights(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail as soon as weights are read or made; those of the checkpoints are there by then."""
    from transformers import AutoModelForSeq2SeqLM

    for name in ("mt5", "umt5", "mbart", "nllb"):
        checkpoint(name)

    def fail(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("weights were touched")

    monkeypatch.setattr(AutoModelForSeq2SeqLM, "from_pretrained", fail)
    monkeypatch.setattr(AutoModelForSeq2SeqLM, "from_config", fail)


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


@pytest.mark.parametrize("init", ["pretrained", "random"])
def test_an_unknown_language_is_refused_before_weights(checkpoint: Checkpoint, no_weights: None, init: str) -> None:
    with pytest.raises(BackboneError, match=r"does not know Greek \(el\); it knows .*\bfr\b"):
        load(str(checkpoint("mbart")), languages=("fr", "el"), init=init)


@pytest.mark.parametrize("init", ["pretrained", "random"])
def test_fp16_is_refused_before_weights(checkpoint: Checkpoint, no_weights: None, init: str) -> None:
    with pytest.raises(BackboneError, match="overflow in fp16"):
        load(str(checkpoint("mt5")), precision="fp16", init=init)


def test_what_is_known_gets_as_far_as_the_weights(checkpoint: Checkpoint, no_weights: None) -> None:
    """So the guard of the two tests above works."""
    with pytest.raises(BackboneError, match="AssertionError: weights were touched"):
        load(str(checkpoint("mbart")), languages=("fr",), precision="fp16")


@pytest.mark.parametrize("name", ["pocket-mt5", "pocket-mbart", "pocket-nllb"])
def test_embedded_backbones_know_the_pocket_worlds_languages(no_weights: None, name: str) -> None:
    assert resolve(name) == str(embedded()[name])
    with pytest.raises(BackboneError, match=rf"{name} does not know Korean \(ko\); it knows en, fr, es, de, vi, tr"):
        load(name, languages=("en", "ko"))


def test_families_are_told_by_the_config_alone(checkpoint: Checkpoint, no_weights: None) -> None:
    found = {name: family_of(str(checkpoint(name))).__name__ for name in ("mt5", "umt5", "mbart", "nllb")}
    assert found == {"mt5": "MT5", "umt5": "MT5", "mbart": "MBart50", "nllb": "Nllb"}


def test_the_tokenizer_class_may_stand_in_the_config(copy: Checkpoint) -> None:
    """As in facebook/mbart-large-50."""
    folder = copy("mbart")
    edit(folder / "tokenizer_config.json", tokenizer_class=None)
    edit(folder / "config.json", tokenizer_class="MBart50Tokenizer")
    assert family_of(str(folder)).__name__ == "MBart50"
    edit(folder / "config.json", tokenizer_class="MBartTokenizer")
    with pytest.raises(BackboneError, match="tokenizer MBartTokenizer"):
        family_of(str(folder))


def test_truncated_weights(copy: Checkpoint) -> None:
    folder = copy("mt5")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    with pytest.raises(BackboneError, match=r"mt5 are damaged or truncated .*; fetch them again"):
        load(str(folder))


def test_empty_weights(copy: Checkpoint) -> None:
    folder = copy("mbart")
    (folder / "model.safetensors").write_bytes(b"")
    with pytest.raises(BackboneError, match="damaged or truncated"):
        load(str(folder))


def test_another_family(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}', encoding="utf-8")
    with pytest.raises(
        BackboneError, match=r"is a 'gpt2' checkpoint .*families for bert, m2m_100, mbart, mt5, umt5, xlm"
    ):
        load(str(tmp_path))


def test_no_config(copy: Checkpoint) -> None:
    folder = copy("nllb")
    (folder / "config.json").unlink()
    with pytest.raises(BackboneError, match=r"no config\.json; that is not a model checkpoint"):
        load(str(folder))


def test_a_config_that_is_no_json(copy: Checkpoint) -> None:
    folder = copy("nllb")
    (folder / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(BackboneError, match=r"config\.json cannot be read"):
        load(str(folder))


def test_a_config_with_a_wrong_type(copy: Checkpoint) -> None:
    folder = copy("mt5")
    edit(folder / "config.json", d_model="wide")
    with pytest.raises(BackboneError, match=r"the config of .* cannot be read"):
        load(str(folder))


def test_no_tokenizer(copy: Checkpoint) -> None:
    folder = copy("mt5")
    (folder / "tokenizer.json").write_text("{", encoding="utf-8")
    with pytest.raises(BackboneError, match=r"the tokenizer of .* cannot be loaded"):
        load(str(folder))


def test_pickled_weights_are_not_read(copy: Checkpoint, backbone_of: Callable[[str], Backbone]) -> None:
    folder = copy("mt5")
    (folder / "model.safetensors").unlink()
    torch.save(backbone_of("mt5").model.state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(BackboneError, match=r"pickled weights only .*can run code.*model\.safetensors"):
        load(str(folder))


def test_no_weights_at_all(copy: Checkpoint) -> None:
    folder = copy("mt5")
    (folder / "model.safetensors").unlink()
    with pytest.raises(BackboneError, match=r"the weights of .* cannot be loaded: .*model\.safetensors"):
        load(str(folder))


@pytest.mark.parametrize("name", ["mt5", "mbart", "nllb"])
def test_weights_of_another_shape(copy: Checkpoint, name: str) -> None:
    folder = copy(name)
    edit(folder / "config.json", **{"d_ff": 99} if name == "mt5" else {"encoder_ffn_dim": 99})
    with pytest.raises(BackboneError, match="weights"):
        load(str(folder))


@pytest.mark.parametrize("name", ["mt5", "mbart", "nllb"])
def test_weights_that_lack_a_layer(copy: Checkpoint, name: str) -> None:
    """The library would fill it with random numbers."""
    folder = copy(name)
    edit(folder / "config.json", **{"num_layers": 3} if name == "mt5" else {"encoder_layers": 3})
    with pytest.raises(BackboneError, match=r"do not fit its config\.json: .* tensors are missing"):
        load(str(folder))


def test_no_such_backbone() -> None:
    with pytest.raises(BackboneError, match=r"no backbone 'poket-mt5'.*did you mean 'pocket-mt5'"):
        load("poket-mt5")


def test_half_precision_weights_become_fp32(copy: Checkpoint, backbone_of: Callable[[str], Backbone]) -> None:
    folder = copy("mt5")
    half = backbone_of("mt5").model.half()
    half.save_pretrained(folder)
    model = load(str(folder)).model
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert torch.equal(model.lm_head.weight, half.lm_head.weight.float())


@pytest.mark.spread(1)
@pytest.mark.parametrize("name", ["mt5", "umt5", "mbart", "nllb"])
def test_random_weights_hang_on_the_seed_alone(checkpoint: Checkpoint, name: str) -> None:
    """On the seed and not on what was drawn before; and drawing them disturbs nobody."""

    def weights(seed: int, before: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(before)
        state = torch.get_rng_state()
        model = load(str(checkpoint(name)), init="random", seed=seed).model
        assert torch.equal(torch.get_rng_state(), state)
        return model.state_dict()

    first, again, other = weights(3, before=0), weights(3, before=1), weights(4, before=0)
    assert all(torch.equal(first[key], again[key]) for key in first)
    pretrained = load(str(checkpoint(name))).model.state_dict()
    key = "lm_head.weight"
    assert not torch.equal(first[key], other[key]) and not torch.equal(first[key], pretrained[key])


def test_random_weights_need_no_weights(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_load_model", None)
    assert load(str(checkpoint("mt5")), init="random").model.config.vocab_size > 5_000


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            "LocalEntryNotFoundError",
            r"the Hub cannot be reached, .*give a folder .*or an embedded backbone: pocket-mbart",
        ),
        ("RepositoryNotFoundError", "the Hub has no google/mt5-small, or it is private"),
        ("GatedRepoError", "accept its terms on the Hub"),
        ("RemoteEntryNotFoundError", "no config.json; that is not a model checkpoint"),
    ],
)
def test_what_the_hub_says_is_told_apart(error: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub import errors

    kind = getattr(errors, error)
    raised = kind.__new__(kind, "no")  # without the response that its own __init__ wants

    def refuse(*arguments: object, **options: object) -> str:
        raise raised

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
    with pytest.raises(BackboneError, match=message):
        load("google/mt5-small")


@pytest.mark.exhaustive
def test_an_unreachable_hub_is_named() -> None:
    code = "from xlgen.backbones.loading import load; load('google/mt5-small')"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert "the Hub cannot be reached, and google/mt5-small is not in this machine's cache" in done.stderr


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_weights_are_in_the_precision_that_is_asked_for(
    dtype: torch.dtype, checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    """Whatever the files hold: transformers 5 gives a bf16 checkpoint in bf16 where nobody says."""
    from transformers import AutoModelForSeq2SeqLM

    folder = shutil.copytree(checkpoint("mt5"), tmp_path / "mt5")
    AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=dtype).save_pretrained(folder)
    assert json.loads((folder / "config.json").read_text())["dtype"] == str(dtype).removeprefix("torch.")
    for weights, wanted in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        assert {p.dtype for p in load(str(folder), weights=weights).model.parameters()} == {wanted}
    trained = load(str(folder), head=HeadSpec("classification", ("a", "b")))
    assert {p.dtype for p in trained.model.parameters()} == {torch.float32}


@pytest.mark.exhaustive
def test_a_sentencepiece_file_without_protobuf_is_named(hub_checkpoint: Callable[[str], Path]) -> None:
    """transformers 5.23 asks for tiktoken there (findings/sentencepiece_files_need_protobuf.sh)."""
    script = (
        "import sys; sys.modules['google.protobuf'] = sys.modules['sentencepiece.sentencepiece_model_pb2'] = None\n"
        f"from xlgen.backbones.loading import load; load({str(hub_checkpoint('mt5'))!r})"
    )
    # In a process of its own: what the library has found missing it does not look for again.
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "protobuf is missing, or too old for sentencepiece" in done.stderr


@pytest.mark.parametrize("weights", ["fp32", "bf16"])
def test_a_model_with_adapters_in_its_folder_is_refused(copy: Checkpoint, weights: str) -> None:
    """Only with peft does transformers 5.23 apply them (findings/adapters_applied_twice.sh)."""
    from peft import LoraConfig, get_peft_model
    from transformers import MT5ForConditionalGeneration

    folder = copy("mt5")
    model = MT5ForConditionalGeneration.from_pretrained(folder)
    get_peft_model(model, LoraConfig(task_type="SEQ_2_SEQ_LM", r=2)).save_pretrained(folder)
    with pytest.raises(BackboneError, match=r"holds the weights of a whole model and adapter_config\.json"):
        load(str(folder), weights=weights)
