"""A new method is one file and no other change: a toy one trains, saves, loads and generates through a whole run."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import xlgen.adaptation as package
from xlgen.adaptation.base import Method, methods
from xlgen.adaptation.checkpoints import load_checkpoint
from xlgen.core.config import Recipe
from xlgen.core.registry import Registry
from xlgen.runs.checkpoints import checkpoints_of
from xlgen.training.run import train

TOY = '''
"""Train the last normalization of the encoder."""
from pydantic import Field
from xlgen.adaptation.base import Method, MethodOptions, methods


class ToyOptions(MethodOptions):
    part: str = Field(default="encoder.final_layer_norm")


@methods.register("toy")
class Toy(Method[ToyOptions]):
    """Train one part."""

    Options = ToyOptions

    def trains(self, name, backbone):
        return name.startswith(self.options.part)
'''


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A file toy.py in the folder of the methods, and a registry that has not looked there yet."""
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods" / "toy.py").write_text(TOY, encoding="utf-8")
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path / "methods")])
    names = methods.names()
    monkeypatch.setattr(methods, "_plugins", {name: methods.get(name) for name in names})
    monkeypatch.setattr(methods, "_found", False)
    importlib.invalidate_caches()
    yield "toy"
    sys.modules.pop("xlgen.adaptation.toy", None)
    vars(package).pop("toy", None)


def test_one_file_is_enough(
    toy: str, checkpoint: Callable[[str], Path], tiny_task: Callable[..., str], tmp_path: Path
) -> None:
    assert isinstance(methods, Registry) and toy in methods.names() and issubclass(methods.get(toy), Method)
    recipe = {
        "name": "toy",
        "backbone": str(checkpoint("mt5")),
        "task": tiny_task(["en", "fr"], size=6),
        "adaptation": {"method": toy, "part": "encoder.final"},
        "training": {"steps": 2, "warmup_steps": 0, "batch_tokens": 300},
        "evaluation": {"every": None, "split": "test", "examples": 2, "bootstrap": 0, "max_new_tokens": 3},
    }
    train(Recipe.model_validate(recipe), tmp_path / "run")
    (saved,) = checkpoints_of(tmp_path / "run")
    backbone, method, about = load_checkpoint(saved)
    assert set(method.state(backbone)) == {"encoder.final_layer_norm.weight"}
    assert about.adaptation["part"] == "encoder.final"
    assert {path.stem for path in (tmp_path / "run" / "predictions").rglob("*.jsonl")} == {"en", "fr"}
