"""Schedules against their formulas and against `transformers`, and optimizers over what trains."""

import math
import re
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from xlgen.backbones import loading
from xlgen.core.config import Plateau, Training
from xlgen.training.callbacks.plateau import PlateauScheduler
from xlgen.training.optimizer import build_optimizer, learning_rate_factor, set_learning_rate

SCHEDULES = ("inverse_sqrt", "linear", "cosine", "constant")


def factors(schedule: str, steps: int, warmup: int) -> list[float]:
    training = Training(schedule=schedule, steps=steps, warmup_steps=warmup)  # type: ignore[arg-type]
    return [learning_rate_factor(step, training) for step in range(steps)]


@pytest.mark.parametrize(
    ("schedule", "steps", "warmup", "expected"),
    [
        ("constant", 4, 0, [1, 1, 1, 1]),
        ("constant", 4, 2, [1 / 2, 1, 1, 1]),
        ("linear", 4, 0, [1, 3 / 4, 2 / 4, 1 / 4]),
        ("linear", 6, 2, [1 / 2, 1, 1, 3 / 4, 2 / 4, 1 / 4]),
        ("inverse_sqrt", 8, 2, [1 / 2, 1, *(math.sqrt(2 / k) for k in range(3, 9))]),
        ("inverse_sqrt", 3, 0, [1, math.sqrt(1 / 2), math.sqrt(1 / 3)]),
        ("cosine", 4, 0, [1, 0.5 * (1 + math.cos(math.pi / 4)), 0.5, 0.5 * (1 + math.cos(3 * math.pi / 4))]),
        # Warm-up that never ends.
        ("linear", 3, 6, [1 / 6, 2 / 6, 3 / 6]),
    ],
)
def test_by_hand(schedule: str, steps: int, warmup: int, expected: list[float]) -> None:
    assert factors(schedule, steps, warmup) == pytest.approx(expected)


def test_the_papers_protocol() -> None:
    """Chirkova et al. (2023), Appendix A: inverse square root after 4k steps of warm-up, 20k steps in total."""
    found = factors("inverse_sqrt", 20_000, 4_000)
    assert found[3_999] == 1
    assert found[1_999] == pytest.approx(0.5)
    assert found[15_999] == pytest.approx(0.5)


@given(st.sampled_from(SCHEDULES), st.integers(1, 200), st.integers(0, 250))
def test_laws(schedule: str, steps: int, warmup: int) -> None:
    found = factors(schedule, steps, warmup)
    assert all(0 < factor <= 1 for factor in found), "every step learns, and none above the peak"
    peak = min(max(warmup - 1, 0), steps - 1)
    assert found[: peak + 1] == sorted(found[: peak + 1])
    assert found[peak:] == sorted(found[peak:], reverse=True)
    if warmup <= steps:
        assert max(found) == 1


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_a_run_cut_short_keeps_the_longer_schedule(schedule: str) -> None:
    short = Training(schedule=schedule, steps=30, decay_steps=100, warmup_steps=10)  # type: ignore[arg-type]
    assert [learning_rate_factor(step, short) for step in range(30)] == factors(schedule, 100, 10)[:30]
    # Past its end the schedule stays at zero.
    assert learning_rate_factor(150, short) == pytest.approx(0)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_transformers_decays_alike(schedule: str) -> None:
    """Theirs starts its warm-up at a rate of zero, which wastes a step; from there on the curves are one step apart."""
    from transformers import get_scheduler

    weight = torch.nn.Parameter(torch.zeros(1))
    theirs = get_scheduler(schedule, torch.optim.SGD([weight], lr=1.0), 10, 100)
    rates = []
    for _ in range(100):
        rates.append(theirs.get_last_lr()[0])
        theirs.optimizer.step()
        theirs.step()
    ours = factors(schedule, 100, 10)
    assert rates[1:11] == pytest.approx(ours[:10])
    assert rates[10:] == pytest.approx(ours[10:])


@pytest.mark.parametrize(("name", "kind"), [("adam", "Adam"), ("adamw", "AdamW"), ("adafactor", "Adafactor")])
def test_optimizers(name: Any, kind: str) -> None:
    model = torch.nn.Linear(3, 3)
    model.bias.requires_grad_(False)
    training = Training(optimizer=name, learning_rate=0.1, schedule="constant", warmup_steps=2, weight_decay=0.01)
    optimizer = build_optimizer(model.named_parameters(), training, lambda name: 0)
    assert type(optimizer).__name__ == kind
    (group,) = optimizer.param_groups
    assert group["params"] == [model.weight]
    assert group["weight_decay"] == 0.01
    assert set_learning_rate(optimizer, 0, training) == group["lr"] == pytest.approx(0.05)
    before = model.weight.detach().clone(), model.bias.detach().clone()
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    assert not torch.equal(model.weight, before[0])
    assert torch.equal(model.bias, before[1])
    assert model.bias.grad is None


def test_the_first_step_of_adam_is_the_learning_rate() -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    training = Training(learning_rate=0.1, warmup_steps=0, schedule="constant")
    optimizer = build_optimizer([("weight", weight)], training, lambda name: 0)
    set_learning_rate(optimizer, 0, training)
    (weight * torch.tensor([5.0, -3.0])).sum().backward()
    optimizer.step()
    assert weight.tolist() == pytest.approx([0.9, -1.9], abs=1e-5)


@pytest.mark.parametrize("name", ["pocket-mt5", "pocket-mbart", "pocket-nllb"])
def test_layers_learn_slower_the_deeper_they_are(name: str) -> None:
    backbone = loading.load(name, init="random")
    training = Training(learning_rate=1.0, layer_decay=0.5, schedule="constant", warmup_steps=0)
    parameters = dict(backbone.model.named_parameters())
    optimizer = build_optimizer(parameters.items(), training, backbone.depth)
    set_learning_rate(optimizer, 0, training)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert len(rates) == len(parameters)
    assert sorted(set(rates.values())) == [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0]
    for key, parameter in parameters.items():
        layer = re.search(r"coder\.(?:block|layers)\.(\d)", key)
        if layer:
            assert rates[id(parameter)] == 0.5 ** (3 - int(layer[1])), key
        elif "shared" in key or "embed" in key:
            assert rates[id(parameter)] == 1 / 16, key
        else:
            assert rates[id(parameter)] == 1.0, key


def test_a_plateau_lowers_the_rate_as_torchs_own_does() -> None:
    values = [10.0, 50.0, 50.2, 49.0, 80.0, 80.1, 80.2, 80.3]
    config = Plateau(factor=0.5, patience=1, threshold=1.0)
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode="max", factor=0.5, patience=1, threshold=1.0, threshold_mode="abs"
    )
    ours, resumed = PlateauScheduler(config), PlateauScheduler(config)
    for value in values:
        theirs.step(value)
        ours.observe(value)
        # A run that is killed between two evaluations resumes in the same state.
        fresh = PlateauScheduler(config)
        fresh.restore(resumed.state())
        fresh.observe(value)
        resumed = fresh
        assert ours.factor == resumed.factor == optimizer.param_groups[0]["lr"]
    assert ours.factor == 0.25


def test_without_a_plateau_nothing_is_lowered() -> None:
    reduction = PlateauScheduler(None)
    reduction.observe(0.0)
    reduction.observe(0.0)
    assert reduction.factor == 1.0
    assert reduction.state() == {}
