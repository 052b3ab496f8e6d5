"""One decoder step optimized for decoding: a token in, logits out, with keys and values in flat buffers.

The backbone's own modules do the arithmetic, including hooks, so a step is correct for every adaptation method. Linear
maps without wrappers or hooks are joined into one product, and computed without their modules
(:mod:`xlgen.kernels.arithmetic`).

A beam that continues from another one does not copy its keys and values: these stay in their slot, and each beam
records the slot of its token in each column. All beams of an input attend to all of its slots together, which costs
some extra products but no copies.

Shapes: ``rows`` hypotheses (``inputs * beams``), ``columns`` of the self-attention cache in each of ``beams`` slots,
``source`` tokens, ``heads``, ``dim`` of a head, ``width`` of the model.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache, cached_property
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from xlgen.kernels.model_types import ModelPart

if TYPE_CHECKING:
    from xlgen.kernels.numba_types import Array

CHUNK = 32
"""Columns of both caches are a multiple of this, which is a multiple of the columns of a tile (see ``tiles``)."""

Pair = tuple[Tensor, Tensor]
"""Keys and values of one layer."""

COMPILED_FOR = (torch.float32, torch.bfloat16)
"""Dtypes that compiled code supports."""


class Layout(NamedTuple):
    """Where the columns of a pair's keys and values are."""

    dims: tuple[int, int]
    """The dimension of columns."""
    units: tuple[int, int] = (1, 1)
    """The number of columns for each element of this dimension."""

    def pad(self, pair: Pair, before: int, after: int) -> Pair:
        """Add columns of zeros."""
        keys, values = (
            functional.pad(tensor, (*(0, 0) * (tensor.dim() - 1 - dim), before // unit, after // unit))
            for tensor, dim, unit in zip(pair, self.dims, self.units, strict=True)
        )
        return keys, values

    def narrow(self, pair: Pair, start: int, length: int) -> Pair:
        """Views of ``length`` columns from ``start`` on."""
        keys, values = (
            tensor.narrow(dim, start // unit, length // unit)
            for tensor, dim, unit in zip(pair, self.dims, self.units, strict=True)
        )
        return keys, values

    def overwrite(self, pair: Pair, start: int, rows: Tensor, new: Pair) -> None:
        """Write the columns of ``new`` to ``rows``, from the column ``start`` on."""
        length = new[1].shape[self.dims[1]] * self.units[1]
        for part, of_new in zip(self.narrow(pair, start, length), new, strict=True):
            part[rows] = of_new


PAST = Layout((3, 1))
"""Keys (inputs, heads, dim, columns, beams), whose products with a query are vectors, and values (inputs, columns,
beams, heads * dim)."""
SOURCE = Layout((3, 2))
"""Keys (inputs, heads, dim, source) and values (inputs, heads, source, dim)."""
SOURCE_IN_BLOCKS = Layout((1, 2), (CHUNK, 1))
"""Keys (inputs, source / CHUNK, heads, dim, CHUNK), which compiled code reads in this order, and values as above."""


@dataclass
class KVCache:
    """Keys and values of the previous steps. Every tensor is contiguous, because attention is bound by memory."""

    past: list[Pair]
    """Self-attention, one pair per layer, in the layout PAST. The last columns may still be empty."""
    source: list[Pair]
    """Cross-attention, one pair per layer, shared by an input's beams, in the layout ``source_layout``."""
    source_layout: Layout
    """SOURCE, or SOURCE_IN_BLOCKS for compiled code."""
    source_mask: Tensor
    """0 for tokens, minus infinity for padding, in fp32 for compiled code: (inputs, source)."""
    first: Tensor
    """The column at which each input begins: (inputs,)."""
    slots: Tensor
    """The slot of each beam's token in each column, -1 if there is none: (inputs, beams, columns)."""
    even: bool = True
    """Whether all inputs begin at column 0."""

    def __setattr__(self, name: str, value: object) -> None:
        vars(self).pop("arrays", None)
        super().__setattr__(name, value)

    @property
    def columns(self) -> int:
        """The number of columns, including empty ones."""
        return self.past[0][0].shape[PAST.dims[0]]

    @cached_property
    def arrays(self) -> CacheArrays:
        """The same memory as arrays. They are kept until a tensor is replaced."""
        from xlgen.kernels.numba_parts import array

        past, source = ([(array(k.view(-1)), array(v.view(-1))) for k, v in each] for each in (self.past, self.source))
        rest = map(array, (self.source_mask, self.first, self.slots))
        return CacheArrays(past, source, self.past[0][0].shape[1], self.columns, *rest)


class CacheArrays(NamedTuple):
    """A :class:`KVCache` as arrays; those of pairs are flat."""

    past: list[tuple[Array, Array]]
    source: list[tuple[Array, Array]]
    heads: int
    columns: int
    source_mask: Array
    first: Array
    slots: Array


class DecoderStep(ABC):
    """A decoder of one family."""

    layers: int
    heads: int
    dim: int
    source_layout: Layout

    @abstractmethod
    def source(self, states: Tensor) -> list[Pair]:
        """Keys and values of cross-attention for encoder states (inputs, source, width); see :class:`KVCache`."""

    @abstractmethod
    def hidden(self, tokens: Tensor, memory: KVCache, column: int) -> Tensor:
        """The input of the head after ``tokens`` (rows,) at ``column``: (rows, width).

        Writes the tokens' keys and values into ``memory.past``.
        """

    @abstractmethod
    def norm(self, hidden: Tensor) -> Tensor:
        """The decoder's final norm after the last layer: (..., width) to the same shape."""

    @abstractmethod
    def logits(self, hidden: Tensor) -> Tensor:
        """The logits for the result of :meth:`hidden`: (rows, vocabulary)."""

    plain_head: tuple[Tensor, Tensor | None] | None
    """The matrix (vocabulary, width) and the bias (vocabulary,) of a plain linear head; None for any other head."""

    def new_past(self, inputs: int, beams: int, columns: int, like: Tensor) -> list[Pair]:
        """An empty cache."""
        keys = (inputs, self.heads, self.dim, columns, beams)
        values = (inputs, columns, beams, self.heads * self.dim)
        return [(like.new_zeros(keys), like.new_zeros(values)) for _ in range(self.layers)]


def by_distance(values: Tensor) -> Tensor:
    """Pad ``values`` of the last column for each column, (..., columns), with empty columns of minus infinity."""
    return functional.pad(values, (0, CHUNK), value=-torch.inf)


class AttentionMask:
    """The previous columns that the tokens of one column attend to, and the bias of their scores."""

    def __init__(self, values: Tensor, memory: KVCache, column: int, longest: int) -> None:
        """``values``, (heads or 1, columns), come from :func:`by_distance` for ``longest`` + 1 columns; ``column`` is
        at most ``longest``."""
        if column > longest:
            raise ValueError(f"column {column} exceeds the maximum of the cache, {longest}")
        self.memory, self.column = memory, column
        self.values, self.distance = values, longest - column
        """The bias of column 0 is ``values[:, distance]``."""

    @cached_property
    def arrays(self) -> tuple[Array, int, int]:
        """``values``, ``distance`` and ``column``, for compiled code."""
        from xlgen.kernels.numba_parts import array

        return array(self.values), self.distance, self.column

    @cached_property
    def mask(self) -> Tensor:
        """The values to add to scores: (inputs or 1, heads or 1, beams or 1, columns * beams).

        Columns before an input's first column are hidden, and in each column a beam sees only its own ancestor's slot.
        """
        memory = self.memory
        bias = self.values[None, :, None, self.distance : self.distance + memory.columns]  # (1, heads or 1, 1, columns)
        beams = memory.slots.shape[1]
        if beams > 1:
            slots = torch.arange(beams, device=bias.device)
            seen = memory.slots[..., None] == slots  # (inputs, beams, columns, slots)
            return torch.where(seen[:, None], bias[..., None], -torch.inf).flatten(3)
        if memory.even:
            return bias
        columns = torch.arange(memory.columns, device=bias.device)
        hidden = columns[None] < memory.first[:, None]  # (inputs, columns)
        return bias.masked_fill(hidden[:, None, None], -torch.inf)


def kernels_for(tensor: Tensor) -> ModuleType | None:
    """``xlgen.kernels.decoder_kernels`` if the tensor is on the CPU, its type is supported and Numba is installed."""
    return _kernels() if tensor.device.type == "cpu" and tensor.dtype in COMPILED_FOR else None


@cache
def _kernels() -> ModuleType | None:
    try:
        return importlib.import_module("xlgen.kernels.decoder_kernels")
    except (ImportError, RuntimeError):  # Numba raises RuntimeError if it finds no folder for its cache
        return None


def has_hooks(module: nn.Module) -> bool:
    """Whether a module has forward hooks or forward pre-hooks."""
    return bool(module._forward_hooks or module._forward_pre_hooks)


def is_plain(module: nn.Module, kind: type[nn.Module] = nn.Linear) -> bool:
    """Whether a module is of exactly this type, without a method's wrapper and without hooks."""
    return type(module) is kind and not has_hooks(module)


def plain_head_of(module: ModelPart, bias: Tensor | None) -> tuple[Tensor, Tensor | None] | None:
    """See ``DecoderStep.plain_head``; ``bias`` is the model's own bias, in addition to the module's."""
    if not is_plain(module) or (bias is not None and module.bias is not None):
        return None
    return module.weight, module.bias if bias is None else bias.flatten()
