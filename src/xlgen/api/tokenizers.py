"""Train tokenizers on your own corpus, each with a config and random weights to pretrain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xlgen.core.extras import require
from xlgen.core.json_types import JsonMapping
from xlgen.core.registry import InputError

if TYPE_CHECKING:
    from xlgen.training.skeleton import Written


def tokenizer(
    corpus: str | Path | JsonMapping,
    *,
    out: str | Path,
    family: str,
    languages: Sequence[str] = (),
    vocab_size: int = 8_000,
    width: int = 256,
    layers: int = 4,
    heads: int = 8,
    data_dir: str | Path = ".",
    seed: int = 0,
) -> Written:
    """Train a tokenizer on your own corpus, and write it with a config and random weights to pretrain.

    ``xlgen.train`` then takes the folder as a backbone, with objectives on the same corpus (recipe pocket-mt5 shows
    how).

    Args:
        corpus: A reader of unlabelled text whose rows have the field ``text``: a mapping, YAML or a YAML file.
        out: A new folder.
        family: Backbone family (``xlgen list skeletons``).
        languages: Language codes. By default, all that the reader knows.
        vocab_size: Size of the vocabulary.
        width: Width of the hidden states.
        layers: Number of layers of the encoder, and of the decoder.
        heads: Number of attention heads, which must divide ``width``.
        data_dir: Folder that relative paths start from.
        seed: Seed of the weights.

    Returns:
        The folder, the sizes of the vocabulary and the model, and the number of tokens per character in each language.

    Raises:
        InputError: for a wrong option, a corpus without text, or a folder that cannot be written.
    """
    require("train", "a tokenizer")
    from xlgen.core.yaml_config import yaml_setting

    found = yaml_setting(corpus, "the corpus")
    if not isinstance(found, Mapping):
        raise InputError('the corpus must be a mapping, such as {name: lines, path: "corpus/{language}.txt"}')
    from xlgen.backbones.skeletons import Shape
    from xlgen.training.skeleton import write_skeleton

    shape = Shape(vocab_size, width, layers, heads, 2 * width)
    codes = list(languages) or None
    return write_skeleton(family, found, Path(out), languages=codes, shape=shape, data_dir=Path(data_dir), seed=seed)
