"""The modules that a method inserts into a model, in a form that can be used without xlgen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from xlgen.core.json_types import JsonObject


@dataclass(frozen=True)
class AdapterPlace:
    """Bottleneck adapters at one block of a model."""

    block: str
    """The name of the module whose output is adapted."""
    stack: tuple[str, ...]
    """The prefixes of the tensors of each adapter, in the order of application: ``NAME.down`` (rows, bottleneck, dim),
    ``NAME.down_bias`` (rows, bottleneck), ``NAME.up`` (rows, dim, bottleneck), ``NAME.up_bias`` (rows, dim)."""
    entrance: str | None = None
    """For an adapter parallel to the block, the module that receives the block's input."""


@dataclass(frozen=True)
class PromptPlace:
    """Vectors among the encoder's input embeddings."""

    tensor: str
    """The name of a tensor of shape (rows, tokens, dim)."""
    skip: int = 0
    """Number of tokens before the vectors."""


@dataclass(frozen=True)
class Inserted:
    """Everything that a method has inserted. Tensors have one row, or one row per language."""

    tensors: Mapping[str, Tensor]
    adapters: Sequence[AdapterPlace] = ()
    prompt: PromptPlace | None = None
    languages: Sequence[str] = field(default=())
    """The codes of the rows; empty if there is one row for all languages."""

    @property
    def about(self) -> JsonObject:
        """Everything except the tensors, as JSON."""
        return {
            "languages": list(self.languages),
            "adapters": [asdict(place) for place in self.adapters],
            "prompt": None if self.prompt is None else asdict(self.prompt),
        }

    def save_tensors(self, file: Path) -> None:
        """Write the tensors into a safetensors file."""
        save_file({name: tensor.detach().contiguous().clone() for name, tensor in self.tensors.items()}, file)


def bottleneck(prefix: str, tensors: Iterable[Tensor]) -> dict[str, Tensor]:
    """The tensors of one adapter (down, its bias, up, its bias), by name."""
    names = ("down", "down_bias", "up", "up_bias")
    return {f"{prefix}.{name}": tensor for name, tensor in zip(names, tensors, strict=True)}
