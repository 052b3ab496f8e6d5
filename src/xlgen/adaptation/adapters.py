"""Bottleneck adapters after or parallel to attention and feed-forward blocks.

Houlsby et al. (2019); Chirkova et al. (2023), section 3.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from xlgen.adaptation.base import Method, MethodOptions, methods
from xlgen.adaptation.inserted import AdapterPlace, Inserted, bottleneck
from xlgen.backbones.base import Backbone
from xlgen.kernels.model_types import ForwardArguments, ForwardKeywords, ModelPart, ModuleOutput


class AdapterOptions(MethodOptions):
    """Size and placement. Chirkova et al. (2023) used 64 after every block, once 2,048 with NLLB-200 (Appendix A)."""

    bottleneck_dim: int = Field(default=64, ge=1, le=65_536)
    """Inner width of an adapter."""
    placement: Literal["houlsby", "bapna", "parallel"] = "houlsby"
    """``houlsby``: after every attention (self and cross) and feed-forward block. ``bapna``: one per layer, after its
    feed-forward block (Bapna and Firat 2019, without their extra layer normalization). ``parallel``: parallel to every
    block, from its input to its output (He et al. 2022, section 3.2, with scale 1)."""


class BottleneckAdapter(nn.Module):
    """``h + W_up relu(W_down h)``. Initially ``W_up = 0``, so that step 0 equals the pretrained model.

    Args:
        dim: The width of the model.
        bottleneck_dim: The inner width.
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

    def change(self, hidden: Tensor) -> Tensor:
        """``W_up relu(W_down h)``; input and output have the shape (batch, length, dim)."""
        change: Tensor = self.up(functional.relu(self.down(hidden)))
        return change

    def forward(self, hidden: Tensor) -> Tensor:
        """Adapt hidden states of shape (batch, length, dim)."""
        return hidden + self.change(hidden)


def put_after(block: ModelPart, adapter: nn.Module) -> None:
    """Apply ``adapter`` to the output of ``block``."""
    block.adapter = adapter
    block.register_forward_hook(_through_adapter)


def put_parallel(block: ModelPart, entrance: ModelPart, adapter: BottleneckAdapter) -> None:
    """Add the change that ``adapter`` computes from the input of ``entrance`` to the output of ``block``."""
    block.adapter = adapter
    # Bypasses nn.Module, which would register the block as a submodule. In a copy of the model it is the copied block.
    entrance.__dict__["parallel_block"] = block
    entrance.register_forward_pre_hook(_enter, with_kwargs=True)
    block.register_forward_hook(_add_change)


def _through_adapter(block: ModelPart, inputs: ForwardArguments, output: ModuleOutput) -> ModuleOutput:
    """Forward hook: apply the adapter to the block's output, before the residual is added."""
    if isinstance(output, tuple):
        return (block.adapter(output[0]), *output[1:])
    adapted: Tensor = block.adapter(output)
    return adapted


def _enter(entrance: ModelPart, args: ForwardArguments, kwargs: ForwardKeywords) -> None:
    """Forward pre-hook: compute the change, and store it until the block has run."""
    hidden = args[0] if args else kwargs["hidden_states"]
    entrance.parallel_block.__dict__["change"] = entrance.parallel_block.adapter.change(hidden)


def _add_change(block: ModelPart, inputs: ForwardArguments, output: ModuleOutput) -> ModuleOutput:
    """Forward hook: add the change to the block's output, before the residual is added."""
    change = block.__dict__.pop("change")
    return (output[0] + change, *output[1:]) if isinstance(output, tuple) else output + change


@methods.register("adapters")
class Adapters(Method[AdapterOptions]):
    """Freeze the model and train bottleneck adapters in its blocks or layers."""

    Options = AdapterOptions

    def insert(self, backbone: Backbone) -> None:
        """Insert the adapters into encoder and decoder."""
        dim, placement = backbone.model.config.hidden_size, self.options.placement
        for name, block in self._blocks(backbone):
            adapter = BottleneckAdapter(dim, self.options.bottleneck_dim)
            if placement == "parallel":
                put_parallel(block, backbone.entrance(name), adapter)
            else:
                put_after(block, adapter)

    def inserted(self, backbone: Backbone) -> Inserted:
        """One adapter at each block."""
        tensors: dict[str, Tensor] = {}
        places = []
        for number, (name, block) in enumerate(self._blocks(backbone)):
            down, up = block.adapter.down, block.adapter.up
            one_row = (tensor[None] for tensor in (down.weight, down.bias, up.weight, up.bias))
            tensors |= bottleneck(str(number), one_row)
            entrance = self._entrance(backbone, name) if self.options.placement == "parallel" else None
            places.append(AdapterPlace(name, (str(number),), entrance))
        return Inserted(tensors, places)

    def _blocks(self, backbone: Backbone) -> list[tuple[str, ModelPart]]:
        return backbone.sublayers(attention=self.options.placement != "bapna")

    @staticmethod
    def _entrance(backbone: Backbone, name: str) -> str:
        """The name of the module that receives the block's input."""
        entrance = backbone.entrance(name)
        found: str = next(known for known, module in backbone.model.named_modules() if module is entrance)
        return found

    def trains(self, name: str, backbone: Backbone) -> bool:
        """Whether ``name`` is part of an adapter."""
        return ".adapter." in name
