"""Small checkpoints in the files that the Hub has of mT5, mBART-50 and NLLB-200: SentencePiece and no tokenizer.json.

mT5 and mBART-50 come from ``../shared/tools/like_hub.py``; NLLB-200 is made here from the same texts: a BPE model of
SentencePiece, to which the codes of 202 languages and ``<mask>`` are added behind the vocabulary.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
import sentencepiece
import torch

SHARED = Path(__file__).resolve().parents[2] / "shared"
_TOOL, _TEXTS = SHARED / "tools" / "like_hub.py", SHARED / "data" / "ntrex128"
NAMES = ("mt5", "mbart", "nllb")
FILES = {"mt5": "spiece.model", "mbart": "sentencepiece.bpe.model", "nllb": "sentencepiece.bpe.model"}
PIECES = 6_000
"""In the vocabulary of each."""


def make(folder: Path) -> None:
    """Write a folder for each of NAMES into ``folder``; skips the test where the shared files are absent."""
    if not _TOOL.is_file() or not _TEXTS.is_dir():
        pytest.skip(f"{_TOOL} or {_TEXTS} is absent")
    subprocess.run([sys.executable, str(_TOOL), str(folder)], check=True, capture_output=True)
    if not (folder / "nllb").exists():
        _nllb(folder / "nllb")


def texts(rows: slice) -> dict[str, list[str]]:
    """Real sentences of 26 languages by NTREX's names of files."""
    return {path.stem: path.read_text(encoding="utf-8").splitlines()[rows] for path in sorted(_TEXTS.glob("*.txt"))}


def _nllb(folder: Path) -> None:
    from transformers import AutoModelForSeq2SeqLM, M2M100Config

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(text for found in texts(slice(150)).values() for text in found),
        model_writer=model,
        vocab_size=PIECES,
        model_type="bpe",
        character_coverage=0.999,
        required_chars="<>_[]/|",
        num_threads=1,
        minloglevel=2,
    )
    folder.mkdir(parents=True)
    (folder / "sentencepiece.bpe.model").write_bytes(model.getvalue())
    about = {"src_lang": None, "tgt_lang": None, "tokenizer_class": "NllbTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(about), encoding="utf-8")
    sizes = {
        f"{half}_{name}": size
        for half in ("encoder", "decoder")
        for name, size in (("layers", 2), ("attention_heads", 4), ("ffn_dim", 128))
    }
    # SentencePiece's vocabulary has one token fewer than fairseq's, then come 202 codes and <mask>.
    config = M2M100Config(vocab_size=PIECES + 1 + 202 + 1, d_model=64, max_position_embeddings=1024, **sizes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        AutoModelForSeq2SeqLM.from_config(config).save_pretrained(folder)
