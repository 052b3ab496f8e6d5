"""Files that have changed since a checkpoint was saved: they are named, and nothing answers from them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from older import forget_digests
from xlgen.adaptation import checkpoints as store
from xlgen.adaptation.base import methods
from xlgen.backbones import loading
from xlgen.backbones.base import BackboneError
from xlgen.backbones.loading import load
from xlgen.cli import main
from xlgen.core.config import Recipe
from xlgen.core.registry import InputError
from xlgen.evaluation.interpolation import interpolated
from xlgen.runs import digests as module
from xlgen.runs.checkpoint_description import About, read_about
from xlgen.runs.digests import digest
from xlgen.training.run import train

Saved = Callable[..., Path]
SEPARATE = ("adapters", "lora", "prompt", "layernorm")


@pytest.fixture
def backbone_folder(checkpoint: Callable[[str], Path], tmp_path: Path) -> Path:
    return shutil.copytree(checkpoint("mt5"), tmp_path / "backbone")


@pytest.fixture
def saved(backbone_folder: Path, tmp_path: Path) -> Saved:
    """A checkpoint of a method, on the backbone's folder."""

    def save(method_name: str, name: str = "", **more: Any) -> Path:
        name = name or str(backbone_folder)
        backbone = load(name, init=more.get("init", "pretrained"))
        method = methods.build({"method": method_name})
        method.prepare(backbone)
        folder = tmp_path / method_name / "step-1"
        about = About(1, name, {"method": method_name}, None, ".", **more)
        store.save_checkpoint(folder, backbone, method, about)
        return folder

    return save


def spoil(file: Path, kind: str) -> None:
    """Other weights in a file of them: all zero, finite but absurd, or one number changed; of JSON a line more."""
    if file.suffix == ".json":
        file.write_bytes(file.read_bytes() + b"\n")
        return
    weights = load_file(file)
    for tensor in weights.values():
        if kind == "one":
            tensor.view(-1)[0] += 1e-3
            break
        tensor.mul_(0.0 if kind == "zero" else 1e30)
    save_file(weights, file, metadata={"format": "pt"})


@pytest.mark.spread(1)
@pytest.mark.parametrize(
    "name", ["model.safetensors", "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"]
)
@pytest.mark.parametrize("method", SEPARATE)
def test_a_backbone_that_has_changed(saved: Saved, backbone_folder: Path, method: str, name: str) -> None:
    folder = saved(method)
    store.load_checkpoint(folder)
    spoil(backbone_folder / name, "one")
    with pytest.raises(BackboneError, match=rf"{backbone_folder} has changed since .*: {name} has other content\."):
        store.load_checkpoint(folder)
    forget_digests(folder)
    store.load_checkpoint(folder)


@pytest.mark.spread(2)
@pytest.mark.parametrize("name", ["special_tokens_map.json", "added_tokens.json", "generation_config.json"])
@pytest.mark.parametrize("method", ["adapters", "full"])
def test_a_file_that_is_new_or_missing(saved: Saved, backbone_folder: Path, method: str, name: str) -> None:
    folder = saved(method)
    place = folder if method == "full" else backbone_folder
    if (place / name).exists():
        (place / name).unlink()
        change = f"{name} is missing"
    else:
        (place / name).write_text("{}", encoding="utf-8")
        change = f"{name} is new"
    with pytest.raises(InputError, match=rf"(has changed since|differs from what was saved).*{change}"):
        store.load_checkpoint(folder)
    (place / "README.md").write_text("A note.", encoding="utf-8")  # which nothing reads
    forget_digests(folder)
    store.load_checkpoint(folder)


@pytest.mark.exhaustive
def test_a_backbone_in_several_files(saved: Saved, backbone_folder: Path) -> None:
    load(str(backbone_folder)).model.save_pretrained(backbone_folder / "parts", max_shard_size="100KB")
    (backbone_folder / "model.safetensors").unlink()
    for part in (backbone_folder / "parts").glob("model*"):
        part.rename(backbone_folder / part.name)
    folder = saved("adapters")
    store.load_checkpoint(folder)
    last = max(backbone_folder.glob("model-*.safetensors"))
    spoil(last, "one")
    with pytest.raises(BackboneError, match=f"{last.name} has other content"):
        store.load_checkpoint(folder)


