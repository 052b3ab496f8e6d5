"""Modules that train faster on a CPU than the library's, with the same results: attention, embeddings, linear maps,
dropout, T5's norm and its gated GELU."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.activations import NewGELUActivation
from transformers.models.mt5.modeling_mt5 import MT5DenseGatedActDense, MT5LayerNorm
from transformers.models.umt5.modeling_umt5 import UMT5DenseGatedActDense, UMT5LayerNorm

from xlgen.backbones.base import Backbone
from xlgen.kernels import attention
from xlgen.kernels.autograd_types import AutogradContext, TensorFunction
from xlgen.kernels.decoder_steps import kernels_for
from xlgen.kernels.embedding_gradients import embedding
from xlgen.kernels.model_types import ModelPart, TransformersModel
from xlgen.kernels.products import linear, onednn_trains_faster


def make_faster(backbone: Backbone) -> None:
    """Replace operations of a model on the CPU by faster equivalents. Wrappers and hooks that are added later work.

    A backbone without a decoder is left as it is.
    """
    if not backbone.decodes:
        return
    model = backbone.model
    head = model.get_output_embeddings()  # its forward pass computes the loss (xlgen.kernels.cross_entropy)
    table = model.get_input_embeddings().weight
    if kernels_for(table) is not None:
        model.set_attn_implementation(attention.NAME)
    for module in model.modules():
        if type(module) is nn.Linear and module is not head and onednn_trains_faster():
            vars(module)["forward"] = partial(_linear, module)
        elif isinstance(module, NewGELUActivation):
            vars(module)["forward"] = partial(functional.gelu, approximate="tanh")
        elif type(module) is nn.Embedding and module.weight is table is not head.weight:
            vars(module)["forward"] = partial(embedding, module=module)
        elif type(module) is nn.Dropout:
            vars(module)["forward"] = partial(_dropout, module)
        elif isinstance(module, (MT5LayerNorm, UMT5LayerNorm)):
            vars(module)["forward"] = partial(_norm, module)
        elif isinstance(module, (MT5DenseGatedActDense, UMT5DenseGatedActDense)):
            vars(module)["forward"] = partial(_gated, module)
    for name, module in model.named_modules():
        if name.endswith(backbone.attention_modules):
            _join_projections(backbone, module, is_cross=name.endswith(backbone.attention_modules[1:]))


def _join_projections(backbone: Backbone, block: ModelPart, is_cross: bool) -> None:
    """Compute query, key and value of an attention block in one product; of cross-attention, only key and value."""
    kinds = ("key", "value") if is_cross else ("query", "key", "value")
    maps = [getattr(block, backbone.projections[kind][0]) for kind in kinds]
    joined = _Joined(maps)
    for index, module in enumerate(maps):
        vars(module)["forward"] = partial(joined.forward, index)


class _Joined:
    """Linear maps of the same input, which are computed in one product, forward and backward.

    The first map that gets an input computes the results of all, which the others return if they get the same input.
    """

    def __init__(self, maps: Sequence[nn.Linear]) -> None:
        self._maps = maps
        self._input: Tensor | None = None
        self._results: dict[int, Tensor] = {}
        """Results for the input that are not returned yet, by the index of the map."""

    def __getstate__(self) -> dict[str, object]:
        """Leave out the results, so that models can be copied."""
        return {"_maps": self._maps, "_input": None, "_results": {}}

    def forward(self, index: int, states: Tensor) -> Tensor:
        """The forward pass of one of the maps."""
        if not torch.is_grad_enabled():  # joining the weights costs more than it saves in decoding
            module = self._maps[index]
            return _linear_map(states, module.weight, module.bias)
        if states is not self._input or index not in self._results:
            weights: list[Tensor] = [module.weight for module in self._maps]
            weight = torch.cat(weights)
            biases: list[Tensor] = [module.bias for module in self._maps if module.bias is not None]
            joined = _linear_map(states, weight, torch.cat(biases) if biases else None)
            parts = joined.split([len(module.weight) for module in self._maps], -1)
            self._input, self._results = states, dict(enumerate(parts))
        found = self._results.pop(index)
        if not self._results:
            self._input = None
        return found


def _linear(module: nn.Linear, states: Tensor) -> Tensor:
    return _linear_map(states, module.weight, module.bias)


def _linear_map(states: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A linear map in training, with the matrix library that is faster on this processor."""
    plain = states.dtype == weight.dtype == torch.float32 and states.device.type == "cpu"
    if not plain or torch.is_autocast_enabled("cpu") or not onednn_trains_faster():
        return functional.linear(states, weight, bias)
    return _Linear.apply(states, weight, bias)


