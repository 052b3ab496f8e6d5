#!/usr/bin/env bash
# A folder with merged weights that also holds the adapters they were merged from, opened by transformers.
#
# One expects: from_pretrained of a folder with a config.json and a model.safetensors gives the model of that file; which
# other packages are installed makes no difference.
# What happens: if adapter_config.json is in the folder and peft is installed, from_pretrained puts the adapters into the
# model as well, without a warning: the LoRA update is applied twice. Without peft it is applied once. So a merged model
# that was saved into its adapters' folder gives other outputs on a machine that has peft.
# Why it matters here: the class of the model, its config and its weights file are the same in both cases, and nothing
# is printed. An export must start from a new folder, and xlgen refuses to load a folder that holds both
# (backbones/loading.py).
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 transformers==5.23.0 peft==0.21.2
cat > "$folder/make.py" <<'PY'
import sys
import torch, transformers
from peft import LoraConfig, get_peft_model
from transformers import MT5Config, MT5ForConditionalGeneration

transformers.logging.set_verbosity_error()
torch.manual_seed(0)
config = MT5Config(
    vocab_size=64, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, decoder_start_token_id=0
)
base = MT5ForConditionalGeneration(config)
lora = LoraConfig(task_type="SEQ_2_SEQ_LM", r=2, lora_alpha=2, init_lora_weights=False)
adapted = get_peft_model(base, lora).eval()
adapted.save_pretrained(sys.argv[1])
merged = adapted.merge_and_unload()
merged.save_pretrained(sys.argv[1])
ids = torch.arange(2, 10)[None]
torch.save((ids, merged(input_ids=ids, decoder_input_ids=ids).logits), f"{sys.argv[1]}.pt")
PY
cat > "$folder/open.py" <<'PY'
import importlib.util, sys
import torch, transformers
from transformers import AutoModelForSeq2SeqLM

transformers.logging.set_verbosity_error()
model = AutoModelForSeq2SeqLM.from_pretrained(sys.argv[1]).eval()
ids, expected = torch.load(f"{sys.argv[1]}.pt")
with torch.no_grad():
    found = model(input_ids=ids, decoder_input_ids=ids).logits
has_peft = importlib.util.find_spec("peft") is not None
equal = torch.allclose(found, expected, atol=1e-5)
adapters = sum("lora_" in name for name in model.state_dict())
print(f"peft {'installed' if has_peft else 'absent'}: {type(model).__name__}, {adapters} tensors of LoRA; "
      f"logits {'equal to' if equal else 'other than'} the merged model's")
assert equal != has_peft and (adapters > 0) == has_peft
PY
run() { "$folder/venv/bin/python" "$@" 2> "$folder/stderr" || { cat "$folder/stderr"; exit 1; }; }
run -c 'import peft, torch, transformers; print("transformers", transformers.__version__, "peft", peft.__version__, "torch", torch.__version__)'
run "$folder/make.py" "$folder/model"
run "$folder/open.py" "$folder/model"
"$folder/venv/bin/pip" uninstall --quiet --yes peft
run "$folder/open.py" "$folder/model"
echo "as seen before"
