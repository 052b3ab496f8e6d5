"""Optimizers and learning-rate schedules by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch.optim import Optimizer

from xlgen.core.config import Training


def learning_rate_factor(step: int, training: Training) -> float:
    """The learning rate of ``step`` (counted from 0) as a share of the peak: linear warm-up, then the schedule.

    ``inverse_sqrt`` is fairseq's: ``sqrt(warmup / step)`` after the warm-up (Chirkova et al. 2023, Appendix A).
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
    """Build the recipe's optimizer over the trainable parameters.

    ``depth`` returns a parameter's number of layers from the output, which ``layer_decay`` uses.
    """
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
    """Set and return the learning rate of ``step``, times ``reduction``; lower layers may get less."""
    rate = training.learning_rate * learning_rate_factor(step, training) * reduction
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"]
    return rate