def test_the_weights_of_the_backbone_do_not_matter_if_they_were_random(saved: Saved, backbone_folder: Path) -> None:
    folder = saved("adapters", init="random")
    spoil(backbone_folder / "model.safetensors", "one")
    store.load_checkpoint(folder)
    spoil(backbone_folder / "tokenizer_config.json", "one")
    with pytest.raises(BackboneError, match=r"tokenizer_config\.json has other content"):
        store.load_checkpoint(folder)


def test_an_embedded_backbone_of_another_version(saved: Saved) -> None:
    folder = saved("adapters", "pocket-mt5")
    store.load_checkpoint(folder)
    file = folder / "checkpoint.json"
    about = json.loads(file.read_text(encoding="utf-8"))
    about["backbone_files"]["model.safetensors"] = "0" * 32
    file.write_text(json.dumps(about), encoding="utf-8")
    with pytest.raises(BackboneError, match=r"pocket-mt5 has changed .* it comes with another version of xlgen"):
        store.load_checkpoint(folder)


@pytest.mark.exhaustive
def test_interpolation_between_a_whole_model_and_another_start(saved: Saved, backbone_folder: Path) -> None:
    folder = saved("full")
    assert len(list(interpolated(folder, (0.0, 1.0), ()))) == 2
    spoil(backbone_folder / "model.safetensors", "one")
    store.load_checkpoint(folder)  # it holds every weight
    with pytest.raises(BackboneError, match="has changed since the checkpoint was trained on it"):
        list(interpolated(folder, (0.0, 1.0), ()))


@pytest.mark.spread(1)
@pytest.mark.parametrize("kind", ["zero", "absurd", "one"])
@pytest.mark.parametrize("method", ["full", *SEPARATE])
def test_weights_that_are_not_those_that_were_saved(saved: Saved, method: str, kind: str) -> None:
    folder = saved(method)
    store.load_checkpoint(folder)
    (weights,) = folder.glob("*.safetensors")
    spoil(weights, kind)
    with pytest.raises(InputError, match=rf"{folder}.*({weights.name} has other content|not finite|too large|zero)"):
        store.load_checkpoint(folder)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_no_file_of_a_checkpoint_can_change_unseen(saved: Saved, method: str) -> None:
    folder = saved(method)
    names = [path.name for path in folder.iterdir() if path.name != "checkpoint.json"]
    assert len(names) >= 2
    for name in names:
        whole = (folder / name).read_bytes()
        spoil(folder / name, "one")
        with pytest.raises(InputError, match=f"differs from what was saved: {name} has other content"):
            store.load_checkpoint(folder)
        (folder / name).write_bytes(whole)
    store.load_checkpoint(folder)


def test_a_name_in_the_digests_leads_nowhere_else(saved: Saved) -> None:
    folder = saved("adapters")
    file = folder / "checkpoint.json"
    about = json.loads(file.read_text(encoding="utf-8"))
    about["files"]["../../../etc/passwd"] = "0" * 32
    file.write_text(json.dumps(about), encoding="utf-8")
    with pytest.raises(InputError, match="leads out of"):
        store.load_checkpoint(folder)


