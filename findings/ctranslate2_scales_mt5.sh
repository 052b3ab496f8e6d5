#!/usr/bin/env bash
# CTranslate2's converter on mT5, together with transformers 5.
#
# One expects: a checkpoint whose lm_head is a matrix of its own (every published mT5, config tie_word_embeddings false)
# converts to a model with the same logits.
# What happens: transformers 5 sets tie_word_embeddings to True in every MT5Config that it reads, whatever the file says;
# it keeps both matrices, but CTranslate2 asks the config and multiplies the logits by d_model^-0.5. Greedy outputs are
# equal, so a greedy check passes; log-probabilities, and with them beams and scores, are not.
# Why it matters here: 114 of 120 outputs with 4 beams differed. xlgen's export takes the factor out
# (evaluation/export/to_ctranslate2.py), and compares beams and scores.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 transformers==5.23.0 ctranslate2==4.8.5
"$folder/venv/bin/python" - "$folder" 2> "$folder/stderr" <<'PY' || { cat "$folder/stderr"; exit 1; }
import json, pathlib, sys, ctranslate2, torch, transformers
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForSeq2SeqLM, MT5Config, T5Tokenizer

transformers.logging.set_verbosity_error()
print("transformers", transformers.__version__, "ctranslate2", ctranslate2.__version__, "torch", torch.__version__)
folder = pathlib.Path(sys.argv[1]) / "mt5"
torch.manual_seed(0)
tokens = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *[(f"▁w{n}", -3.0) for n in range(61)]]
sizes = dict(vocab_size=64, d_model=64, d_kv=16, d_ff=64, num_layers=1, num_decoder_layers=1, num_heads=4, decoder_start_token_id=0)
model = AutoModelForSeq2SeqLM.from_config(MT5Config(**sizes)).eval()
model.lm_head.weight = torch.nn.Parameter(torch.randn(64, 64) * 0.3)
model.config.tie_word_embeddings = False
model.save_pretrained(folder)
T5Tokenizer(vocab=tokens, extra_ids=0, bos_token="<pad>").save_pretrained(folder)
saved = json.loads((folder / "config.json").read_text())["tie_word_embeddings"]
read = AutoConfig.from_pretrained(folder).tie_word_embeddings
print("tie_word_embeddings in config.json:", saved, "- as transformers reads it:", read)
assert (saved, read) == (False, True)
assert {"lm_head.weight", "shared.weight"} <= load_file(folder / "model.safetensors").keys()
ctranslate2.converters.TransformersConverter(str(folder)).convert(str(folder.parent / "ct2"))
translator = ctranslate2.Translator(str(folder.parent / "ct2"), device="cpu")
source = ["▁w5", "▁w9", "</s>"]
ids = torch.tensor([[3 + 5, 3 + 9, 1]])
loaded = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.float32).eval()
with torch.no_grad():
    logits = loaded(input_ids=ids, decoder_input_ids=torch.tensor([[0]])).logits[0, -1]
found = translator.translate_batch([source], beam_size=1, max_decoding_length=1, return_scores=True)[0]
first = found.hypotheses[0][0] if found.hypotheses[0] else "</s>"
ours = torch.log_softmax(logits, -1).max().item()
scaled = torch.log_softmax(logits * 64**-0.5, -1).max().item()
print(f"log-probability of the first token {first}: transformers {ours:.4f}, CTranslate2 {found.scores[0]:.4f}, scaled by d_model^-0.5 {scaled:.4f}")
assert abs(found.scores[0] - scaled) < 0.05 < abs(found.scores[0] - ours)
print("as seen before")
PY
