"""LoRA, (IA)3 and prefix tuning: what peft gives when it is used by hand, and what it can open."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from xlgen.adaptation.base import Method, methods, trainable_parameters
from xlgen.adaptation.checkpoints import About, load_checkpoint, save_checkpoint
from xlgen.adaptation.through_peft import import_peft
from xlgen.backbones.base import Backbone, BackboneError
from xlgen.backbones.loading import load
from xlgen.core.extras import MissingExtraError
from xlgen.data.examples import EncodedExample
from xlgen.decoding.decode import Decoding, generate

peft = pytest.importorskip("peft")
CONFIGS: dict[str, dict[str, Any]] = {
    "lora": {"rank": 4, "alpha": 12, "targets": ["query", "value", "feed_forward_out"]},
    "ia3": {},
    "prefix": {"num_virtual_tokens": 5},
}


@pytest.fixture(params=CONFIGS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def batch_of(backbone: Backbone) -> dict[str, Tensor]:
    rows = [("en", [5, 6, 7, 8, 9], [9, 10, 11]), ("fr", [12, 13], [14])]
    batch = backbone.collate(
        [EncodedExample(backbone.source(s, code), backbone.target(t, code), code) for code, s, t in rows]
    )
    return {k: v for k, v in batch.items() if k != "labels"}


@torch.no_grad()
def logits(model: Any, backbone: Backbone) -> Tensor:
    return model.eval()(**batch_of(backbone)).logits


def by_hand(name: str, backbone: Backbone) -> Any:
    """peft's own config on the plain model, module names written out."""
    mt5 = not backbone.has_language_codes
    if name == "lora":
        targets = ["q", "v", "wo"] if mt5 else ["q_proj", "v_proj", "fc2"]
        config: Any = peft.LoraConfig(task_type="SEQ_2_SEQ_LM", r=4, lora_alpha=12, target_modules=targets)
    elif name == "ia3":
        targets = ["k", "v", "wo"] if mt5 else ["k_proj", "v_proj", "fc2"]
        config = peft.IA3Config(task_type="SEQ_2_SEQ_LM", target_modules=targets, feedforward_modules=targets[2:])
    else:
        config = peft.PrefixTuningConfig(task_type="SEQ_2_SEQ_LM", num_virtual_tokens=5)
    return peft.get_peft_model(backbone.model, config)


def shaken(name: str, backbone: Backbone) -> Method:
    """The method, with random numbers in everything that it trains."""
    method = methods.build({"method": name, **CONFIGS[name]})
    method.prepare(backbone)
    torch.manual_seed(0)
    for parameter in backbone.model.parameters():
        if parameter.requires_grad:
            parameter.data += 0.3 * torch.randn_like(parameter)
    return method


@pytest.mark.spread(5)
def test_logits_are_those_of_peft_by_hand(
    name: str, any_backbone: Backbone, backbone_of: Callable[[str], Backbone]
) -> None:
    plain = backbone_of(Path(any_backbone.name).name)
    theirs = by_hand(name, plain)
    method = shaken(name, any_backbone)
    peft.set_peft_model_state_dict(theirs, method.state(any_backbone))
    assert trainable_parameters(theirs) == trainable_parameters(any_backbone.model)
    assert torch.equal(logits(any_backbone.model, any_backbone), logits(theirs, plain))
    untouched = backbone_of(Path(any_backbone.name).name)
    assert (logits(theirs, plain) - logits(untouched.model, untouched)).abs().max() > 0.01


@pytest.mark.spread(3)
def test_peft_opens_what_was_saved(name: str, any_backbone: Backbone, tmp_path: Path) -> None:
    method = shaken(name, any_backbone)
    adaptation = {"method": name, **CONFIGS[name]}
    about = About(step=1, backbone=any_backbone.name, adaptation=adaptation, task=None, data_dir=".")
    save_checkpoint(tmp_path / "step-1", any_backbone, method, about)
    files = {path.name for path in (tmp_path / "step-1").iterdir()}
    assert files == {"adapter_config.json", "adapter_model.safetensors", "checkpoint.json"}
    expected = logits(any_backbone.model, any_backbone)
    theirs = peft.PeftModel.from_pretrained(load(any_backbone.name).model, str(tmp_path / "step-1"))
    torch.testing.assert_close(logits(theirs, any_backbone), expected, rtol=0, atol=0)
    again, _, _ = load_checkpoint(tmp_path / "step-1")
    assert torch.equal(logits(again.model, again), expected)


