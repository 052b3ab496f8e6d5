"""Tokenizer files that transformers 4.5x and 5.x read alike, with byte fallback if the vocabulary has byte tokens."""

from __future__ import annotations

import json
from pathlib import Path

from xlgen.backbones.base import Backbone
from xlgen.core.json_types import JsonObject

# Keys that transformers 5 writes for its own loading; transformers 4.5x passes them to classes that reject them.
_OF_LOADING = ("backend", "is_local", "local_files_only", "unk_id")


def save_tokenizer(backbone: Backbone, folder: Path) -> None:
    """Write ``tokenizer.json`` and ``tokenizer_config.json`` into ``folder``."""
    backbone.tokenizer.save_pretrained(folder)
    config = read_json(folder / "tokenizer_config.json")
    for key in _OF_LOADING:
        config.pop(key, None)
    # transformers 5 writes a list under a key that must be a mapping in 4.5x; both read the older key.
    if extra := config.pop("extra_special_tokens", None):
        config["additional_special_tokens"] = extra
    if backbone.text.has_bytes:
        _use_bytes(folder / "tokenizer.json")
        # The library's class for mT5 builds another model from the file, without byte fallback.
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
        for key in ("extra_ids", "sp_model_kwargs"):
            config.pop(key, None)
    write_json(folder / "tokenizer_config.json", config)


def _use_bytes(file: Path) -> None:
    whole = read_json(file)
    whole["model"]["byte_fallback"] = True
    whole["decoder"] = {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, whole["decoder"]]}
    file.write_text(json.dumps(whole, ensure_ascii=False), encoding="utf-8")


def read_json(file: Path) -> JsonObject:
    """Read a JSON object."""
    found: JsonObject = json.loads(file.read_text(encoding="utf-8"))
    return found


def write_json(file: Path, data: JsonObject) -> None:
    """Write a JSON object."""
    file.write_text(json.dumps(data, indent=2, ensure_ascii=False), encoding="utf-8")
