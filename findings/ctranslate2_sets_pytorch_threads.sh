#!/usr/bin/env bash
# A CTranslate2 translator in a process that also uses PyTorch.
#
# One expects: intra_threads is the translator's own setting, and torch.set_num_threads is PyTorch's.
# What happens: if torch was imported first, opening a translator with intra_threads=3 sets torch.get_num_threads() to 3,
# and it stays 3 after the translator is deleted. If ctranslate2 was imported first, PyTorch's number does not change.
# Each of the two Linux wheels brings a libgomp of its own, so one expects two settings.
# Why it matters here: after a comparison with CTranslate2, a training in the same process ran with two threads instead of
# one. Sums in another order changed the last bit of the loss from step 147 of 400 on, and a test that a resumed run is
# identical failed. xlgen opens translators with PyTorch's own number of threads (evaluation/export/to_ctranslate2.py).
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 transformers==5.23.0 ctranslate2==4.8.5
cat > "$folder/make.py" <<'PY'
import sys, ctranslate2
from transformers import AutoModelForSeq2SeqLM, MT5Config, T5Tokenizer

tokens = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *[(f"▁w{n}", -3.0) for n in range(61)]]
sizes = dict(vocab_size=64, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, decoder_start_token_id=0)
AutoModelForSeq2SeqLM.from_config(MT5Config(**sizes)).save_pretrained(sys.argv[1])
T5Tokenizer(vocab=tokens, extra_ids=0, bos_token="<pad>").save_pretrained(sys.argv[1])
ctranslate2.converters.TransformersConverter(sys.argv[1]).convert(sys.argv[2])
PY
cat > "$folder/open.py" <<'PY'
import importlib, sys

first, second = sys.argv[2:]
importlib.import_module(first)
importlib.import_module(second)
import ctranslate2, torch

torch.set_num_threads(5)
before = torch.get_num_threads()  # PyTorch sets up its threads here; without a call, it would do so after the translator
translator = ctranslate2.Translator(sys.argv[1], device="cpu", intra_threads=3)
opened = torch.get_num_threads()
del translator
left = torch.get_num_threads()
print(f"{first} {sys.modules[first].__version__} imported before {second} {sys.modules[second].__version__}: PyTorch has "
      f"{before} threads, {opened} with a translator open, {left} after it is deleted")
assert (before, opened, left) == ((5, 3, 3) if first == "torch" else (5, 5, 5))
PY
run() { "$folder/venv/bin/python" "$@" 2> "$folder/stderr" || { cat "$folder/stderr"; exit 1; }; }
run "$folder/make.py" "$folder/mt5" "$folder/ct2"
run "$folder/open.py" "$folder/ct2" torch ctranslate2
run "$folder/open.py" "$folder/ct2" ctranslate2 torch
echo "as seen before"