@pytest.mark.parametrize("start", ["lora", "ia3"])
def test_step_0_equals_the_pretrained_model(
    start: str, any_backbone: Backbone, backbone_of: Callable[[str], Backbone]
) -> None:
    plain = backbone_of(Path(any_backbone.name).name)
    methods.build({"method": start}).prepare(any_backbone)
    assert torch.equal(logits(any_backbone.model, any_backbone), logits(plain.model, plain))


@pytest.mark.spread(1)
@pytest.mark.parametrize("beams", [1, 3])
def test_generation_is_the_forward_repeated(name: str, any_backbone: Backbone, beams: int) -> None:
    """With a cache or without, alone or in a batch."""
    shaken(name, any_backbone)
    sources = [any_backbone.source(ids, "en") for ids in ([5, 6, 7, 8], [9, 10])]
    found = generate(any_backbone, sources, ["en", "en"], Decoding(6, beams))
    assert found == [generate(any_backbone, [source], ["en"], Decoding(6, beams))[0] for source in sources]
    if beams == 1:
        ids = any_backbone.decoder_start(["en"])
        for _ in range(6):
            with torch.no_grad():
                following = any_backbone.model(input_ids=torch.tensor([sources[0]]), decoder_input_ids=ids).logits
            ids = torch.cat([ids, following[:, -1:].argmax(-1)], 1)
            if ids[0, -1] == any_backbone.tokenizer.eos_token_id:
                break
        assert found[0] == any_backbone.decode(ids[0, any_backbone.decoder_start(["en"]).shape[1] :].tolist())


def test_prefixes_cannot_be_merged(backbone_of: Callable[[str], Backbone]) -> None:
    backbone = backbone_of("mt5")
    method = shaken("prefix", backbone)
    with pytest.raises(BackboneError, match="cannot be merged"):
        method.merge(backbone)


def test_a_prefix_takes_positions_of_the_decoder(backbone_of: Callable[[str], Backbone]) -> None:
    backbone = backbone_of("mbart")
    with pytest.raises(BackboneError, match=r"pass the 160 positions of .*decoder by 43"):
        methods.build({"method": "prefix", "num_virtual_tokens": 200}).prepare(backbone)
    methods.build({"method": "prefix", "num_virtual_tokens": 150}).prepare(backbone)
    assert backbone.target_limit(500) == 10 and backbone.source_limit(500) == 160
    assert generate(backbone, [backbone.source([5, 6], "en")], ["en"], Decoding(50))


@pytest.mark.exhaustive
def test_peft_is_imported_late_and_missed_clearly(monkeypatch: pytest.MonkeyPatch) -> None:
    script = "import sys; from xlgen.adaptation.base import methods; methods.names(); assert 'peft' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'xlgen\[train\]'"):
        import_peft()


def test_biases_and_norms(any_backbone: Backbone) -> None:
    names = {n for n, _ in any_backbone.model.named_parameters()}
    methods.build({"method": "layernorm"}).prepare(any_backbone)
    trained = {n for n, p in any_backbone.model.named_parameters() if p.requires_grad}
    norms = {f"{n}." for n, m in any_backbone.model.named_modules() if type(m).__name__.endswith("Norm")}
    assert trained == {n for n in names if n.startswith(tuple(norms))} and trained
    method = methods.build({"method": "bitfit"})
    if any_backbone.has_language_codes:
        method.prepare(any_backbone)
        trained = {n for n, p in any_backbone.model.named_parameters() if p.requires_grad}
        assert trained == {n for n in names if n.endswith("bias")}
    else:
        with pytest.raises(BackboneError, match="has no bias vectors"):
            method.prepare(any_backbone)


@pytest.mark.exhaustive
@pytest.mark.parametrize("method", ["lora", "ia3"])
def test_a_checkpoint_is_the_same_in_every_process(
    method: str, tmp_path: Path, checkpoint: Callable[[str], Path]
) -> None:
    """peft keeps names of modules in sets, whose order depends on the process's hash seed."""
    script = (
        "import sys; from pathlib import Path; from xlgen.adaptation.base import methods\n"
        "from xlgen.backbones import loading\n"
        "backbone, method = loading.load(sys.argv[1]), methods.build(sys.argv[2])\n"
        "method.prepare(backbone); method.save(backbone, Path(sys.argv[3]))\n"
    )
    options = {"method": method}
    if method == "lora":
        options["targets"] = ["query", "key", "value", "output", "feed_forward_in", "feed_forward_out"]
    script = script.replace("sys.argv[2]", repr(options))
    written = []
    for seed in ("1", "2"):
        (tmp_path / seed).mkdir()
        words = [sys.executable, "-c", script, str(checkpoint("mt5")), "", str(tmp_path / seed)]
        subprocess.run(words, env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True)
        written.append({file.name: file.read_bytes() for file in (tmp_path / seed).iterdir()})
    assert written[0] == written[1]
