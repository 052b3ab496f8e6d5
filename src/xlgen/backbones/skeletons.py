"""A tokenizer and a config for a model to pretrain on a corpus of one's own, and those of the embedded backbones.

Real classes of transformers throughout: T5Tokenizer (Unigram), MBart50Tokenizer (Unigram with language codes) and
NllbTokenizer (BPE with FLORES codes). All are trained alike: byte-pair merges over words, which may not grow beyond
twelve characters; a Unigram model has the same pieces, each as probable as it is frequent.

``python -m xlgen.backbones.skeletons [NAME ...]`` writes those of the embedded backbones, from the pocket world's
unlabelled text in all of its languages. Deterministic; run it only to change the world or the shapes, since the
repository keeps every version of what it writes.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from xlgen.languages import Language
from xlgen.pocket import world
from xlgen.registry import InputError, nearest

_POCKET = Path(world.__file__).parent / "backbones"
_STORIES = 1_500
# Longer pieces would weld whole clauses of scripts without spaces into one token.
_LONGEST_PIECE = 12
# Letters that a small corpus may lack but other text has; without them every such word is unknown.
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
"""The texts, each time anew."""


@dataclass(frozen=True)
class Shape:
    """How large the model is."""

    pieces: int = 5_000
    """Pieces of the vocabulary, special tokens aside."""
    width: int = 192
    layers: int = 3
    """Of the encoder, and of the decoder."""
    heads: int = 6
    feed_forward: int = 384
    """Hidden width of the feed-forward layers with a gate; those without have twice as many."""

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise InputError(f"a width of {self.width} cannot be split into {self.heads} heads")


def build(family: str, corpus: Corpus, languages: Sequence[str], shape: Shape) -> tuple[Any, Any]:
    """The tokenizer and the config of a family (:data:`FAMILIES`), trained on the texts of ``corpus``.

    Raises InputError for an unknown family, a language that it has no code for, or a corpus without words.
    """
    if family not in FAMILIES:
        raise InputError(f"no skeleton of family {family!r}: {nearest(family, FAMILIES)}")
    known = [Language.parse(code) for code in languages]
    for language in known:
        if not {"mt5": "none needed", "mbart": language.mbart, "nllb": language.flores}[family]:
            raise InputError(f"{family} has no code for {language.name} ({language.code}); mt5 needs none")
    if not any(text.strip() for text in corpus()):
        raise InputError("the corpus holds no text")
    tokenizer, config = FAMILIES[family](corpus, shape)
    config.xlgen_languages = [language.code for language in known]
    return tokenizer, config


def alphabet() -> list[str]:
    """Single characters that must be pieces."""
    return [
        chr(code)
        for first, last in _ALPHABETS
        for code in range(first, last + 1)
        if chr(code).isprintable() or code == 0xA0
    ]


def _bpe(specials: list[str], corpus: Corpus, shape: Shape) -> Tokenizer:
    """Byte-pair merges over words, the same for all three tokenizers."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    trainer = trainers.BpeTrainer(
        vocab_size=shape.pieces,
        special_tokens=specials,
        max_token_length=_LONGEST_PIECE,
        initial_alphabet=alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    return tokenizer


def _unigram(specials: list[str], corpus: Corpus, shape: Shape) -> list[tuple[str, float]]:
    """Pieces with log probabilities: the pieces of the byte-pair merges, as often as they are used.

    The library's own Unigram trainer gave Vietnamese and Hindi half as many words of their own as English.
    """
    tokenizer = _bpe(["<unk>"], corpus, shape)
    counts = Counter(piece for text in corpus() for piece in tokenizer.encode(text).tokens)
    total = counts.total()
    pieces = [piece for piece in tokenizer.get_vocab() if piece not in ("<unk>", *specials)]
    scores = sorted(((piece, math.log((counts[piece] + 0.1) / total)) for piece in pieces), key=lambda p: (-p[1], p[0]))
    return [*((special, 0.0) for special in specials), *scores]


