"""Tiny encoders of every family for the tests of heads, with word-piece tokenizers made of text in many scripts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

SENTENCES = {
    "en": ("The", "children", "went", "to", "school", "."),
    "ru": ("Дети", "утром", "пошли", "в", "школу", "."),
    "el": ("Τα", "παιδιά", "πήγαν", "στο", "σχολείο", "."),
    "ar": ("ذهب", "الأطفال", "إلى", "المدرسة", "."),
    "he": ("הילדים", "הלכו", "בבוקר", "לבית", "הספר", "."),
    "hi": ("बच्चे", "सुबह", "स्कूल", "गए", "।"),
    "bn": ("শিশুরা", "সকালে", "স্কুলে", "গিয়েছিল", "।"),
    "ta": ("குழந்தைகள்", "காலையில்", "பள்ளிக்குச்", "சென்று", "."),
    "th": ("เด็ก", "ๆ", "ไป", "โรงเรียน", "ตอน", "เช้า"),
    "zh": ("孩子们", "早上", "去", "学校", "。"),
    "ja": ("子ども", "たち", "は", "朝", "学校", "へ", "行っ", "た", "。"),
    "ko": ("아이들은", "아침에", "학교에", "갔다", "."),
}
_SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 160,
    # Wide enough that random models tell labels apart.
    "initializer_range": 0.2,
}


def _tokenizer(kind: str) -> Any:
    """WordPiece as BERT's or Unigram as XLM-R's, over the sentences above."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    special = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]"}
    tokens = [special[name] for name in ("pad_token", "unk_token", "cls_token", "sep_token")]
    trainer: Any
    if kind == "bert":
        inner = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        inner.normalizer = normalizers.BertNormalizer(lowercase=False)
        inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=tokens)
    else:
        inner = Tokenizer(models.Unigram())
        inner.normalizer = normalizers.NFKC()
        inner.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=tokens, unk_token="[UNK]")
    inner.train_from_iterator([" ".join(words) for words in SENTENCES.values()], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=inner, **special)


def make_encoder(folder: Path, kind: str) -> Path:
    """A tiny random checkpoint of the family ``bert`` or ``xlm-roberta`` in ``folder``."""
    from transformers import BertConfig, BertForMaskedLM, XLMRobertaConfig, XLMRobertaForMaskedLM

    tokenizer = _tokenizer(kind)
    sizes: dict[str, Any] = {**_SIZES, "vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        # As published: with the head of pretraining.
        model = (
            BertForMaskedLM(BertConfig(**sizes)) if kind == "bert" else XLMRobertaForMaskedLM(XLMRobertaConfig(**sizes))
        )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tags_of(words: Sequence[str]) -> tuple[str, ...]:
    """Some tag a word."""
    return tuple(("NOUN", "VERB", "PUNCT")[len(word) % 3] for word in words)
