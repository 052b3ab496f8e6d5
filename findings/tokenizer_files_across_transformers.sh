#!/usr/bin/env bash
# Tokenizer folders that transformers 5 saves, opened in transformers 4.57.
#
# One expects: save_pretrained writes files that the previous major version opens, or that fail with a word on versions.
# What happens: additional special tokens are saved as a list under "extra_special_tokens", where 4.57 expects a mapping:
# AttributeError: 'list' object has no attribute 'keys'. The same list under "additional_special_tokens" is read by both.
# Why it matters here: T5, mBART-50 and NLLB tokenizers all have such tokens, so no exported model opens in production
# environments on 4.5x. xlgen exports under the older key (evaluation/export/tokenizer_files.py).
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/new"; python3 -m venv "$folder/old"
"$folder/new/bin/pip" install --quiet transformers==5.23.0 tokenizers==0.23.3
"$folder/old/bin/pip" install --quiet transformers==4.57.6 tokenizers==0.22.2 protobuf==7.36.2
"$folder/new/bin/python" - "$folder" <<'PY'
import json, pathlib, sys, transformers
from transformers import T5Tokenizer

print("written by transformers", transformers.__version__)
folder = pathlib.Path(sys.argv[1])
pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁a", -1.0), *[(f"<extra_id_{n}>", 0.0) for n in reversed(range(100))]]
T5Tokenizer(vocab=pieces).save_pretrained(folder / "saved")
T5Tokenizer(vocab=pieces).save_pretrained(folder / "renamed")
file = folder / "renamed" / "tokenizer_config.json"
config = json.loads(file.read_text())
print("keys:", sorted(config), "- extra_special_tokens is a", type(config["extra_special_tokens"]).__name__)
config["additional_special_tokens"] = config.pop("extra_special_tokens")
file.write_text(json.dumps(config))
PY
read -r -d '' open <<'PY' || true
import sys, transformers
from transformers import AutoTokenizer
try:
    tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
    print(transformers.__version__, sys.argv[1].rsplit("/", 1)[1], "->", tokenizer("a", add_special_tokens=False)["input_ids"])
except AttributeError as error:
    print(transformers.__version__, sys.argv[1].rsplit("/", 1)[1], "->", type(error).__name__, error)
PY
for version in new old; do
    for name in saved renamed; do
        "$folder/$version/bin/python" -c "$open" "$folder/$name" 2> /dev/null | tee -a "$folder/seen"
    done
done
grep -q "^5.23.0 saved -> \[3\]" "$folder/seen" && grep -q "^5.23.0 renamed -> \[3\]" "$folder/seen"
grep -q "^4.57.6 saved -> AttributeError 'list' object has no attribute 'keys'" "$folder/seen"
grep -q "^4.57.6 renamed -> \[3\]" "$folder/seen"
echo "as seen before"