def _mt5(corpus: Corpus, shape: Shape) -> tuple[Any, Any]:
    """T5Tokenizer with a hundred sentinels, and MT5Config."""
    from transformers import MT5Config, T5Tokenizer

    sentinels = [(f"<extra_id_{index}>", 0.0) for index in range(99, -1, -1)]
    vocabulary = _unigram(["<pad>", "</s>", "<unk>"], corpus, shape) + sentinels
    config = MT5Config(
        vocab_size=len(vocabulary),
        d_model=shape.width,
        d_kv=shape.width // shape.heads,
        d_ff=shape.feed_forward,
        num_layers=shape.layers,
        num_heads=shape.heads,
        dropout_rate=0.0,
    )
    return T5Tokenizer(vocab=vocabulary), config


def _coded(vocabulary_size: int, shape: Shape) -> dict[str, Any]:
    """What the configs of mBART and M2M-100 have in common."""
    return {
        "vocab_size": vocabulary_size,
        "d_model": shape.width,
        "encoder_layers": shape.layers,
        "decoder_layers": shape.layers,
        "encoder_attention_heads": shape.heads,
        "decoder_attention_heads": shape.heads,
        "encoder_ffn_dim": 2 * shape.feed_forward,
        "decoder_ffn_dim": 2 * shape.feed_forward,
        "encoder_layerdrop": 0.0,
        "decoder_layerdrop": 0.0,
        "dropout": 0.0,
        "attention_dropout": 0.0,
        "activation_dropout": 0.0,
        "scale_embedding": True,
        "decoder_start_token_id": 2,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "forced_eos_token_id": 2,
        "max_position_embeddings": 1024,
    }


def _mbart(corpus: Corpus, shape: Shape) -> tuple[Any, Any]:
    """MBart50Tokenizer and MBartConfig."""
    from transformers import MBart50Tokenizer, MBartConfig

    # The tokenizer puts fairseq's four special tokens first and the codes last by itself.
    tokenizer = MBart50Tokenizer(vocab=_unigram(["<unk>", "<s>", "</s>"], corpus, shape), src_lang="en_XX")
    return tokenizer, MBartConfig(**_coded(len(tokenizer), shape), activation_function="gelu")


def _nllb(corpus: Corpus, shape: Shape) -> tuple[Any, Any]:
    """NllbTokenizer and M2M100Config."""
    from transformers import M2M100Config, NllbTokenizer

    trained = _bpe(["<s>", "<pad>", "</s>", "<unk>"], corpus, shape)
    model = json.loads(trained.to_str())["model"]
    merges: Any = [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ")) for pair in model["merges"]]
    tokenizer = NllbTokenizer(vocab=model["vocab"], merges=merges, src_lang="eng_Latn")
    return tokenizer, M2M100Config(**_coded(len(tokenizer), shape), activation_function="relu")


FAMILIES: dict[str, Callable[[Corpus, Shape], tuple[Any, Any]]] = {"mt5": _mt5, "mbart": _mbart, "nllb": _nllb}
"""Families that a skeleton can be made of."""


def _pocket_corpus() -> Iterator[str]:
    """Text of every language, in equal parts; the questions too, whose words stand in no document."""
    for frame in world.frames("unlabelled", _STORIES):
        for language in world.LANGUAGES:
            story = world.render(frame, language)
            yield story.document
            yield " ".join([story.summary, *(question for question, _ in story.questions.values())])


def main() -> None:
    """Write the skeletons of the named embedded backbones, or of all."""
    names = {f"pocket-{family}": family for family in FAMILIES}
    for name in sys.argv[1:] or names:
        tokenizer, config = build(names[name], _pocket_corpus, world.LANGUAGES, Shape())
        config.save_pretrained(_POCKET / name)
        tokenizer.save_pretrained(_POCKET / name)
        print(f"{_POCKET / name}: {config.vocab_size} pieces")


if __name__ == "__main__":
    main()
