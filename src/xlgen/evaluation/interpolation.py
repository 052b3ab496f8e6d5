"""Interpolation of pretrained and finetuned weights after training (WiSE-FT; Wortsman et al. 2022)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from xlgen.adaptation import checkpoints as store
from xlgen.adaptation.base import Method, methods
from xlgen.backbones.base import Backbone
from xlgen.core.registry import InputError
from xlgen.runs.checkpoint_description import About


def check_shares(shares: Sequence[float]) -> None:
    """Raise InputError for a share outside [0, 1]."""
    for share in shares:
        if not 0 <= share <= 1:
            raise InputError(f"a share of the finetuned weights must be from 0 to 1, not {share:g}")


@torch.no_grad()
def interpolated(
    checkpoint: Path, shares: Sequence[float], languages: tuple[str, ...]
) -> Iterator[tuple[float, Backbone, Method]]:
    """For each share ``a``, the backbone with ``(1 - a) * pretrained + a * finetuned`` weights, and its method.

    Only trained weights differ. Modules that a method inserts are interpolated from their initial values, with which
    adapters and LoRA have no effect. The same backbone is yielded each time, with other weights. Raises InputError.
    """
    check_shares(shares)
    backbone, method, about = store.load_checkpoint(checkpoint, languages)
    trained = {name: p.detach().clone() for name, p in _trained(backbone).items()}
    start = _start(about) if any(share != 1 for share in shares) else trained
    for share in shares:
        for name, parameter in _trained(backbone).items():
            # In this form, shares of 0 and 1 give exactly the pretrained and the finetuned weights.
            parameter.copy_(start[name] * (1 - share) + trained[name] * share)
        yield share, backbone, method


def _start(about: About) -> dict[str, Tensor]:
    """The trained parameters as they were before training."""
    fresh = store.load_start(about)
    method = methods.options(about.adaptation).build()
    method.prepare(fresh, about.seed)
    return {name: p.detach() for name, p in _trained(fresh).items()}


def _trained(backbone: Backbone) -> dict[str, torch.nn.Parameter]:
    return {name: p for name, p in backbone.model.named_parameters() if p.requires_grad}
