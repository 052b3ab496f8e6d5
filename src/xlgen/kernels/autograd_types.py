"""Types of autograd functions, for annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

if TYPE_CHECKING:

    class TensorFunction(torch.autograd.Function):
        """An autograd function with one tensor as its result."""

        @classmethod
        def apply(cls, *arguments: object) -> Tensor:
            """Call ``forward`` with ``arguments``."""
else:
    TensorFunction = torch.autograd.Function


class AutogradContext(FunctionCtx):
    """What PyTorch passes to ``forward`` and ``backward``. A subclass declares what its function keeps in it."""

    saved_tensors: tuple[Tensor, ...]
    """The tensors of ``save_for_backward``."""
    needs_input_grad: tuple[bool, ...]
    """Whether each argument of ``forward`` needs a gradient."""
