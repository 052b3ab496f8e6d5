#!/usr/bin/env bash
# Reading a SentencePiece checkpoint with transformers 5 where protobuf is absent, or older than sentencepiece was made for.
#
# One expects: sentencepiece is installed, so google/mt5-small's spiece.model opens; or an error that names what is missing.
# What happens: transformers imports sentencepiece's protobuf classes. Without protobuf, or with one older than those
# classes (sentencepiece 0.2.3: 7.36.1), it takes the file for a tiktoken file and says: "`tiktoken` is required to read
# a `tiktoken` file. Install it with `pip install tiktoken`". Installing tiktoken does not help.
# Why it matters here: neither transformers nor sentencepiece depends on protobuf, so a fresh environment cannot open mT5,
# mBART-50 or any checkpoint without tokenizer.json. xlgen depends on protobuf, and its error names it (backbones/loading.py).
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
python="$folder/venv/bin/python"
"$python" -m pip install --quiet transformers==5.23.0 tokenizers==0.23.3 sentencepiece==0.2.3
"$python" - "$folder" <<'PY'
import json, pathlib, sys, sentencepiece
folder = pathlib.Path(sys.argv[1]) / "mt5"
folder.mkdir()
text = [f"the cat number {n} sat on mat {n * 7}" for n in range(200)]
sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(text), model_prefix=str(folder / "spiece"), vocab_size=60, model_type="unigram", pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2
)
(folder / "config.json").write_text(json.dumps({"model_type": "mt5"}))
(folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "T5Tokenizer", "extra_ids": 0}))
PY
see() {
    "$python" - "$folder/mt5" "$1" 2> /dev/null <<'PY'
import sys, transformers
from transformers import AutoTokenizer
try:
    found = len(AutoTokenizer.from_pretrained(sys.argv[1]))
except Exception as error:
    found = f"{type(error).__name__}: {error}"
print("transformers", transformers.__version__, "sentencepiece 0.2.3,", sys.argv[2], "->", found)
PY
}
see "no protobuf" | tee "$folder/none"
"$python" -m pip install --quiet protobuf==6.33.6
see "protobuf 6.33.6" | tee "$folder/older"
"$python" -m pip install --quiet protobuf==7.36.2
see "protobuf 7.36.2" | tee "$folder/newer"
grep -q "tiktoken" "$folder/none" && grep -q "tiktoken" "$folder/older" && grep -qE -- "-> [0-9]+$" "$folder/newer"
echo "as seen before"
