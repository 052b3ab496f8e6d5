"""The vocabulary of a tokenizer: its tokens, those that every trimmed model keeps, and what keeping a token entails.

The law of trimming: a text whose tokens are all kept has the same tokens afterwards. What it needs differs by the
tokenizer's algorithm.

- *Unigram* maximizes the sum of the tokens' scores. With fewer tokens there are fewer segmentations, so the best one
  stays the best if it is still possible. An unknown character costs the lowest score of the vocabulary minus 10, so the
  token with the lowest score is kept; user-defined tokens of SentencePiece depend on the highest score in this way.
- *BPE* merges neighbouring tokens in the order of its merges. A token is reached through its merges only, so a kept
  token needs the tokens that occur on the way to it (:meth:`Vocabulary.closure`), and no others: where no merge crosses
  a token's boundary, the merges inside it are those of its text alone.
- *WordPiece* takes the longest token that fits. Without other tokens, the longest one stays the longest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal

from xlgen.backbones.base import BackboneError
from xlgen.core.json_types import JsonMapping, JsonObject
from xlgen.kernels.model_types import TransformersTokenizer

Kind = Literal["Unigram", "BPE", "WordPiece"]
BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_SENTINEL = re.compile(r"▁?<extra_id_\d+>")
_ALWAYS = ("▁", "Ġ", *map(chr, range(0x21, 0x7F)))
"""Marks of a space, and the printable characters of ASCII."""


class TrimError(BackboneError):
    """A vocabulary cannot be trimmed as asked, or what was trained on one cannot be used as asked."""


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a tokenizer by id, and its algorithm."""

    kind: Kind
    names: dict[int, str]
    """The token of each id, added tokens included."""
    special: frozenset[int]
    """Ids of special and added tokens: language codes, masks, sentinels."""
    scores: dict[int, float]
    """The scores of a Unigram model."""
    ranks: dict[tuple[str, str], int]
    """The merges of a BPE model with their ranks."""
    byte_level: bool
    """Whether tokens are strings of bytes, each written as one of 256 characters."""

    @cached_property
    def ids(self) -> dict[str, int]:
        """The id of each token."""
        return {name: index for index, name in self.names.items()}

    def required(self) -> set[int]:
        """Ids of the tokens that every trimmed model keeps.

        Special and added tokens, sentinels, byte tokens, printable ASCII characters, the mark of a space, the 256 bytes
        of byte-level tokens, and the tokens with the lowest and the highest score of a Unigram model.
        """
        found = set(self.special)
        found |= {index for index, name in self.names.items() if BYTE.fullmatch(name) or _SENTINEL.fullmatch(name)}
        found |= {self.ids[name] for letter in _ALWAYS for name in (letter, f"##{letter}") if name in self.ids}
        if self.byte_level:
            from tokenizers.pre_tokenizers import ByteLevel

            found |= {self.ids[letter] for letter in ByteLevel.alphabet() if letter in self.ids}
        scored = [(score, index) for index, score in self.scores.items() if index not in found]
        if scored:
            found |= {min(scored)[1], max(scored)[1]}
        return found

    def letters(self, index: int) -> set[int]:
        """Ids of the single characters of a token, without which its text would become unknown if it were dropped.

        If the vocabulary lacks one of them, the id of the token itself, so that it is not dropped.
        """
        name = self.names[index]
        inner = self.kind == "WordPiece" and name.startswith("##")
        text = name.removeprefix("##") if inner else name
        letters = [f"##{letter}" if inner or (place and self.kind == "WordPiece") else letter
                   for place, letter in enumerate(text)]  # fmt: skip
        found = {self.ids[letter] for letter in letters if letter in self.ids}
        return found if all(letter in self.ids for letter in letters) else found | {index}

    def closure(self, index: int) -> set[int]:
        """Ids that must be kept with a token so that text is still segmented into it, its own among them.

        For BPE, the tokens on the way from its characters to it. A token that no merges lead to, such as an added one,
        needs only itself.
        """
        if self.kind != "BPE" or index in self.special:
            return {index}
        parts, passed = list(self.names[index]), {index}
        passed.update(self.ids[part] for part in parts if part in self.ids)
        while len(parts) > 1:
            pairs = [(self.ranks.get(pair), place) for place, pair in enumerate(pairwise(parts))]
            ranked = [(rank, place) for rank, place in pairs if rank is not None]
            if not ranked:
                return {index}
            place = min(ranked)[1]
            parts[place : place + 2] = [parts[place] + parts[place + 1]]
            passed.add(self.ids[parts[place]])
        return passed


def read_vocabulary(tokenizer: TransformersTokenizer, name: str) -> Vocabulary:
    """The vocabulary of a loaded tokenizer; ``name`` is the model's, for errors.

    Raises TrimError for a tokenizer whose algorithm cannot be trimmed.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise TrimError(f"the tokenizer of {name}, {type(tokenizer).__name__}, has no tokenizer.json form to trim")
    state: JsonObject = json.loads(backend.to_str())
    model = state["model"]
    kind = model["type"]
    if kind not in ("Unigram", "BPE", "WordPiece") or (kind == "WordPiece" and _prefix(model) != "##"):
        raise TrimError(f"the tokenizer of {name} is of the kind {kind}, which cannot be trimmed")
    if kind == "BPE" and (_prefix(model) or model.get("end_of_word_suffix")):
        raise TrimError(f"the tokenizer of {name} marks parts of words by an affix, and cannot be trimmed")
    scores = {index: score for index, (_, score) in enumerate(model["vocab"])} if kind == "Unigram" else {}
    names = {index: piece for index, (piece, _) in enumerate(model["vocab"])} if kind == "Unigram" else {}
    names = names or {index: piece for piece, index in model["vocab"].items()}
    added = {each["id"]: each["content"] for each in state["added_tokens"]}
    if len(set(names.values())) < len(names):
        raise TrimError(f"the tokenizer of {name} has two tokens of the same text, and cannot be trimmed")
    return Vocabulary(
        kind=kind,
        names={**names, **added},
        special=frozenset((*added, *tokenizer.all_special_ids)),
        scores=scores,
        ranks={pair: rank for rank, pair in enumerate(merges_of(model))},
        byte_level=kind == "BPE" and '"type":"ByteLevel"' in json.dumps(_without_model(state), separators=(",", ":")),
    )


def merges_of(model: JsonMapping) -> Iterator[tuple[str, str]]:
    """The merges of a BPE model, in order; older files have ``"a b"`` for ``["a", "b"]``."""
    for pair in model.get("merges") or ():
        left, right = pair.split(" ", 1) if isinstance(pair, str) else pair
        yield left, right


def _prefix(model: JsonMapping) -> str:
    return model.get("continuing_subword_prefix") or ""


def _without_model(state: JsonMapping) -> JsonObject:
    return {key: value for key, value in state.items() if key not in ("model", "added_tokens")}
