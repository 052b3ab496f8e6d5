"""Schedules against their formulas and against `transformers`, and optimizers over what trains."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from xlgen.config import Training
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
    """C, Appendix A: inverse square root after 4k steps of warm-up, 20k steps in all."""
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
    optimizer = build_optimizer(model.parameters(), training)
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
    optimizer = build_optimizer([weight], training)
    set_learning_rate(optimizer, 0, training)
    (weight * torch.tensor([5.0, -3.0])).sum().backward()
    optimizer.step()
    assert weight.tolist() == pytest.approx([0.9, -1.9], abs=1e-5)