class _Linear(TensorFunction):
    """``x W^T + b``, with :func:`linear` for the output and the gradient of ``x``, but not for that of ``W``."""

    @staticmethod
    def forward(ctx: AutogradContext, states: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(states, weight)
        return linear(states, weight, bias)

    @staticmethod
    def backward(ctx: AutogradContext, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        states, weight = ctx.saved_tensors
        needs_states, needs_weight, needs_bias = ctx.needs_input_grad
        gradient = upstream[0].reshape(-1, len(weight))
        of_states = linear(gradient, weight.t()).view(states.shape) if needs_states else None
        of_weight = gradient.t() @ states.reshape(-1, weight.shape[1]) if needs_weight else None
        return of_states, of_weight, gradient.sum(0) if needs_bias else None


def _gated(module: ModelPart, states: Tensor) -> Tensor:
    """The forward pass of T5's gated feed-forward block, with one product for both of its inputs."""
    gate, linear_part = module.wi_0, module.wi_1
    joins = torch.is_grad_enabled() and all(_is_plain(each) for each in (gate, linear_part, module.act))
    if not (joins and kernels_for(states) is not None and module.wo.weight.dtype == gate.weight.dtype):
        plain: Tensor = type(module).forward(module, states)
        return plain
    joined = _linear_map(states, torch.cat([gate.weight, linear_part.weight]), None)
    result: Tensor = module.wo(module.dropout(_GatedGelu.apply(joined)))
    return result


def _is_plain(module: nn.Module) -> bool:
    """Whether a linear map without bias, or the approximate GELU, has no wrapper and no hook."""
    if type(module) is nn.Linear and module.bias is not None:
        return False
    hooks = module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks
    return type(module) in (nn.Linear, NewGELUActivation) and not hooks


class _GatedGelu(TensorFunction):
    """``gelu(gate) * linear``, with both in one tensor."""

    @staticmethod
    def forward(ctx: AutogradContext, states: Tensor) -> Tensor:
        from xlgen.kernels import gated_gelu

        states = states.detach().contiguous()
        ctx.save_for_backward(states)
        return gated_gelu.forward(states)

    @staticmethod
    def backward(ctx: AutogradContext, *upstream: Tensor) -> tuple[Tensor]:
        from xlgen.kernels import gated_gelu

        (states,) = ctx.saved_tensors
        return (gated_gelu.backward(states, upstream[0].to(states.dtype).contiguous()),)


def _dropout(module: nn.Dropout, states: Tensor) -> Tensor:
    """The forward pass of dropout."""
    if not module.training or module.p in (0, 1) or kernels_for(states) is None:
        return functional.dropout(states, module.p, module.training)
    return _Dropout.apply(states, module.p, attention.new_seed())


class _DropoutContext(AutogradContext):
    drawn: tuple[float, int]


class _Dropout(TensorFunction):
    """Dropout that draws the same elements from a seed in both passes."""

    @staticmethod
    def forward(ctx: _DropoutContext, states: Tensor, probability: float, seed: int) -> Tensor:
        from xlgen.kernels.dropout import drop

        ctx.drawn = probability, seed
        return drop(states, probability, seed)

    @staticmethod
    def backward(ctx: _DropoutContext, *upstream: Tensor) -> tuple[Tensor, None, None]:
        from xlgen.kernels.dropout import drop

        return drop(upstream[0], *ctx.drawn), None, None


def _norm(module: ModelPart, states: Tensor) -> Tensor:
    """T5's layer norm. Under autocast the result has its precision: the next operation would round it anyway."""
    weight: Tensor = module.weight
    if weight.dtype != torch.float32 or kernels_for(states) is None:
        plain: Tensor = type(module).forward(module, states)
        return plain
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else states.dtype
    return _Norm.apply(states, weight, module.variance_epsilon, dtype)


class _Norm(TensorFunction):
    """``x / sqrt(mean(x ** 2) + epsilon) * weight``."""

    @staticmethod
    def forward(ctx: AutogradContext, states: Tensor, weight: Tensor, epsilon: float, dtype: torch.dtype) -> Tensor:
        from xlgen.kernels import norms

        rows = states.detach().reshape(-1, states.shape[-1])
        out, scales = norms.forward(rows, weight.detach(), epsilon, dtype)
        ctx.save_for_backward(rows, weight.detach(), scales)
        return out.view(states.shape)

    @staticmethod
    def backward(ctx: AutogradContext, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        from xlgen.kernels import norms

        rows, weight, scales = ctx.saved_tensors
        gradient = upstream[0].reshape(rows.shape).contiguous()
        of_states, of_weight = norms.backward(rows, weight, scales, gradient)
        return of_states.view(upstream[0].shape), of_weight if ctx.needs_input_grad[1] else None, None, None


def checkpoint_layers(model: TransformersModel) -> None:
    """Use activation checkpointing: keep only each layer's input, and recompute the rest in the backward pass."""
    # transformers 5.17 has only the older name. The reentrant variant gives modules inserted into frozen layers no
    # gradient.
    if hasattr(model, "activation_checkpointing_enable"):
        model.activation_checkpointing_enable({"use_reentrant": False})
    else:
        model.gradient_checkpointing_enable({"use_reentrant": False})


def set_dropout(model: nn.Module, probability: float) -> None:
    """Give every dropout of ``model`` the same probability."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = probability
        # mBART and M2M-100 call the functional form with these attributes.
        for name in ("dropout", "attention_dropout", "activation_dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, probability)
