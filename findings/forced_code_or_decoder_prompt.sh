#!/usr/bin/env bash
# The target language of mBART-50 and NLLB-200 in transformers: forced_bos_token_id, or a second decoder input id.
#
# One expects: the decoder sees the same two tokens, </s> and the language code, either way, so beam search gives the same
# output.
# What happens: greedy outputs are equal, beams are not. The length that a hypothesis is divided by leaves out the prompt:
# a forced code is generated and counts, a code in decoder_input_ids is prompt and does not, so that short and long
# hypotheses change places. A batch in several languages needs decoder_input_ids, one in a single language takes either.
# Why it matters here: an export that is right seems wrong, if it is asked in the other way than `xlgen predict` works:
# xlgen forces the code, for each example of a mixed batch, and counts it, as generate() does (docs/how-to/export.md).
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 transformers==5.23.0
"$folder/venv/bin/python" - 2> "$folder/stderr" <<'PY' || { cat "$folder/stderr"; exit 1; }
import torch, transformers
from transformers import MBartConfig, MBartForConditionalGeneration

transformers.logging.set_verbosity_error()
print("transformers", transformers.__version__, "torch", torch.__version__)
torch.manual_seed(0)
config = MBartConfig(
    vocab_size=40, d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
    encoder_ffn_dim=32, decoder_ffn_dim=32, max_position_embeddings=64, init_std=0.4, decoder_start_token_id=2,
    forced_eos_token_id=None, pad_token_id=1, eos_token_id=2, bos_token_id=0,
)
model = MBartForConditionalGeneration(config).eval()
code, asked = 39, 200
ids = torch.randint(4, 38, (asked, 8))
mask = torch.ones_like(ids)


def outputs(beams, **given):
    new = 12 + ("forced_bos_token_id" in given)
    options = dict(num_beams=beams, length_penalty=0.6, early_stopping=False, max_new_tokens=new, forced_eos_token_id=None)
    found = model.generate(input_ids=ids, attention_mask=mask, **options, **given)
    return [[token for token in row[2:].tolist() if token != 1] for row in found]


prompt = torch.tensor([[2, code]]).repeat(asked, 1)
equal = {}
for beams in (1, 4):
    forced, prompted = outputs(beams, forced_bos_token_id=code), outputs(beams, decoder_input_ids=prompt)
    equal[beams] = sum(a == b for a, b in zip(forced, prompted))
    print(f"{beams} beams: {equal[beams]} of {asked} outputs are equal")
assert equal[1] == asked > equal[4]
print("as seen before")
PY
