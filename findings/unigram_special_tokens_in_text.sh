#!/usr/bin/env bash
# Special tokens in text, with Unigram tokenizers (T5, mT5, mBART-50, XLM-R) and split_special_tokens=True.
#
# One expects: split_special_tokens=True makes "</s>" in a text ordinary pieces, as it does for BPE tokenizers and as
# SentencePiece treats control symbols always.
# What happens: it switches off the search for added tokens, but "</s>" is a piece of the Unigram vocabulary too, with
# score 0, and the best segmentation takes it. The text still holds the end-of-sequence id.
# Why it matters here: a label "was <s>100</s> now 80" is cut at </s> in training, and inputs end early. xlgen encodes
# with a copy of the tokenizer whose special pieces have names that no text holds (backbones/text.py).
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet transformers==5.23.0 tokenizers==0.23.3
"$folder/venv/bin/python" - <<'PY'
import tokenizers, transformers
from transformers import MBart50Tokenizer, NllbTokenizer, T5Tokenizer

print("transformers", transformers.__version__, "tokenizers", tokenizers.__version__)
said = "was 100</s> now"
pieces = [(c, -3.0) for c in "▁was10</>now"]
pieces = list(dict(pieces).items())
t5 = T5Tokenizer(vocab=[("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *pieces], extra_ids=0)
mbart = MBart50Tokenizer(vocab=[("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), *pieces], src_lang="en_XX")
bpe = {token: index for index, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", *dict(pieces)])}
nllb = NllbTokenizer(vocab=bpe, merges=[], src_lang="eng_Latn")
seen = {}
for name, tokenizer in (("T5 (Unigram)", t5), ("mBART-50 (Unigram)", mbart), ("NLLB (BPE)", nllb)):
    ids = tokenizer(said, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    seen[name] = tokenizer.eos_token_id in ids
    print(f"{name}: {tokenizer.convert_ids_to_tokens(ids)}  end of sequence inside: {seen[name]}")
assert list(seen.values()) == [True, True, False]
print("as seen before")
PY
