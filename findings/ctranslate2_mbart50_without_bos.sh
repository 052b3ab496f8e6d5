#!/usr/bin/env bash
# An mBART-50 checkpoint that transformers 5 saved, converted for CTranslate2.
#
# One expects: a folder that the converter writes without an error can be opened, as for mT5 and NLLB-200.
# What happens: MBart50Tokenizer of transformers 5 has no bos_token unless it is given one, and the converter writes
# "bos_token": null into config.json. Translator then raises a RuntimeError about JSON types that names neither the file
# nor the key. If the tokenizer is given bos_token="<s>", the same model can be opened. The target's first token is not
# this one, so any existing token does.
# Why it matters here: the error appears only when the model is first served. `xlgen export --to ctranslate2` names a
# bos_token, and opens the model to compare its outputs (evaluation/export/to_ctranslate2.py).
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 transformers==5.23.0 sentencepiece==0.2.3 ctranslate2==4.8.5
cat > "$folder/convert.py" <<'PY'
import json, pathlib, sys

import ctranslate2
from transformers import MBart50Tokenizer, MBartConfig, MBartForConditionalGeneration

folder = pathlib.Path(sys.argv[1])
pieces = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), *[(f"▁w{n}", -3.0) for n in range(40)]]
sizes = dict(d_model=16, encoder_ffn_dim=16, decoder_ffn_dim=16, encoder_layers=1, decoder_layers=1)
heads = dict(encoder_attention_heads=2, decoder_attention_heads=2)
for name, given in (("as it is saved", {}), ("with a bos_token", {"bos_token": "<s>"})):
    saved, converted = folder / name, folder / f"{name} converted"
    tokenizer = MBart50Tokenizer(vocab=pieces, src_lang="en_XX", tgt_lang="fr_XX", **given)
    # The converter reads these two keys, which transformers 5 no longer writes.
    config = MBartConfig(vocab_size=len(tokenizer), **sizes, **heads, scale_embedding=True, normalize_before=True,
                         normalize_embedding=True)
    MBartForConditionalGeneration(config).save_pretrained(saved)
    tokenizer.save_pretrained(saved)
    ctranslate2.converters.TransformersConverter(str(saved)).convert(str(converted))
    written = json.loads((converted / "config.json").read_text())["bos_token"]
    try:
        ctranslate2.Translator(str(converted), device="cpu")
        outcome = "opened"
    except RuntimeError as error:
        outcome = f"RuntimeError: {error}"
    print(f"{name}: the tokenizer has bos_token {tokenizer.bos_token!r}, config.json has {written!r}; {outcome}")
    assert outcome == "opened" if given else (written is None and "null" in outcome), outcome
PY
"$folder/venv/bin/python" -c 'import ctranslate2, transformers
print(f"ctranslate2 {ctranslate2.__version__}, transformers {transformers.__version__}")'
"$folder/venv/bin/python" "$folder/convert.py" "$folder" 2> "$folder/stderr" || { cat "$folder/stderr"; exit 1; }
echo "as seen before"
# ctranslate2 4.8.5, transformers 5.23.0
# as it is saved: the tokenizer has bos_token None, config.json has None; RuntimeError: [json.exception.type_error.302]
#   type must be string, but is null
# with a bos_token: the tokenizer has bos_token '<s>', config.json has '<s>'; opened
