"""Checks of a checkpoint's files before a model is used: sizes, names of tensors, and values of weights."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from xlgen.backbones.base import BackboneError
from xlgen.core.untrusted import check_regular
from xlgen.kernels.model_types import TransformersConfig, TransformersModel, TransformersTokenizer

_LARGEST_WEIGHT = 1e8
"""Ten thousand times the largest weight of published models, and of prompts trained at high learning rates."""
_ROWS = 1_000
_CAUSE = "The file is damaged, or its training has diverged; take an earlier checkpoint"
SENTENCEPIECE = ("spiece.model", "sentencepiece.bpe.model", "tokenizer.model")
_IN_A_LAYER = re.compile(r"\.\d+\.")


class WeightsError(BackboneError):
    """The weights are damaged, or their training has diverged."""


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file. Raises InputError for a pipe or a device, OSError and SafetensorError."""
    check_regular(path)
    return load_file(path)


def check_tokenizer(folder: str, tokenizer: TransformersTokenizer, config: TransformersConfig) -> None:
    """Raise BackboneError if a tokenizer has tokens that the model has no embedding for."""
    backend, size = getattr(tokenizer, "backend_tokenizer", None), getattr(config, "vocab_size", None)
    if backend is None or size is None:
        return
    largest = max(backend.get_vocab(with_added_tokens=False).values(), default=0)
    if largest >= size:
        raise BackboneError(
            f"the tokenizer of {folder} has tokens up to id {largest}, but the model has {size} embeddings: it is the "
            "tokenizer of another model"
        )


def check_types(path: Path) -> None:
    """Raise BackboneError if a safetensors file has integers for weights."""
    with (
        suppress(OSError, SafetensorError),
        safe_open(path, "pt") as file,
    ):  # the reader of the weights reports such files
        for name in file.keys():  # noqa: SIM118 - it is not a mapping
            dtype = file.get_slice(name).get_dtype()
            if name.rpartition(".")[2] in ("weight", "bias") and not dtype.startswith(("F", "BF")):
                raise BackboneError(
                    f"the weights in {path.parent} are damaged: {name} holds {dtype} values, not weights"
                )


def check_names(folder: str, unexpected: Iterable[object]) -> None:
    """Raise BackboneError if weights belong to layers that the config does not have.

    Other unexpected weights, such as the head of another task, are ignored.
    """
    layers = sorted(name for name in map(str, unexpected) if _IN_A_LAYER.search(name))
    if layers:
        raise BackboneError(
            f"the weights in {folder} do not fit its config.json: {len(layers)} tensors are of layers that it does not "
            f"have, first {layers[0]}"
        )


def check_weights(tensors: Mapping[str, Tensor], where: str) -> None:
    """Raise WeightsError for weights that are NaN or infinite, or larger than any model's."""
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or not tensor.numel():
            continue
        low, high = (float(value) for value in torch.aminmax(tensor.detach()))  # both are NaN if any value is
        if not (math.isfinite(low) and math.isfinite(high)):
            raise WeightsError(f"the weights in {where} are not finite: {name} holds NaN or infinity. {_CAUSE}")
        if max(-low, high) > _LARGEST_WEIGHT:
            raise WeightsError(
                f"the weights in {where} are too large: {name} holds {max(-low, high):.3g}, and no model has weights "
                f"over {_LARGEST_WEIGHT:.0e}. {_CAUSE}"
            )


def check_embeddings(encoder: TransformersModel, where: str) -> None:
    """Raise WeightsError if the embeddings of all tokens are zero. Other parts of a model may start at zero."""
    weight = encoder.get_input_embeddings().weight
    if not weight[:_ROWS].any() and not weight.any():
        raise WeightsError(f"the weights in {where} are all zero where its embeddings should be. {_CAUSE}")


def check_states(states: Tensor, name: str) -> None:
    """Raise WeightsError if a row of decoder states is not finite or all zero, so that no token can be chosen from it.

    Args:
        states: The input of the output matrix, (rows, width).
        name: The model's name, for the message.
    """
    if states.device.type == "cpu":  # NumPy's functions are called in less time
        sizes = np.abs(states.float().numpy()).sum(-1)
        fine = bool(sizes.min() > 0 and sizes.max() < np.inf)  # neither holds for NaN
    else:
        total = states.float().abs().sum(-1)
        fine = bool(((total > 0) & (total < torch.inf)).all())
    if not fine:
        raise WeightsError(f"{name}: the states of the decoder are not finite, or all zero. {_CAUSE}")
