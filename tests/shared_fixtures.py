"""Fixtures of all tests: tiny randomly initialized checkpoints of every family with the tokenizers of the embedded
backbones, a tiny task. A plugin that conftest.py loads."""

import copy
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import pytest
import torch
import yaml
from filelock import FileLock
from hypothesis import settings
from matplotlib.figure import Figure

import hub_layout
from encoders import make_encoder
from xlgen.backbones.base import Backbone, families
from xlgen.backbones.loading import embedded, load
from xlgen.cli import main
from xlgen.core.machine import slowdown
from xlgen.training import loop

torch.set_num_threads(1)
# A busy machine is no reason to fail.
settings.register_profile("xlgen", deadline=None)
settings.load_profile("xlgen")

_T5 = {"d_model": 32, "d_kv": 16, "d_ff": 48, "num_layers": 2, "num_decoder_layers": 2, "num_heads": 2}
_BART: dict[str, Any] = {
    **{f"{half}_layers": 2 for half in ("encoder", "decoder")},
    **{f"{half}_attention_heads": 2 for half in ("encoder", "decoder")},
    **{f"{half}_ffn_dim": 48 for half in ("encoder", "decoder")},
    **{f"{half}_layerdrop": 0.0 for half in ("encoder", "decoder")},
    "d_model": 32,
    # Room for the 100 virtual tokens that are usual.
    "max_position_embeddings": 160,
    # Wide enough that random models are sure of what they generate, and rounding decides nothing.
    "init_std": 0.2,
}
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
# checkpoint -> family, embedded backbone it takes its tokenizer and config from, changes to the config
CHECKPOINTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "mt5": ("mt5", "pocket-mt5", _T5),
    "umt5": ("mt5", "pocket-mt5", {**_T5, "model_type": "umt5"}),
    "mbart": ("mbart", "pocket-mbart", _BART),
    "nllb": ("nllb", "pocket-nllb", _BART),
}


ENCODERS = ("bert", "xlm-roberta")
"""Tiny checkpoints of families without a decoder."""


def _make(folder: Path, family: str, skeleton: str, changes: dict[str, Any]) -> Path:
    from transformers import AutoConfig, AutoModelForSeq2SeqLM

    source = embedded()[skeleton]
    config = {**json.loads((source / "config.json").read_text(encoding="utf-8")), **changes}
    # Without a list of its own a checkpoint knows what its family knows.
    del config["xlgen_languages"]
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(source / name, folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = AutoModelForSeq2SeqLM.from_config(AutoConfig.from_pretrained(folder))
        families.get(family).repair(model, fresh=True)
    model.save_pretrained(folder)
    return folder


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Each test, with its fixtures of any scope, begins with one thread: two add up in another order than one."""
    torch.set_num_threads(1)
    Figure.savefig = _save_nothing if item.get_closest_marker("undrawn") else _SAVE  # type: ignore[method-assign]


_SAVE = Figure.savefig


def _save_nothing(figure: Figure, file: IO[str] | IO[bytes], **settings: Any) -> None:
    """In place of a plot, which takes a quarter of a second and more."""
    text = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"></svg>'
    if isinstance(file, io.TextIOBase):
        file.write(text)
    else:
        file.write(text.encode())


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of the tiny checkpoint called so, of CHECKPOINTS or ENCODERS. Copy it before changing it."""
    root = tmp_path_factory.mktemp("checkpoints")

    def find(name: str) -> Path:
        folder = root / name
        if folder.exists():
            return folder
        return make_encoder(folder, name) if name in ENCODERS else _make(folder, *CHECKPOINTS[name])

    return find


@pytest.fixture(scope="session")
def _loaded(checkpoint: Callable[[str], Path]) -> Callable[[str], Backbone]:
    kept: dict[str, Backbone] = {}

    def find(name: str) -> Backbone:
        if name not in kept:
            kept[name] = load(str(checkpoint(name)))
        return kept[name]

    return find


@pytest.fixture(autouse=True)
def _train_in_no_emulated_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where bf16 is emulated, a test that trains in it takes many times as long as it should."""
    autocast = loop.autocast

    def checked(accelerator: Any, precision: str) -> Any:
        assert precision == "fp32" or accelerator.device.type != "cpu" or slowdown(precision) is None, (
            f"this machine emulates {precision}; leave the precision of a test's training to it (auto)"
        )
        return autocast(accelerator, precision)

    monkeypatch.setattr(loop, "autocast", checked)


@pytest.fixture(params=CHECKPOINTS)
def any_backbone(request: pytest.FixtureRequest, backbone_of: Callable[[str], Backbone]) -> Backbone:
    """A backbone of each tiny checkpoint in turn; its name is the checkpoint's folder."""
    return backbone_of(request.param)


@pytest.fixture
def backbone_of(_loaded: Callable[[str], Backbone]) -> Callable[[str], Backbone]:
    """A backbone of its own from the tiny checkpoint called so."""

    def fresh(name: str) -> Backbone:
        original = _loaded(name)
        return type(original)(copy.deepcopy(original.model), original.tokenizer, original.name)

    return fresh


@pytest.fixture(scope="session")
def hub_checkpoint(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Callable[[str], Path]:
    """The folder of a small checkpoint in the Hub's file layout, of ``hub_layout.NAMES``; copy it to change it."""
    base = tmp_path_factory.getbasetemp()
    # Processes of one test run share them, since making them takes long.
    root = (base if worker_id == "master" else base.parent) / "hub"

    def find(name: str) -> Path:
        with FileLock(root.with_suffix(".lock")):
            if not (root / "made").exists():
                hub_layout.make(root)
                (root / "made").touch()
        return root / name

    return find


@pytest.fixture(scope="session")
def tiny_task(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Write the file of a task in the ``languages``, titles for ``size`` stories of the pocket world; its path."""

    def make(languages: Sequence[str], size: int = 12) -> str:
        task = {
            "reader": {"name": "pocket", "size": size},
            "languages": list(languages),
            "source": "{document}",
            "target": "title",
            "max_source_tokens": 64,
            "max_target_tokens": 48,
            "metrics": ["rougeL"],
            "main_metric": "rougeL",
        }
        path = tmp_path_factory.mktemp("task") / "tiny.yaml"
        path.write_text(yaml.safe_dump(task), encoding="utf-8")
        return str(path)

    return make


@pytest.fixture(scope="session")
def wheel_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it is installed, built from a copy of the tree."""
    root, folder = Path(__file__).resolve().parents[1], tmp_path_factory.mktemp("tree")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, folder)
    shutil.copytree(root / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    build = "import setuptools.build_meta as backend; backend.build_wheel('dist')"
    done = subprocess.run([sys.executable, "-c", build], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next((folder / "dist").glob("*.whl"))


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must end with exit code 2, in this process, and returns its message on one line."""

    def run(*command: str | Path) -> str:
        monkeypatch.setattr(sys, "argv", ["xlgen", *map(str, command)])
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == 2
        return " ".join(capsys.readouterr().err.split())

    return run


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """Finds real text under ``../shared/data`` next to the repository; the test is skipped where it is absent."""

    def find(name: str) -> Path:
        path = DATA / name
        if not path.exists():
            pytest.skip(f"real text is absent: {path}")
        return path

    return find
