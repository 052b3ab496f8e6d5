"""Conversion of text to token ids and back, in which text from data is never read as a special token.

The library's tokenizers read ``</s>``, ``fr_XX`` or ``<extra_id_0>`` in a text as the special token of that name. Their
Unigram models do so even with ``split_special_tokens=True``, since special tokens are ordinary entries of the
vocabulary. :class:`TextTokenizer` has a copy of the tokenizer in which special tokens have names that occur in no text
(:mod:`xlgen.data.markup`). If the vocabulary has byte tokens, it also spells characters outside the vocabulary in
bytes, as SentencePiece does (mT5), and reads them back.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple
from weakref import WeakKeyDictionary

from tokenizers import AddedToken, Encoding, Tokenizer, decoders, models

from xlgen.core.json_types import JsonObject
from xlgen.core.registry import InputError
from xlgen.data.markup import BYTE, token, without_unknown_tokens
from xlgen.kernels.model_types import TransformersTokenizer

_BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
_SENTINEL = re.compile(r"▁?(<extra_id_\d+>)")
# White space that ends lines or is a control character. Other white space, such as a no-break space, is left to the
# tokenizer: published ones replace it by a space, others have tokens with it.
_SPACE = re.compile(r"[\t\n\x0b\x0c\r\x1c-\x1f\x85\u2028\u2029]")
# Part of the cache's key, so that ids of earlier versions of this module are not used.
_VERSION = b"text tokenizer 2"


class Tokenized(NamedTuple):
    """A tokenized text."""

    ids: list[int]
    spans: list[tuple[int, int]]
    """The characters of each token, (start, end)."""
    unknown: list[str]
    """The strings that are not in the vocabulary, in order."""


class TextTokenizer:
    """Converts text to ids without special tokens, and ids to text in which special tokens are marked.

    Args:
        tokenizer: A tokenizer of the library with its ``tokenizers`` backend.

    Raises:
        InputError: for a tokenizer without that backend.
    """

    def __init__(self, tokenizer: TransformersTokenizer) -> None:
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise InputError(f"{type(tokenizer).__name__} has no tokenizer.json form, which xlgen needs")
        vocabulary = tokenizer.get_vocab()
        self.unknown_id: int | None = tokenizer.unk_token_id
        self.sentinels = {m[1]: i for piece, i in vocabulary.items() if (m := _SENTINEL.fullmatch(piece))}
        self.special = _special(tokenizer, self.sentinels)
        """Names of special tokens by id, sentinels among them."""
        self._names = frozenset(self.special.values())
        self._bytes = [vocabulary[name] for name in _BYTES] if vocabulary.keys() >= set(_BYTES) else []
        self._backend = _marked(backend, self.special, bool(self._bytes))

    @property
    def has_bytes(self) -> bool:
        """Whether the vocabulary has a token for every byte, so that no character is unknown."""
        return bool(self._bytes)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text; newlines, tabs and other white control characters become spaces."""
        found = self._backend.encode_batch(list(map(self.readable, texts)), add_special_tokens=False)
        return [self._spelled(each).ids if self._rare(each.ids) else each.ids for each in found]

    def with_spans(self, text: str) -> Tokenized:
        """The ids of one text, with their spans and the unknown strings."""
        return self._spelled(self._backend.encode(self.readable(text), add_special_tokens=False), text)

    def text(self, ids: Iterable[int]) -> str:
        """The text of ``ids``; special tokens are marked (:mod:`xlgen.data.markup`)."""
        return str(self._backend.decode(list(ids), skip_special_tokens=False))

    @cached_property
    def fingerprint(self) -> bytes:
        """A digest of everything that determines the ids of a text."""
        return hashlib.sha256(_VERSION + self._backend.to_str().encode()).digest()

    def readable(self, text: str) -> str:
        """``text`` with a space for each newline and tab, and marks only of this tokenizer's special tokens."""
        return _SPACE.sub(" ", without_unknown_tokens(text, self._names))

    def _rare(self, ids: Sequence[int]) -> bool:
        return bool(self._bytes) and self.unknown_id in ids

    def _spelled(self, encoding: Encoding, text: str = "") -> Tokenized:
        """An encoding with unknown characters as bytes, if there are byte tokens."""
        found = Tokenized([], [], [])
        for index, piece, span in zip(encoding.ids, encoding.tokens, encoding.offsets, strict=True):
            if index != self.unknown_id:
                found.ids.append(index)
                found.spans.append(span)
            elif self._bytes:
                written = [self._bytes[byte] for byte in piece.encode()]
                found.ids.extend(written)
                found.spans.extend([span] * len(written))
            else:
                found.ids.append(index)
                found.spans.append(span)
                found.unknown.append(text[slice(*span)])
        return found


