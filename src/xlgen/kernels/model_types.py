"""Types of what the transformers library makes, for annotations; this module does not import the library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

ModelPart: TypeAlias = Any
"""A module of a model, such as a decoder layer, whose submodules are named by the architecture.

``torch.nn.Module`` declares each of its attributes as ``Tensor | Module``, so a type checker would reject
``block.layer[0].SelfAttention.q``.
"""

TransformersModel: TypeAlias = Any
"""A model of the library, or an encoder of one under a head of this package: its parts are :data:`ModelPart`."""

TransformersConfig: TypeAlias = "PreTrainedConfig"
"""The config of a model. Its fields depend on the architecture."""

TransformersTokenizer: TypeAlias = "PreTrainedTokenizerBase"
"""A tokenizer of the library."""

ForwardArguments: TypeAlias = tuple[Any, ...]
"""The positional arguments of a module's ``forward``, as a hook receives them: tensors, caches and flags."""

ForwardKeywords: TypeAlias = dict[str, Any]
"""The keyword arguments of a module's ``forward``, as a hook receives them: tensors, caches and flags."""

ModuleOutput: TypeAlias = Tensor | tuple[Any, ...]
"""The output of a block: states, which attention weights and caches may follow."""
