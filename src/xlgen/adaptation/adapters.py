"""Bottleneck adapters after every attention and feed-forward block (Houlsby et al. 2019; C, section 3, Appendix A)."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from xlgen.adaptation.base import Method, methods
from xlgen.backbones.base import Backbone
from xlgen.config import Config


class AdapterOptions(Config):
    """C used 64, and 2,048 in one experiment with NLLB-200."""

    bottleneck_dim: int = Field(default=64, ge=1)


class BottleneckAdapter(nn.Module):
    """``h + W_up relu(W_down h)``, with ``W_up = 0`` at first, so that step 0 equals the pretrained model.

    Args:
        dim: width of the model.
        bottleneck_dim: width inside.
    """

    def __init__(self, dim: int, bottleneck_dim: int) -> None:
        super().__init__()
        self.down = nn.Linear(dim, bottleneck_dim)
        self.up = nn.Linear(bottleneck_dim, dim)
        # Houlsby et al. draw near-zero weights (std 1e-2); only `up` must be exactly zero for an exact identity.
        nn.init.normal_(self.down.weight, std=dim**-0.5)
        nn.init.zeros_(self.down.bias)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """(batch, length, dim) to the same."""
        return hidden + self.up(functional.relu(self.down(hidden)))


def _through_adapter(block: Any, inputs: Any, output: Any) -> Any:
    """Forward hook: the block's output, before the residual is added, goes through its adapter."""
    if isinstance(output, tuple):
        return (block.adapter(output[0]), *output[1:])
    return block.adapter(output)


@methods.register("adapters")
class Adapters(Method):
    """Freeze the model, train one adapter a block."""

    Options = AdapterOptions

    def insert(self, backbone: Backbone) -> None:
        """One adapter in each attention and feed-forward block of encoder and decoder."""
        dim = backbone.model.config.hidden_size
        # Drawn apart from the global generator, so that the same recipe gives the same adapters anywhere.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            for _, block in backbone.sublayers():
                block.adapter = BottleneckAdapter(dim, self.options.bottleneck_dim)
                block.register_forward_hook(_through_adapter)

    def trains(self, name: str, backbone: Backbone) -> bool:
        """The adapters alone."""
        return ".adapter." in name