def vocabulary_digest(tokenizer: TransformersTokenizer) -> str:
    """A digest of a tokenizer's tokens and ids, to recognize another model's tokenizer.

    Tokens that the library adds when it opens the files are left out, so that its versions agree.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    vocabulary = tokenizer.get_vocab() if backend is None else backend.get_vocab(with_added_tokens=False)
    digest = hashlib.sha256()
    for piece, index in sorted(vocabulary.items(), key=lambda pair: (pair[1], pair[0])):
        digest.update(f"{index} {piece}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:32]


_known: WeakKeyDictionary[TransformersTokenizer, TextTokenizer] = WeakKeyDictionary()


def text_tokenizer(tokenizer: TransformersTokenizer) -> TextTokenizer:
    """The :class:`TextTokenizer` of a tokenizer, cached: copying a large vocabulary takes a second."""
    if tokenizer not in _known:
        _known[tokenizer] = TextTokenizer(tokenizer)
    return _known[tokenizer]


def _special(tokenizer: TransformersTokenizer, sentinels: dict[str, int]) -> dict[int, str]:
    """The displayed names of special tokens, by id."""
    added = {index: each.content for index, each in tokenizer.added_tokens_decoder.items() if each.special}
    named = dict(zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True))
    return added | named | {index: name for name, index in sentinels.items()}


def _marked(backend: Tokenizer, special: dict[int, str], has_bytes: bool) -> Tokenizer:
    """A copy of ``backend`` that reads special tokens only if they are marked, and writes them marked."""
    state = json.loads(backend.to_str())
    model = state.pop("model")
    # The library stores a call's truncation and padding in the tokenizer.
    left_out: JsonObject = {"added_tokens": [], "post_processor": None, "truncation": None, "padding": None}
    copy = Tokenizer.from_str(json.dumps({**state, **left_out, "model": _EMPTY[model["type"]]}))
    names = dict(enumerate(piece for piece, _ in model["vocab"])) if model["type"] == "Unigram" else {}
    names = names or {index: piece for piece, index in model["vocab"].items()}
    renamed = {names[index]: token(name) for index, name in special.items() if index in names}
    renamed |= {name: f"{BYTE}{name}" for name in _BYTES if has_bytes}
    copy.model = _model(model, renamed)
    for each in sorted(state["added_tokens"], key=lambda each: each["id"]):
        content = token(special[each["id"]]) if each["id"] in special else each["content"]
        flags = {key: each[key] for key in ("single_word", "lstrip", "rstrip")}
        normalized = each["normalized"] and each["id"] not in special
        copy.add_tokens([AddedToken(content, **flags, normalized=normalized, special=each["special"])])
    # Marked tokens are not normalized: they contain noncharacters, which are in no table.
    rest = [AddedToken(token(name), normalized=False, special=True) for _, name in sorted(special.items())]
    copy.add_special_tokens(rest)
    moved = [name for index, name in special.items() if copy.token_to_id(token(name)) != index]
    if moved:
        raise InputError(f"the tokenizer gives {moved[0]} an id that its vocabulary does not; it cannot be used")
    if has_bytes:
        copy.decoder = decoders.Sequence([decoders.Replace(BYTE, ""), decoders.ByteFallback(), copy.decoder])
    return copy


_EMPTY: dict[str, JsonObject] = {
    "Unigram": {"type": "Unigram", "unk_id": None, "vocab": [], "byte_fallback": False},
    "BPE": {"type": "BPE", "vocab": {}, "merges": []},
    "WordPiece": {
        "type": "WordPiece",
        "vocab": {},
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
    },
}
"""Each kind of model without its vocabulary."""


def _model(state: JsonObject, renamed: dict[str, str]) -> models.Model:
    """The model of a tokenizer with some tokens renamed. Raises InputError for an unknown kind of model."""
    if state["type"] == "Unigram":
        scored = [(renamed.get(piece, piece), score) for piece, score in state["vocab"]]
        return models.Unigram(scored, state["unk_id"], byte_fallback=False)
    vocabulary = {renamed.get(piece, piece): index for piece, index in state["vocab"].items()}
    unknown = renamed.get(state["unk_token"] or "", state["unk_token"])
    if state["type"] == "WordPiece":
        options = {key: state[key] for key in ("continuing_subword_prefix", "max_input_chars_per_word")}
        return models.WordPiece(vocabulary, unk_token=unknown, **options)
    pairs = (pair.split(" ", 1) if isinstance(pair, str) else pair for pair in state["merges"])
    merges = [(a, b) for a, b in pairs if renamed.keys().isdisjoint((a, b, a + b))]
    names = ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", "ignore_merges")
    given = {key: state[key] for key in names if state.get(key) is not None}
    return models.BPE(vocabulary, merges, unk_token=unknown, byte_fallback=False, **given)
