"""The files from which the library builds a model and its tokenizer, and their digests."""

from __future__ import annotations

from pathlib import Path

from xlgen.backbones.base import Backbone, BackboneError
from xlgen.backbones.checking import SENTENCEPIECE
from xlgen.backbones.finding import embedded, find_file, read_config
from xlgen.backbones.heads import HEAD_FILE
from xlgen.backbones.trimming.record import record_of
from xlgen.core.run_layout import ABOUT
from xlgen.kernels.model_types import TransformersTokenizer
from xlgen.runs.checkpoint_description import About
from xlgen.runs.digests import changes, digests

WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
_GENERATION = "generation_config.json"
_ADAPTER_CONFIG = "adapter_config.json"
"""If peft is installed, the library adds the adapters of such a file to the model that it opens."""
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")


def source_files(folder: str, tokenizer: TransformersTokenizer, weights: bool = True) -> dict[str, str]:
    """Digests of the files that determine a backbone's outputs, by name.

    Args:
        folder: A local folder, or an id on the Hub.
        tokenizer: The loaded tokenizer; its class lists further files.
        weights: Whether the weights are loaded; otherwise they are random.

    Raises:
        BackboneError: for a file that cannot be read.
    """
    config = find_file(folder, "config.json")
    if config is None:
        return {}
    place = config.parent  # a Hub id: the cache keeps this version
    versions = {path.name for path in place.glob("tokenizer.*.json")}  # files for other versions of the library
    names = {"config.json", *_TOKENIZER, *SENTENCEPIECE, *versions, *type(tokenizer).vocab_files_names.values()}
    if weights:
        names |= {_GENERATION, HEAD_FILE, WEIGHTS_INDEX, *(path.name for path in weight_files(folder))}
    return digests(place, names)


def weight_files(folder: str) -> list[Path]:
    """The safetensors files of a checkpoint; empty if there are none. Raises BackboneError for a bad index."""
    whole = find_file(folder, WEIGHTS)
    if whole is not None:
        return [whole]
    index = read_config(folder, WEIGHTS_INDEX)
    if index is None:
        return []
    try:
        parts = {name: find_file(folder, name) for name in set(index["weight_map"].values())}
    except (TypeError, KeyError, AttributeError):
        raise BackboneError(f"{folder}: {WEIGHTS_INDEX} has no weight_map from tensors to files") from None
    if absent := sorted(name for name, path in parts.items() if path is None):
        raise BackboneError(f"{folder}: {WEIGHTS_INDEX} names {absent[0]}, which is not there")
    return [path for _, path in sorted(parts.items()) if path is not None]


def check_no_adapters(folder: str) -> None:
    """Raise BackboneError for a model with adapters in its folder, which are applied only if peft is installed."""
    config = find_file(folder, "config.json")
    if config is not None and (config.parent / _ADAPTER_CONFIG).is_file():
        raise BackboneError(
            f"{folder} holds the weights of a whole model and {_ADAPTER_CONFIG}. If peft is installed, transformers "
            "adds these adapters to the weights, which may contain them already; otherwise it ignores them. Move "
            f"{_ADAPTER_CONFIG} out of the folder, or merge the adapters and save the model in a new folder"
        )


def check_backbone(about: About, backbone: Backbone) -> None:
    """Raise BackboneError if a backbone has changed since a checkpoint was trained on it."""
    _check_trim(about, backbone)
    before, now = about.backbone_files, backbone.files
    if before is None:
        return
    name = backbone.name
    if (
        not Path(name).is_dir() and name not in embedded()
    ):  # for an id on the Hub, the cache may have more or fewer files
        shared = before.keys() & now.keys()
        before, now = ({key: each[key] for key in shared} for each in (before, now))
    if changed := changes(before, now):
        cause = "it comes with another version of xlgen" if name in embedded() else "put its files back"
        raise BackboneError(
            f"the backbone {name} has changed since the checkpoint was trained on it: {changed}. The checkpoint does "
            f"not hold these, and its outputs would be others; {cause}. If the change is intended, remove "
            f"`backbone_files` from the checkpoint's {ABOUT}"
        )


def _check_trim(about: About, backbone: Backbone) -> None:
    """Raise BackboneError if a backbone has other tokens than the one that a checkpoint was trained on."""
    before, now = None if about.trim is None else record_of(about.trim, ABOUT), backbone.trim
    if (before and before.digest) == (now and now.digest):
        return
    was = "the whole vocabulary" if before is None else f"a trimmed vocabulary ({before})"
    has = "the whole one" if now is None else f"a trimmed one ({now})"
    raise BackboneError(
        f"the checkpoint was trained on {was}, and the backbone {backbone.name} has {has}: their ids differ. Use the "
        "backbone that it was trained on; `xlgen untrim` merges a trained model into the whole vocabulary"
    )
