"""Names of the parts of a model: blocks, linear maps, and groups of parameters to freeze."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import nn

from xlgen.kernels.model_types import TransformersModel

# T5 names its layers ``encoder.block.3``, BART ``encoder.layers.3``.
_LAYER = re.compile(r"\b(encoder|decoder)\.(?:block|layers)\.(\d+)\.")


class ModelParts(ABC):
    """The names that a family gives to the modules of its models; methods insert modules and freeze parts by them."""

    model: TransformersModel
    attention_modules: ClassVar[tuple[str, ...]]
    """Last parts of the names of attention blocks (self and cross)."""
    feed_forward_modules: ClassVar[tuple[str, ...]]
    """Last parts of the names of modules whose output is the output of a feed-forward block."""
    entrances: ClassVar[Mapping[str, str]] = {}
    """Last part of the name of the module that takes a block's input, if it is not the module that gives its output."""
    projections: ClassVar[Mapping[str, tuple[str, ...]]]
    """Last parts of the names of linear maps: query, key, value, output, feed_forward_in, feed_forward_out."""
    library_names: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    """Prefixes of parameter names in the library's class with a head, by our prefixes, for each form of a head
    (``tagging``, ``classification``) that the library has a class for."""
    peft_task_type: ClassVar[str | None] = "SEQ_2_SEQ_LM"
    """``task_type`` in configs of the peft library."""

    def parts(self) -> Mapping[str, tuple[str, ...]]:
        """Named parts for freezing, each a tuple of prefixes of parameter names."""
        return {
            "encoder": ("encoder.", "model.encoder."),
            "decoder": ("decoder.", "model.decoder."),
            "embeddings": ("shared.", "model.shared."),
            "lm_head": ("lm_head.",),
        }

    @property
    @abstractmethod
    def decoder_shape(self) -> tuple[int, int, int]:
        """Layers of the decoder, heads of its attention, and the dimension of a head."""

    def is_fresh(self, name: str) -> bool:
        """Whether the parameter ``name`` is not pretrained, so that every method trains and saves it."""
        return False

    def depth(self, name: str) -> int:
        """Number of layers between a parameter and the output.

        It is 0 for the head and final norms, 1 for the top layers of encoder and decoder, and one more than the number
        of layers for the embeddings.
        """
        found = _LAYER.search(name)
        config = self.model.config
        layers = {"encoder": config.num_hidden_layers, "decoder": getattr(config, "decoder_layers", None)}
        layers["decoder"] = layers["decoder"] or getattr(config, "num_decoder_layers", layers["encoder"])
        if found:
            return int(layers[found[1]]) - int(found[2])
        return 1 + int(max(layers.values())) if "embed" in name or "shared." in name else 0

    def sublayers(self, attention: bool = True) -> list[tuple[str, nn.Module]]:
        """Feed-forward blocks of encoder and decoder with their names; with ``attention``, attention blocks too."""
        wanted = (*(self.attention_modules if attention else ()), *self.feed_forward_modules)
        return [(name, module) for name, module in self.model.named_modules() if name.rsplit(".", 1)[-1] in wanted]

    @property
    def encoder(self) -> nn.Module:
        """The module that maps ``input_ids`` and ``attention_mask`` to states."""
        encoder: nn.Module = self.model.get_encoder()
        return encoder

    @property
    def weight_names(self) -> Mapping[str, tuple[str, ...]]:
        """The ends of the names of linear maps, by kind.

        Unlike ``projections``, they may include ends that match several kinds, of which the longest match is right:
        enough to find weights, but not to insert modules.
        """
        return self.projections

    def entrance(self, name: str) -> nn.Module:
        """The module whose input is the input of the block called ``name`` by ``sublayers``."""
        parent, _, last = name.rpartition(".")
        module: nn.Module = self.model.get_submodule(f"{parent}.{self.entrances.get(last, last)}")
        return module
