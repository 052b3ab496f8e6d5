"""Optimizers and learning-rate schedules by name."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch.optim import Optimizer

from xlgen.config import Training


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


def build_optimizer(parameters: Iterable[torch.nn.Parameter], training: Training) -> Optimizer:
    """The optimizer of the recipe over the parameters that train."""
    chosen = [p for p in parameters if p.requires_grad]
    rate, decay = training.learning_rate, training.weight_decay
    match training.optimizer:
        case "adam":
            return torch.optim.Adam(chosen, lr=rate, weight_decay=decay, fused=True)
        case "adamw":
            return torch.optim.AdamW(chosen, lr=rate, weight_decay=decay, fused=True)
        case "adafactor":
            from transformers.optimization import Adafactor

            return Adafactor(chosen, lr=rate, weight_decay=decay, relative_step=False, scale_parameter=False)


def set_learning_rate(optimizer: Optimizer, step: int, training: Training) -> float:
    """Give the optimizer the learning rate of ``step`` and return it."""
    rate = training.learning_rate * learning_rate_factor(step, training)
    for group in optimizer.param_groups:
        group["lr"] = rate
    return rate
