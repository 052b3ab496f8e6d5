"""The files that hold a tokenizer's vocabulary."""

from __future__ import annotations

from pathlib import Path

from xlgen.backbones.base import BackboneError
from xlgen.kernels.model_types import TransformersTokenizer


def check_vocabulary(folder: str, tokenizer: TransformersTokenizer) -> None:
    """Raise BackboneError for a folder without a vocabulary, from which the library builds an empty tokenizer."""
    names = sorted({*type(tokenizer).vocab_files_names.values(), "tokenizer.json"})
    if Path(folder).is_dir() and not any((Path(folder) / name).is_file() for name in names):
        raise BackboneError(
            f"{folder} has no file of its tokenizer's vocabulary ({', '.join(names)}), without which no text can be "
            "read or written; copy it from the backbone that was trained"
        )
