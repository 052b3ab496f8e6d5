"""Tokenizers and configs for models to pretrain on your own corpus.

Each family's file registers its skeleton, which uses the classes of transformers. All tokenizers are trained in the
same way: byte-pair merges over words, with tokens of at most twelve characters. A Unigram model has the same tokens,
with probabilities in proportion to their frequencies.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from xlgen.core.languages import Language
from xlgen.core.registry import InputError, Registry
from xlgen.kernels.model_types import TransformersConfig, TransformersTokenizer

# Longer tokens would hold whole clauses in scripts without spaces.
_LONGEST_PIECE = 12
# Letters that a small corpus may lack; without them, every word that has one is unknown.
_ALPHABETS = (
    (0xA0, 0xA0),
    (0x21, 0x7E),
    (0xA1, 0x17F),
    (0x386, 0x3CE),
    (0x401, 0x451),
    (0x621, 0x652),
    (0x901, 0x96F),
    (0xE01, 0xE5B),
    (0x1EA0, 0x1EF9),
)
Corpus = Callable[[], Iterable[str]]
"""Returns an iterator over all texts each time."""


@dataclass(frozen=True)
class Shape:
    """The size of a model."""

    vocab_size: int = 5_000
    """Size of the vocabulary without special tokens."""
    width: int = 192
    layers: int = 3
    """Number of layers of the encoder, and of the decoder."""
    heads: int = 6
    feed_forward: int = 384
    """Width of feed-forward layers with a gate; layers without one are twice as wide."""

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise InputError(f"a width of {self.width} cannot be split into {self.heads} heads")


@dataclass(frozen=True)
class Skeleton:
    """Builds a family's tokenizer and config."""

    make: Callable[[Corpus, Shape], tuple[TransformersTokenizer, TransformersConfig]]
    code: Callable[[Language], str]
    """The code of a language in the family's tokenizer; empty if there is none."""

    def __post_init__(self) -> None:
        # `xlgen list skeletons` describes each by what it makes.
        object.__setattr__(self, "__doc__", self.make.__doc__)


skeletons: Registry[Skeleton] = Registry("backbone family with a skeleton", "xlgen.backbones", "skeletons")
"""Families that `xlgen tokenizer` can make a tokenizer and a config for."""


def build(
    family: str, corpus: Corpus, languages: Sequence[str], shape: Shape
) -> tuple[TransformersTokenizer, TransformersConfig]:
    """The tokenizer and the config of a family, trained on the texts of ``corpus``.

    Raises InputError for an unknown family, a language that it has no code for, or a corpus without words.
    """
    skeleton = skeletons.get(family)
    known = [Language.parse(code) for code in languages]
    for language in known:
        if not skeleton.code(language):
            raise InputError(f"{family} has no code for {language.name} ({language.code})")
    if not any(text.strip() for text in corpus()):
        raise InputError("the corpus holds no text")
    tokenizer, config = skeleton.make(corpus, shape)
    config.xlgen_languages = [language.code for language in known]
    return tokenizer, config


def alphabet() -> list[str]:
    """Characters that must be in the vocabulary."""
    return [
        chr(code)
        for first, last in _ALPHABETS
        for code in range(first, last + 1)
        if chr(code).isprintable() or code == 0xA0
    ]


def train_bpe(specials: list[str], corpus: Corpus, shape: Shape) -> Tokenizer:
    """A tokenizer of byte-pair merges over words."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    trainer = trainers.BpeTrainer(
        vocab_size=shape.vocab_size,
        special_tokens=specials,
        max_token_length=_LONGEST_PIECE,
        initial_alphabet=alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    return tokenizer


def train_unigram(specials: list[str], corpus: Corpus, shape: Shape) -> list[tuple[str, float]]:
    """The tokens of byte-pair merges, with log probabilities from their frequencies.

    The library's own Unigram trainer gave Vietnamese and Hindi half as many whole words as English.
    """
    tokenizer = train_bpe(["<unk>"], corpus, shape)
    counts = Counter(piece for text in corpus() for piece in tokenizer.encode(text).tokens)
    total = counts.total()
    pieces = [piece for piece in tokenizer.get_vocab() if piece not in ("<unk>", *specials)]
    scores = sorted(((piece, math.log((counts[piece] + 0.1) / total)) for piece in pieces), key=lambda p: (-p[1], p[0]))
    return [*((special, 0.0) for special in specials), *scores]
