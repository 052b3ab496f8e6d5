"""Small checkpoints of every kind of tokenizer, and the reading of one by the transformers library alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

import hub_layout
from xlgen.backbones.loading import family_of
from xlgen.backbones.trimming.trim import Trimmed, trim

KINDS = ("mt5", "mbart", "nllb", "xlm-r", "wordpiece", "byte-bpe", "byte-fallback-bpe")
LANGUAGES = ("arb", "deu", "ell", "eng", "fra", "hin", "jpn", "kor", "rus", "tha", "tur", "vie", "zho-CN")
"""13 languages in 9 scripts, by NTREX's names."""
CORPUS, UNSEEN = slice(0, 40), slice(150, 158)
_DECODER = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}


def make(kind: str, folder: Path, hub_checkpoint: Callable[[str], Path]) -> Path:
    """A folder with a small random model. Those of mBART-50, NLLB-200 and mT5 have the files of the Hub."""
    if kind in hub_layout.NAMES:
        shutil.copytree(hub_checkpoint(kind), folder)
        if kind == "mt5":
            _untie(folder)
        if kind == "mbart":  # CTranslate2's converter needs these, which the published files have
            norms = {"normalize_before": True, "normalize_embedding": True, "add_final_layer_norm": True}
            _change(folder / "config.json", {**norms, "tokenizer_class": "MBart50Tokenizer"})
            _change(folder / "tokenizer_config.json", {"bos_token": "<s>"})
    elif kind == "xlm-r":
        _xlm_r(folder, hub_checkpoint("mbart") / "sentencepiece.bpe.model")
    elif kind == "wordpiece":
        _bert(folder)
    else:
        _causal(folder, kind)
    return folder


def _change(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **values}), encoding="utf-8")


def _untie(folder: Path) -> None:
    """The published mT5 has an output matrix of its own."""
    from transformers import AutoModelForSeq2SeqLM

    model = AutoModelForSeq2SeqLM.from_pretrained(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        family_of(str(folder)).repair(model, fresh=True)
    model.save_pretrained(folder)


def _xlm_r(folder: Path, sentencepiece: Path) -> None:
    from transformers import XLMRobertaConfig, XLMRobertaForMaskedLM

    folder.mkdir()
    shutil.copy(sentencepiece, folder / "sentencepiece.bpe.model")
    about = {"tokenizer_class": "XLMRobertaTokenizer", "model_max_length": 512}
    (folder / "tokenizer_config.json").write_text(json.dumps(about), encoding="utf-8")
    config = XLMRobertaConfig(
        vocab_size=hub_layout.PIECES + 2,
        **_DECODER,
        max_position_embeddings=514,
        type_vocab_size=1,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        XLMRobertaForMaskedLM(config).save_pretrained(folder)


def _bert(folder: Path) -> None:
    """The files of multilingual BERT."""
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertForMaskedLM

    folder.mkdir()
    inner = BertWordPieceTokenizer(lowercase=False, strip_accents=False)
    inner.train_from_iterator(_training_texts(), vocab_size=5_000, show_progress=False, wordpieces_prefix="##")
    inner.save_model(str(folder))
    inner.save(str(folder / "tokenizer.json"))
    about = {
        "do_lower_case": False,
        "strip_accents": False,
        "model_max_length": 512,
        "tokenizer_class": "BertTokenizer",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(about), encoding="utf-8")
    config = BertConfig(vocab_size=inner.get_vocab_size(), **_DECODER)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertForMaskedLM(config).save_pretrained(folder)


def _training_texts() -> list[str]:
    return [text for found in hub_layout.texts(slice(60)).values() for text in found]


def _causal(folder: Path, kind: str) -> None:
    """Qwen's layout (bytes as characters, vocab.json, merges.txt), and that of Llama (byte tokens as a last resort)."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    texts = _training_texts()
    if kind == "byte-bpe":
        inner = Tokenizer(models.BPE())
        inner.normalizer = normalizers.NFC()
        inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        inner.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=4_000, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
        )
        inner.train_from_iterator(texts, trainer)
        special = [AddedToken(name, special=True) for name in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")]
        inner.add_tokens([*special, AddedToken("<tool_call>", special=False)])
        named = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    else:
        pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
        inner = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
        inner.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        inner.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        )
        trainer = trainers.BpeTrainer(
            vocab_size=4_000, special_tokens=pieces, show_progress=False, limit_alphabet=900, max_token_length=12
        )
        inner.train_from_iterator((word for text in texts for word in text.split(" ")), trainer)
        state = json.loads(inner.to_str())
        state["added_tokens"] = state["added_tokens"][:3]  # the trainer takes byte tokens for special ones
        inner = Tokenizer.from_str(json.dumps(state))
        inner.post_processor = processors.TemplateProcessing(
            single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
        )
        named = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, **named)
    tokenizer.save_pretrained(folder)
    ends = {"eos_token_id": [tokenizer.eos_token_id, 7], "bos_token_id": tokenizer.bos_token_id}
    sizes: dict[str, Any] = {**_DECODER, "vocab_size": len(tokenizer) + 5, "num_key_value_heads": 2}
    if kind == "byte-bpe":
        inner.model.save(str(folder))
        model: Any = Qwen2ForCausalLM(Qwen2Config(**sizes, **ends, tie_word_embeddings=True))
    else:
        model = LlamaForCausalLM(LlamaConfig(**sizes, **ends, tie_word_embeddings=False))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model.init_weights()
    model.to(torch.bfloat16).save_pretrained(folder, max_shard_size="200KB")


def corpus() -> Iterator[tuple[str, str]]:
    """Texts of half of the languages."""
    found = hub_layout.texts(CORPUS)
    return ((code, text) for code in LANGUAGES for text in found[code])


def trimmed(whole: Path, folder: Path, **options: Any) -> Trimmed:
    return trim(str(whole), folder, corpus, **({"coverage": 0.98} | options))


class Read:
    """A folder, read by the library; for NLLB's SentencePiece file, with the tokenizer that xlgen repairs."""

    def __init__(self, folder: Path, repair: bool = False) -> None:
        from transformers import AutoTokenizer

        self.folder = folder
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        if repair:
            self.tokenizer = family_of(str(folder)).repair_tokenizer(self.tokenizer)

    @cached_property
    def model(self) -> Any:
        """With the class that the config names."""
        import transformers

        config = json.loads((self.folder / "config.json").read_text(encoding="utf-8"))
        loader = getattr(transformers, config["architectures"][0])
        return loader.from_pretrained(self.folder, dtype=torch.float32).eval()

    def ids(self, texts: list[str]) -> list[list[int]]:
        found: list[list[int]] = self.tokenizer(texts)["input_ids"]
        return found
