"""What is checked of a checkpoint's files before a model answers from them: sizes, names of tensors, and numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from xlgen.backbones.base import BackboneError
from xlgen.untrusted import check_regular

_MOST_LAYERS = 1_000
_LARGEST_SIZE = 16_000_000
_COUNTS = re.compile(r"(?:^|_)(?:num_)?(?:hidden_|encoder_|decoder_)?layers$")
_SIZES = re.compile(
    r"(?:^|_)(?:d_model|d_kv|d_ff|ffn_dim|hidden_size|intermediate_size|vocab_size|heads|position_embeddings)$"
)
SENTENCEPIECE = ("spiece.model", "sentencepiece.bpe.model", "tokenizer.model")
_IN_A_LAYER = re.compile(r"\.\d+\.")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file. Raises InputError for a pipe or a device, OSError and SafetensorError."""
    check_regular(path)
    return load_file(path)


def check_sizes(folder: str, config: Mapping[str, Any]) -> None:
    """Raise BackboneError where a config names a size that no model has: building it would not end, or fit nowhere."""
    for name, value in config.items():
        counts, sizes = _COUNTS.search(name), _SIZES.search(name)
        if not (counts or sizes) or value is None:
            continue
        most = _MOST_LAYERS if counts else _LARGEST_SIZE
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= most:
            raise BackboneError(
                f"the config of {folder} cannot be read: {name} is {str(value)[:40]!r}, and must be a whole number "
                f"from 1 to {most:,}"
            )


def check_tokenizer(folder: str, tokenizer: Any, config: Any) -> None:
    """Raise BackboneError where a tokenizer has pieces that a model has no embedding of."""
    backend, size = getattr(tokenizer, "backend_tokenizer", None), getattr(config, "vocab_size", None)
    if backend is None or size is None:
        return
    largest = max(backend.get_vocab(with_added_tokens=False).values(), default=0)
    if largest >= size:
        raise BackboneError(
            f"the tokenizer of {folder} has pieces up to id {largest}, and the model {size} embeddings: it is the "
            "tokenizer of another model"
        )


def check_names(folder: str, unexpected: Iterable[str]) -> None:
    """Raise BackboneError where weights are of layers that a config says are not there.

    What else a file holds besides, such as the head of another task, is passed over.
    """
    layers = sorted(name for name in map(str, unexpected) if _IN_A_LAYER.search(name))
    if layers:
        raise BackboneError(
            f"the weights in {folder} do not fit its config.json: {len(layers)} tensors are of layers that it does not "
            f"name, first {layers[0]}"
        )


def check_finite(tensors: Mapping[str, Tensor], where: str) -> None:
    """Raise BackboneError for weights that are NaN or infinite."""
    for name, tensor in tensors.items():
        # A sum is not finite where a part is not; that it overflows is rare, and looked into.
        if tensor.is_floating_point() and not tensor.sum().isfinite() and not tensor.isfinite().all():
            raise BackboneError(
                f"the weights in {where} are not finite: {name} holds NaN or infinity. Their training has diverged, or "
                "the file is damaged; take an earlier checkpoint"
            )
