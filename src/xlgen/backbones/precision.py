"""Decoding in half precision: weights are converted for the duration, and restored exactly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

from torch import nn

from xlgen.backbones.loading import DTYPES


@contextmanager
def weights_in(model: nn.Module, precision: str) -> Iterator[None]:
    """Within the context, the floating-point parameters and buffers of ``model`` are in ``precision``.

    Decoding a token reads every weight once, so half the bytes take nearly half the time. The original weights are kept
    alongside, since rounding would lose precision that training needs.
    """
    dtype = DTYPES[precision]
    kept = [
        (tensor, tensor.data)
        for tensor in chain(model.parameters(), model.buffers())
        if tensor.is_floating_point() and tensor.dtype != dtype
    ]
    try:
        for tensor, data in kept:
            tensor.data = data.to(dtype)
        yield
    finally:
        for tensor, data in kept:
            tensor.data = data
