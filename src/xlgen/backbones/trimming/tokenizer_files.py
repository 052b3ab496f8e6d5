"""Rewrite the files of a tokenizer for the kept tokens, each in its own format.

A file keeps everything else that is in it. Tokens keep their order, so that the id of a kept token is its rank among
the kept ids in every file, whether ids are written down (tokenizer.json) or follow from positions (SentencePiece).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

from xlgen.backbones.checking import SENTENCEPIECE
from xlgen.backbones.finding import find_file
from xlgen.backbones.heads import HEAD_FILE
from xlgen.backbones.trimming.vocabulary import TrimError, merges_of
from xlgen.core.json_types import JsonObject, JsonValue
from xlgen.core.untrusted import check_regular, read_object, read_text

TOKENIZER_JSON = "tokenizer.json"
_LARGEST = 256 * 2**20
_COPIED = ("special_tokens_map.json", "chat_template.jinja", HEAD_FILE)
"""Files without ids. They are copied."""
TOKENIZER_FILES = (
    *(TOKENIZER_JSON, "tokenizer_config.json", "added_tokens.json", "vocab.json", "merges.txt", "vocab.txt"),
    *SENTENCEPIECE,
    *_COPIED,
)


class KeptTokens:
    """The kept tokens of a vocabulary, and their new ids.

    Args:
        names: The token of each id of the whole vocabulary.
        kept: The ids to keep, in ascending order.
    """

    def __init__(self, names: Mapping[int, str], kept: list[int]) -> None:
        self.new = {old: new for new, old in enumerate(kept)}
        self.ids = {names[old]: new for old, new in self.new.items() if old in names}
        self._all = frozenset(names.values())

    def new_id(self, index: int) -> int:
        """The new id of a token that a config names. Raises TrimError if it is no token of the vocabulary."""
        if index not in self.new:
            raise TrimError(f"the config names the token id {index}, which the tokenizer does not have")
        return self.new[index]

    def drops(self, token: str) -> bool:
        """Whether a token of the vocabulary is not kept."""
        return token in self._all and token not in self.ids


def write_tokenizer(source: str, folder: Path, kept: KeptTokens, repaired: JsonObject | None = None) -> None:
    """Write the trimmed files of the tokenizer of ``source`` into ``folder``.

    Args:
        source: A folder, or an id on the Hub.
        folder: Where to write.
        kept: The kept tokens.
        repaired: The tokenizer in the form of tokenizer.json, if the files of ``source`` have that form too or are
            read wrongly by the library; it is written as tokenizer.json.

    Raises:
        TrimError: for a file that cannot be trimmed.
    """
    found = {name: path for name in TOKENIZER_FILES if (path := find_file(source, name)) is not None}
    for name, path in found.items():
        if name in _COPIED:
            shutil.copyfile(path, folder / name)
        elif name in SENTENCEPIECE:
            _write_sentencepiece(path, folder / name, kept)
        elif name in _WRITERS:
            _write(folder / name, _WRITERS[name](read_object(path, _LARGEST), kept))
    if repaired is not None and TOKENIZER_JSON not in found:
        _write(folder / TOKENIZER_JSON, _tokenizer_json(repaired, kept))
    for name in {"merges.txt", "vocab.txt"} & found.keys():
        # Not splitlines(): some vocabularies have a token that is a line separator of Unicode.
        lines = read_text(found[name], _LARGEST).removesuffix("\n").split("\n")
        chosen = [line for line in lines if (_keeps_merge if name == "merges.txt" else _keeps_line)(line, kept)]
        (folder / name).write_text("".join(f"{line}\n" for line in chosen), encoding="utf-8", newline="\n")


def _write(path: Path, data: JsonObject) -> None:
    path.write_text(json.dumps(data, ensure_ascii=False, indent=2), encoding="utf-8")


def _tokenizer_json(state: JsonObject, kept: KeptTokens) -> JsonObject:
    model = dict(state["model"])
    if isinstance(model["vocab"], list):
        unknown = model["vocab"][model["unk_id"]][0] if model.get("unk_id") is not None else None
        model["vocab"] = [pair for pair in model["vocab"] if not kept.drops(pair[0])]
        model["unk_id"] = None if unknown is None else [piece for piece, _ in model["vocab"]].index(unknown)
    else:
        model["vocab"] = _vocabulary(model["vocab"], kept)
    if "merges" in model:
        merges = zip(model["merges"], merges_of(model), strict=True)
        model["merges"] = [raw for raw, pair in merges if not any(map(kept.drops, (*pair, "".join(pair))))]
    added = [{**each, "id": kept.ids[each["content"]]} for each in state["added_tokens"]]
    padding = state.get("padding")
    return {
        **state,
        "model": model,
        "added_tokens": added,
        "post_processor": _post_processor(state.get("post_processor"), kept.new),
        "padding": padding and {**padding, "pad_id": kept.new[padding["pad_id"]]},
    }


def _vocabulary(ids: JsonObject, kept: KeptTokens) -> JsonObject:
    """Tokens with their ids, as in vocab.json."""
    return {token: kept.ids[token] for token in ids if token in kept.ids}


def _post_processor(value: JsonValue, new: Mapping[int, int]) -> JsonValue:
    """With new ids: ``"ids": [1]`` of templates, and ``"sep": ["</s>", 2]`` of BERT and RoBERTa."""
    if isinstance(value, list):
        return [_post_processor(each, new) for each in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for key, each in value.items():
        if key == "ids" and isinstance(each, list):
            found[key] = [new[index] for index in each]
        elif key in ("sep", "cls") and isinstance(each, list):
            found[key] = [each[0], new[each[1]]]
        else:
            found[key] = _post_processor(each, new)
    return found


def _tokenizer_config(config: JsonObject, kept: KeptTokens) -> JsonObject:
    """With new ids in ``added_tokens_decoder``; the text of a token decides, since some files have other ids."""
    decoder = config.get("added_tokens_decoder")
    if not isinstance(decoder, dict):
        return config
    found = {
        str(kept.ids[content]): each
        for each in decoder.values()
        if (content := each["content"] if isinstance(each, dict) else each) in kept.ids
    }
    return {**config, "added_tokens_decoder": found}


_WRITERS: Mapping[str, Callable[[JsonObject, KeptTokens], JsonObject]] = {
    TOKENIZER_JSON: _tokenizer_json,
    "tokenizer_config.json": _tokenizer_config,
    "added_tokens.json": _vocabulary,
    "vocab.json": _vocabulary,
}


def _keeps_merge(line: str, kept: KeptTokens) -> bool:
    parts = line.split(" ")
    return line.startswith("#version") or not any(map(kept.drops, (*parts, "".join(parts))))


def _keeps_line(line: str, kept: KeptTokens) -> bool:
    return not kept.drops(line)


def _write_sentencepiece(source: Path, target: Path, kept: KeptTokens) -> None:
    """Without dropped pieces. Their scores, the normalizer and all other settings stay."""
    check_regular(source)
    # The module is generated when it is imported, so a type checker knows nothing about it.
    message = import_module("sentencepiece.sentencepiece_model_pb2").ModelProto
    try:
        model = message.FromString(source.read_bytes())
    except import_module("google.protobuf.message").DecodeError:
        model = None
    if model is None or not model.pieces:
        raise TrimError(f"{source} is no SentencePiece model (a tiktoken file, or damaged), and cannot be trimmed")
    pieces = [piece for piece in model.pieces if not kept.drops(piece.piece)]
    del model.pieces[:]
    model.pieces.extend(pieces)
    model.trainer_spec.vocab_size = len(pieces)
    target.write_bytes(model.SerializeToString())
