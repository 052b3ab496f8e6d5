"""Build the pocket backbones' tokenizers and configs: ``python -m xlgen.pocket.skeleton [NAME ...]``.

Real classes of transformers throughout: T5Tokenizer (Unigram), MBart50Tokenizer (Unigram with language codes) and
NllbTokenizer (BPE with FLORES codes), trained on the pocket world's unlabelled text in all of its languages. The
weights come from pretraining with the recipes in ``recipes/pocket/``. Deterministic; run it only to change the world
or the shapes, since the repository keeps every version of what it writes.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from xlgen.languages import Language
from xlgen.pocket import world

_HERE = Path(__file__).parent / "backbones"
_STORIES = 1_500
_PIECES = 5_000
# Longer pieces would weld whole clauses of scripts without spaces into one token.
_LONGEST_PIECE = 12
# Letters that the pocket world may not use but real text does; without them every such word is unknown.
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
_SHAPE = {"width": 192, "layers": 3, "heads": 6, "feed_forward": 384}


def corpus() -> Iterator[str]:
    """Text of every language, in equal parts; the questions too, whose words stand in no document."""
    for frame in world.frames("unlabelled", _STORIES):
        for language in world.LANGUAGES:
            story = world.render(frame, language)
            yield story.document
            yield " ".join([story.summary, *(question for question, _ in story.questions.values())])


def alphabet() -> list[str]:
    """Single characters that must be pieces."""
    return [
        chr(code)
        for first, last in _ALPHABETS
        for code in range(first, last + 1)
        if chr(code).isprintable() or code == 0xA0
    ]


def _bpe(specials: list[str]) -> Tokenizer:
    """Byte-pair merges over words, the same for all three tokenizers."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    trainer = trainers.BpeTrainer(
        vocab_size=_PIECES,
        special_tokens=specials,
        max_token_length=_LONGEST_PIECE,
        initial_alphabet=alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    return tokenizer


def _unigram(specials: list[str]) -> list[tuple[str, float]]:
    """Pieces with log probabilities: the pieces of the byte-pair merges, as often as they are used.

    The library's own Unigram trainer gave Vietnamese and Hindi half as many words of their own as English.
    """
    tokenizer = _bpe(["<unk>"])
    counts = Counter(piece for text in corpus() for piece in tokenizer.encode(text).tokens)
    total = counts.total()
    pieces = [piece for piece in tokenizer.get_vocab() if piece not in ("<unk>", *specials)]
    scores = sorted(((piece, math.log((counts[piece] + 0.1) / total)) for piece in pieces), key=lambda p: (-p[1], p[0]))
    return [*((special, 0.0) for special in specials), *scores]


def mt5() -> tuple[Any, Any]:
    """pocket-mt5: T5Tokenizer and MT5Config."""
    from transformers import MT5Config, T5Tokenizer

    sentinels = [(f"<extra_id_{index}>", 0.0) for index in range(99, -1, -1)]
    vocabulary = _unigram(["<pad>", "</s>", "<unk>"]) + sentinels
    config = MT5Config(
        vocab_size=len(vocabulary),
        d_model=_SHAPE["width"],
        d_kv=_SHAPE["width"] // _SHAPE["heads"],
        d_ff=_SHAPE["feed_forward"],
        num_layers=_SHAPE["layers"],
        num_heads=_SHAPE["heads"],
        dropout_rate=0.0,
    )
    return T5Tokenizer(vocab=vocabulary), config


def _coded(vocabulary_size: int) -> dict[str, Any]:
    """What the configs of mBART and M2M-100 have in common."""
    return {
        "vocab_size": vocabulary_size,
        "d_model": _SHAPE["width"],
        "encoder_layers": _SHAPE["layers"],
        "decoder_layers": _SHAPE["layers"],
        "encoder_attention_heads": _SHAPE["heads"],
        "decoder_attention_heads": _SHAPE["heads"],
        "encoder_ffn_dim": 2 * _SHAPE["feed_forward"],
        "decoder_ffn_dim": 2 * _SHAPE["feed_forward"],
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


def mbart() -> tuple[Any, Any]:
    """pocket-mbart: MBart50Tokenizer and MBartConfig."""
    from transformers import MBart50Tokenizer, MBartConfig

    # The tokenizer puts fairseq's four special tokens first and the codes last by itself.
    tokenizer = MBart50Tokenizer(vocab=_unigram(["<unk>", "<s>", "</s>"]), src_lang="en_XX")
    return tokenizer, MBartConfig(**_coded(len(tokenizer)), activation_function="gelu")


def nllb() -> tuple[Any, Any]:
    """pocket-nllb: NllbTokenizer and M2M100Config."""
    from transformers import M2M100Config, NllbTokenizer

    trained = _bpe(["<s>", "<pad>", "</s>", "<unk>"])
    model = json.loads(trained.to_str())["model"]
    merges: Any = [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ")) for pair in model["merges"]]
    tokenizer = NllbTokenizer(vocab=model["vocab"], merges=merges, src_lang="eng_Latn")
    return tokenizer, M2M100Config(**_coded(len(tokenizer)), activation_function="relu")


def main() -> None:
    """Write the named skeletons, or all."""
    builders: dict[str, Callable[[], tuple[Any, Any]]] = {"pocket-mt5": mt5, "pocket-mbart": mbart, "pocket-nllb": nllb}
    for name in sys.argv[1:] or builders:
        tokenizer, config = builders[name]()
        config.xlgen_languages = [Language.parse(code).code for code in world.LANGUAGES]
        config.save_pretrained(_HERE / name)
        tokenizer.save_pretrained(_HERE / name)
        print(f"{_HERE / name}: {config.vocab_size} pieces")


if __name__ == "__main__":
    main()