def test_the_command_says_it_and_exits_with_2(
    saved: Saved, backbone_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = saved("adapters")
    spoil(backbone_folder / "model.safetensors", "one")
    monkeypatch.setattr("sys.argv", ["xlgen", "analyze", "spectra", str(folder)])
    with pytest.raises(SystemExit) as error:
        main()
    said = capsys.readouterr().err
    assert error.value.code == 2 and "has changed since" in said and "Traceback" not in said


def test_of_a_large_file_blocks_from_the_first_to_the_last(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "weights"
    content = bytearray(torch.arange(4_000).remainder(251).to(torch.uint8).numpy().tobytes())
    file.write_bytes(content)
    whole = digest(file)
    for name, value in {"_WHOLE": 1_000, "_BLOCK": 100, "_BLOCKS": 5}.items():
        monkeypatch.setattr(module, name, value)
    assert (sampled := digest(file)) != whole
    for place, seen in ((0, True), (3_999, True), (1_000, True), (500, False)):
        changed = content.copy()
        changed[place] ^= 1
        file.write_bytes(changed)
        assert (digest(file) != sampled) == seen
    file.write_bytes(content + b"x")
    assert digest(file) != sampled


# -- resuming


@pytest.fixture
def begun(tiny_task: Callable[..., str], backbone_folder: Path, tmp_path: Path) -> tuple[Recipe, Path]:
    """A recipe, and its run after the first of two steps."""
    recipe = Recipe.model_validate(
        {
            "name": "tiny",
            "backbone": str(backbone_folder),
            "task": tiny_task(["en", "th"], size=4),
            "adaptation": "layernorm",
            "max_source_tokens": 40,
            "training": {"steps": 2, "batch_tokens": 300},
            "evaluation": {"every": None, "split": "test", "examples": 1, "bootstrap": 0, "max_new_tokens": 2},
        }
    )
    train(recipe, tmp_path / "run", until=1)
    return recipe, tmp_path / "run"


@pytest.mark.spread(1)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("adaptation", {"method": "bitfit"}),
        ("task", "another"),
        ("head", {"kind": "tagging", "labels": ["A", "B"]}),
        ("init", "random"),
        ("seed", 3),
        ("allow_unknown", True),
        ("limits", {"max_source_tokens": 41}),
        ("limits", {}),
        ("source_languages", ["th"]),
    ],
)
def test_a_checkpoint_of_another_run_is_not_resumed(begun: tuple[Recipe, Path], key: str, value: Any) -> None:
    recipe, run = begun
    file = run / "checkpoints" / "step-1" / "checkpoint.json"
    about = json.loads(file.read_text(encoding="utf-8"))
    assert about[key] != value
    file.write_text(json.dumps({**about, key: value}), encoding="utf-8")
    with pytest.raises(InputError, match=f"belongs to another run: its {key} is "):
        train(recipe, run, resume=True)
    file.write_text(json.dumps(about), encoding="utf-8")
    assert train(recipe, run, resume=True).state.status == "done"


def test_the_step_is_the_folder_s(begun: tuple[Recipe, Path]) -> None:
    recipe, run = begun
    (run / "checkpoints" / "step-1").rename(run / "checkpoints" / "step-2")
    with pytest.raises(InputError, match="damaged: step is 1, but the folder is called step-2"):
        train(recipe, run, resume=True)
    shutil.copytree(run / "checkpoints" / "step-2", run / "best")
    assert read_about(run / "best").step == 1


@pytest.mark.spread(1)
@pytest.mark.parametrize("name", ["optimizer.safetensors", "rng.safetensors", "state.json"])
def test_what_a_run_resumes_from_has_changed(begun: tuple[Recipe, Path], name: str) -> None:
    recipe, run = begun
    place = run / "checkpoints" / "step-1" / "resume"
    if name == "rng.safetensors":
        state = load_file(place / name)["torch"]
        state[100] ^= 1
        save_file({"torch": state}, place / name)
    else:
        spoil(place / name, "one")
    store.load_checkpoint(place.parent)  # nothing of this is read to generate
    with pytest.raises(InputError, match=f"differs from what was saved: resume/{name} has other content"):
        train(recipe, run, resume=True)


def test_a_run_is_not_resumed_on_another_backbone(begun: tuple[Recipe, Path]) -> None:
    recipe, run = begun
    spoil(Path(recipe.backbone.name) / "model.safetensors", "one")
    with pytest.raises(BackboneError, match=r"has changed since .*model\.safetensors has other content"):
        train(recipe, run, resume=True)
    assert loading.load(recipe.backbone.name).files
