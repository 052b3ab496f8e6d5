"""Penalties against forgetting: their values and gradients by hand, and what they do in a run."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from raise_after import Killed, RaiseAfter
from xlgen.adaptation.base import methods
from xlgen.backbones import loading
from xlgen.backbones.base import Backbone
from xlgen.core.config import Recipe, Unlabelled
from xlgen.core.registry import InputError, UnknownNameError
from xlgen.core.yaml_config import RecipeError
from xlgen.data.examples import EncodedExample
from xlgen.training.loop import token_loss
from xlgen.training.mixture import text_examples
from xlgen.training.optimizer import learning_rate_factor
from xlgen.training.penalties import Penalty, penalties
from xlgen.training.run import train

TEXT = {"objective": {"name": "span_corruption"}, "corpus": {"reader": "pocket", "size": 4}, "languages": ["fr", "th"]}
CONFIGS: dict[str, dict[str, Any]] = {
    "l2_sp": {"name": "l2_sp", "weight": 0.5},
    "ewc": {"name": "ewc", "weight": 0.5, "text": TEXT, "examples": 3},
}


def recipe(**changes: Any) -> Recipe:
    return Recipe.model_validate({"name": "t", "backbone": "pocket-mt5", "task": "pocket-summaries", **changes})


@pytest.fixture
def backbone(tiny_mt5: Path) -> Backbone:
    return loading.load(str(tiny_mt5))


def prepared(name: str, backbone: Backbone) -> Penalty:
    penalty = penalties.build(CONFIGS[name])
    penalty.prepare(backbone, text_examples(recipe(), backbone))
    return penalty


def test_every_penalty_is_tested() -> None:
    assert set(penalties.names()) == set(CONFIGS)


@pytest.mark.spread(3)
@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("method", ["full", "adapters", "freezing"])
def test_nothing_at_the_start_and_more_with_distance(name: str, method: str, backbone: Backbone) -> None:
    options = {"freeze": ["decoder"]} if method == "freezing" else {}
    methods.build({"method": method, **options}).prepare(backbone)
    penalty = prepared(name, backbone)
    assert float(penalty().detach()) == 0
    trained = [p for p in backbone.model.parameters() if p.requires_grad]
    assert all(p.grad is None for p in trained), "measuring leaves no gradients"
    values = []
    for _ in range(3):
        with torch.no_grad():
            for p in trained:
                p += 0.01
        values.append(float(penalty().detach()))
    assert 0 < values[0] < values[1] < values[2]
    assert values[1] == pytest.approx(4 * values[0], rel=1e-3)
    penalty().backward()
    assert all(p.grad is not None for p in trained)
    assert all(p.grad is None for p in backbone.model.parameters() if not p.requires_grad)


def test_l2_by_hand(backbone: Backbone) -> None:
    methods.build({"method": "full"}).prepare(backbone)
    penalty = prepared("l2_sp", backbone)
    parameters = list(backbone.model.parameters())
    with torch.no_grad():
        for p in parameters:
            p += 0.1
    count = sum(p.numel() for p in parameters)
    assert float(penalty().detach()) == pytest.approx(0.5 / 2 * 0.01 * count, rel=1e-4)
    penalty().backward()
    assert parameters[0].grad is not None
    torch.testing.assert_close(parameters[0].grad, torch.full_like(parameters[0], 0.5 * 0.1))


def test_ewc_is_the_mean_square_of_each_examples_gradient(backbone: Backbone) -> None:
    methods.build({"method": "full"}).prepare(backbone)
    penalty = prepared("ewc", backbone)
    examples = text_examples(recipe(), backbone)(Unlabelled.model_validate(TEXT), 3)
    assert {example.language for example in examples} == {"fr", "th"}
    parameters = list(backbone.model.parameters())
    expected = [torch.zeros_like(p) for p in parameters]
    backbone.model.eval()
    for example in examples:
        backbone.model.zero_grad()
        token_loss(backbone.model, backbone.collate([example])).backward()
        for total, p in zip(expected, parameters, strict=True):
            total += 0.0 if p.grad is None else p.grad.square() / 3
    backbone.model.zero_grad()
    with torch.no_grad():
        for p in parameters:
            p += 0.1
    value = sum(float((f * 0.01).sum()) for f in expected) * 0.5 / 2
    assert float(penalty().detach()) == pytest.approx(value, rel=1e-3)


def tiny_run(tiny_mt5: Path, **changes: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "t",
            "backbone": str(tiny_mt5),
            "task": "pocket-titles",
            "training": {
                "steps": 4,
                "train_examples": 8,
                "learning_rate": 1e-2,
                "warmup_steps": 0,
                "log_every": 1,
                **changes.pop("training", {}),
            },
            "evaluation": {"every": 1, "examples": 2, "languages": ["en", "fr"], "max_new_tokens": 4, "bootstrap": 0},
            **changes,
        }
    )


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", CONFIGS)
def test_a_strong_penalty_keeps_the_weights(name: str, tmp_path: Path, tiny_mt5: Path) -> None:
    before = loading.load(str(tiny_mt5)).model.state_dict()
    moved = {}
    for weight in (1e-6, 1e4):
        folder = tmp_path / str(weight)
        train(tiny_run(tiny_mt5, penalty={**CONFIGS[name], "weight": weight}), folder)
        after = loading.load(str(folder / "checkpoints" / "step-4")).model.state_dict()
        moved[weight] = float(sum((after[key] - before[key]).square().sum() for key in before))
    assert moved[1e4] < moved[1e-6]


@pytest.mark.exhaustive
def test_a_killed_run_resumes_exactly(tmp_path: Path, tiny_mt5: Path) -> None:
    """With all that has a state or a start of its own: penalty, plateau, rates by layer."""
    plateau = {"metric": "rougeL", "threshold": 200.0, "factor": 0.5}
    recipe = tiny_run(
        tiny_mt5, penalty=CONFIGS["l2_sp"], training={"plateau": plateau, "layer_decay": 0.8, "keep_checkpoints": 1}
    )
    train(recipe, tmp_path / "whole")
    with pytest.raises(Killed):
        train(recipe, tmp_path / "killed", callbacks=[RaiseAfter(3)])
    train(recipe, tmp_path / "killed", resume=True)
    steps = [
        [(e["loss"], e["learning_rate"]) for e in map(json.loads, log.read_text().splitlines()) if e["event"] == "step"]
        for log in (tmp_path / "whole" / "metrics.jsonl", tmp_path / "killed" / "metrics.jsonl")
    ]
    assert steps[0] == steps[1]
    rates = [rate for _, rate in steps[0]]
    # Nothing is ever 200 points better: the rate halves after every evaluation except the first.
    factors = [rate / learning_rate_factor(step, recipe.stages[0].training) for step, rate in enumerate(rates)]
    assert [factor / factors[0] for factor in factors] == pytest.approx([1, 1, 1 / 2, 1 / 4])


def test_a_plateau_must_watch_what_is_evaluated(tmp_path: Path, tiny_mt5: Path) -> None:
    recipe = tiny_run(tiny_mt5, training={"plateau": {"metric": "rougeX"}})
    with pytest.raises(InputError, match="watches 'rougeX', which evaluations do not report"):
        train(recipe, tmp_path / "run")


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        ({"name": "l2"}, UnknownNameError, "did you mean 'l2_sp'"),
        ({"weight": 1}, RecipeError, "needs a `name`"),
        ({"name": "l2_sp", "weight": 0}, RecipeError, "weight: .*greater than 0"),
        ({"name": "ewc"}, RecipeError, "'text' is missing"),
    ],
)
def test_wrong_penalties(config: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        penalties.build(config)


def example() -> EncodedExample:
    return EncodedExample((5, 6, 1), (7, 1), "en")
