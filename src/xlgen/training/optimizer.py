"""Optimizers and learning-rate schedules by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from xlgen.core.config import Plateau, Training
from xlgen.core.registry import InputError


def learning_rate_factor(step: int, training: Training) -> float:
    """The learning rate of ``step`` (from 0) as a share of the peak; linear warm-up, then the schedule.

    ``inverse_sqrt`` is fairseq's: ``sqrt(warmup / step)`` after the warm-up (C, Appendix A).
    """
    warmup, done = training.warmup_steps, step + 1
    if done < warmup:
        return done / warmup
    end = training.decay_steps or training.steps
    left = (end - step) / max(end - warmup, 1)
    match training.schedule:
        case "inverse_sqrt":
            return math.sqrt(max(warmup, 1) / done)
        case "linear":
            return min(max(left, 0.0), 1.0)
        case "cosine":
            return 0.5 * (1 + math.cos(math.pi * (1 - min(max(left, 0.0), 1.0))))
        case "constant":
            return 1.0


def build_optimizer(
    parameters: Iterable[tuple[str, torch.nn.Parameter]], training: Training, depth: Callable[[str], int]
) -> Optimizer:
    """The optimizer of the recipe over the named parameters that train; ``depth`` counts layers from the output."""
    by_depth: dict[int, list[torch.nn.Parameter]] = {}
    for name, parameter in parameters:
        if parameter.requires_grad:
            by_depth.setdefault(depth(name) if training.layer_decay else 0, []).append(parameter)
    groups = [
        {"params": found, "scale": (training.layer_decay or 1.0) ** layers}
        for layers, found in sorted(by_depth.items())
    ]
    rate, decay = training.learning_rate, training.weight_decay
    match training.optimizer:
        case "adam":
            return torch.optim.Adam(groups, lr=rate, weight_decay=decay, fused=True)
        case "adamw":
            return torch.optim.AdamW(groups, lr=rate, weight_decay=decay, fused=True)
        case "adafactor":
            from transformers.optimization import Adafactor

            return Adafactor(groups, lr=rate, weight_decay=decay, relative_step=False, scale_parameter=False)


def set_learning_rate(optimizer: Optimizer, step: int, training: Training, reduction: float = 1.0) -> float:
    """Give the optimizer the learning rate of ``step``, times ``reduction``, and return it; deep layers get less."""
    rate = training.learning_rate * learning_rate_factor(step, training) * reduction
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"]
    return rate


class PlateauScheduler:
    """What a plateau has left of the learning rate: torch's ``ReduceLROnPlateau`` over a rate of 1."""

    def __init__(self, config: Plateau | None) -> None:
        self._rate = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        self._plateau = config and ReduceLROnPlateau(
            self._rate, "max", config.factor, config.patience, config.threshold, threshold_mode="abs"
        )

    @property
    def factor(self) -> float:
        """1 until the first plateau."""
        return float(self._rate.param_groups[0]["lr"])

    def observe(self, value: float) -> None:
        """The figure of one more evaluation."""
        if self._plateau:
            self._plateau.step(value)

    def state(self) -> dict[str, float]:
        """What to save so that the run can go on from here."""
        if not self._plateau:
            return {}
        return {"factor": self.factor, "best": self._plateau.best, "bad": self._plateau.num_bad_epochs}

    def restore(self, state: dict[str, float]) -> None:
        """Go on from a saved state."""
        if self._plateau and state:
            self._rate.param_groups[0]["lr"] = state["factor"]
            self._plateau.best, self._plateau.num_bad_epochs = state["best"], int(state["bad"])


def mean_of(metric: str, values: Sequence[float | None]) -> float:
    """The mean of a figure over languages. Raises InputError where no evaluation gives it."""
    known = [value for value in values if value is not None]
    if not known:
        raise InputError(f"training.plateau watches {metric!r}, and no evaluation gives that figure")
    return sum(known) / len(known)
