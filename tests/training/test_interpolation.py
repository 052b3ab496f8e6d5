"""Weights between the pretrained and the finetuned ones."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from xlgen.adaptation import checkpoints as store
from xlgen.backbones import loading
from xlgen.core.config import Evaluation, Recipe
from xlgen.core.registry import InputError
from xlgen.evaluation.checkpoint_inference import evaluate_checkpoint
from xlgen.evaluation.interpolation import interpolated
from xlgen.training.run import train


def run(tiny_mt5: Path, folder: Path, adaptation: Any) -> Path:
    recipe = {
        "name": "t",
        "backbone": str(tiny_mt5),
        "task": "pocket-titles",
        "adaptation": adaptation,
        "training": {"steps": 3, "train_examples": 8, "learning_rate": 1e-2, "warmup_steps": 0},
        "evaluation": {"every": None, "examples": 1, "languages": ["en"], "max_new_tokens": 2, "bootstrap": 0},
    }
    train(Recipe.model_validate(recipe), folder)
    return folder / "checkpoints" / "step-3"


def weights(backbone: Any) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in backbone.model.named_parameters()}


@pytest.mark.spread(1)
@pytest.mark.parametrize("adaptation", ["full", "adapters", {"method": "freezing", "freeze": ["decoder"]}])
def test_ends_are_exact_and_the_middle_is_the_mean(adaptation: Any, tmp_path: Path, tiny_mt5: Path) -> None:
    checkpoint = run(tiny_mt5, tmp_path / "run", adaptation)
    found = {share: weights(b) for share, b, _ in interpolated(checkpoint, [0.0, 1.0, 0.5], ())}
    finetuned = weights(store.load_checkpoint(checkpoint)[0])
    pretrained = weights(loading.load(str(tiny_mt5)))
    assert set(found[1.0]) == set(finetuned)
    changed = 0
    for name, end in finetuned.items():
        assert torch.equal(found[1.0][name], end), name
        start = found[0.0][name]
        if name in pretrained:
            assert torch.equal(start, pretrained[name]), name
        torch.testing.assert_close(found[0.5][name], (start + end) / 2)
        changed += not torch.equal(start, end)
    assert changed


def test_nothing_of_adapters_is_the_pretrained_model(tmp_path: Path, tiny_mt5: Path) -> None:
    checkpoint = run(tiny_mt5, tmp_path / "run", "adapters")
    plain = loading.load(str(tiny_mt5))
    ids = torch.tensor([[5, 6, 7, 1]])
    with torch.no_grad():
        expected = plain.model.eval()(input_ids=ids, decoder_input_ids=ids).logits
        for _, backbone, _ in interpolated(checkpoint, [0.0], ()):
            torch.testing.assert_close(backbone.model(input_ids=ids, decoder_input_ids=ids).logits, expected)


@pytest.mark.exhaustive
def test_a_sweep_is_evaluated_and_named(tmp_path: Path, tiny_mt5: Path) -> None:
    run(tiny_mt5, tmp_path / "run", "full")
    evaluation = Evaluation(split="test", examples=2, languages=("en", "th"), max_new_tokens=3, bootstrap=0)
    rows, folder = evaluate_checkpoint(tmp_path / "run", evaluation, shares=[0.25, 1.0])
    assert {row["method"] for row in rows} == {"full x 0.25", "full"}
    assert json.loads((folder / "summary.json").read_text())["rows"] == rows
    assert sorted(path.name for path in folder.iterdir()) == [
        "predictions",
        "predictions-x-0.25",
        "settings.json",
        "summary.json",
    ]


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_shares_outside_are_refused(share: float, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="from 0 to 1"):
        list(interpolated(tmp_path, [share], ()))
