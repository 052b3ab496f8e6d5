#!/usr/bin/env bash
# NLLB-200's tokenizer from its SentencePiece file alone, in transformers 5.
#
# One expects: 202 language codes behind the vocabulary, then <mask>, as the model was trained (NLLB-200: eng_Latn
# 256047, <mask> 256203), and as transformers 4 numbers them.
# What happens: no code has an id, so that "eng_Latn" is <unk>, and <mask> has the id of the first code. A list of the
# codes given to from_pretrained puts them behind <mask>: every language has the id of the next one in the list.
# Why it matters here: a folder without tokenizer.json (converted, or written by older tools) trains and generates with
# the embedding of another language, without any error. xlgen numbers the codes as trained (backbones/nllb.py).
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet transformers==5.23.0 tokenizers==0.23.3 sentencepiece==0.2.3 protobuf==7.36.2
"$folder/venv/bin/python" - "$folder" <<'PY'
import json, pathlib, sys, sentencepiece, tokenizers, transformers
from transformers import AutoTokenizer
from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES as CODES

print("transformers", transformers.__version__, "tokenizers", tokenizers.__version__, "sentencepiece", sentencepiece.__version__)
folder = pathlib.Path(sys.argv[1]) / "nllb"
folder.mkdir()
text = [f"the cat number {n} sat on mat {n * 7}" for n in range(200)]
sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(text), model_prefix=str(folder / "sentencepiece.bpe"), vocab_size=60, model_type="bpe", minloglevel=2
)
(folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "NllbTokenizer"}))
size = 60 + 1  # fairseq's vocabulary has one token more than SentencePiece's
wanted = [size, size + CODES.index("eng_Latn"), size + len(CODES)]
names = ["ace_Arab", "eng_Latn", "<mask>"]
plain = AutoTokenizer.from_pretrained(folder)
listed = AutoTokenizer.from_pretrained(folder, extra_special_tokens=CODES)
print("as trained          ", dict(zip(names, wanted)))
print("from_pretrained     ", dict(zip(names, plain.convert_tokens_to_ids(names))), "unknown:", plain.unk_token_id)
print("with the codes given", dict(zip(names, listed.convert_tokens_to_ids(names))))
assert plain.convert_tokens_to_ids(names) == [plain.unk_token_id, plain.unk_token_id, size]
assert listed.convert_tokens_to_ids(names) == [wanted[0] + 1, wanted[1] + 1, size]
print("as seen before")
PY
