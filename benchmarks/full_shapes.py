"""Claim: each family trains and generates at its full published shape within 24 GiB of memory.

For mT5-small, mBART-large-50 and NLLB-200-distilled-600M: write a randomly initialised checkpoint folder of the
published shape (with a pocket tokenizer, whose ids fit into the larger vocabulary), train it for 3 steps through
`xlgen train`, generate for two languages, and report parameters, time and peak memory.

    python benchmarks/full_shapes.py [mt5 mbart nllb]
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

LIMIT_GIB = 24


def _mt5() -> tuple[Any, str]:
    from transformers import MT5Config

    return MT5Config(), "pocket-mt5"  # the defaults are mt5-small's


def _mbart() -> tuple[Any, str]:
    from transformers import MBartConfig

    # facebook/mbart-large-50
    shape = {"vocab_size": 250_054, "d_model": 1024, "encoder_layers": 12, "decoder_layers": 12}
    heads = {"encoder_attention_heads": 16, "decoder_attention_heads": 16}
    return MBartConfig(
        **shape, **heads, encoder_ffn_dim=4096, decoder_ffn_dim=4096, scale_embedding=True, decoder_start_token_id=2
    ), "pocket-mbart"


def _nllb() -> tuple[Any, str]:
    from transformers import M2M100Config

    # facebook/nllb-200-distilled-600M
    shape = {"vocab_size": 256_206, "d_model": 1024, "encoder_layers": 12, "decoder_layers": 12}
    heads = {"encoder_attention_heads": 16, "decoder_attention_heads": 16}
    return M2M100Config(
        **shape, **heads, encoder_ffn_dim=4096, decoder_ffn_dim=4096, scale_embedding=True, decoder_start_token_id=2
    ), "pocket-nllb"


def _bert() -> tuple[Any, str]:
    from transformers import BertConfig

    return BertConfig(vocab_size=119_547), "pocket-mbart"  # the defaults are BERT-base's


def _xlm_r(**shape: int) -> tuple[Any, str]:
    from transformers import XLMRobertaConfig

    fixed = {"vocab_size": 250_002, "max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5}
    return XLMRobertaConfig(**fixed, **shape), "pocket-mbart"  # otherwise as BERT-base


def _xlm_r_large() -> tuple[Any, str]:
    return _xlm_r(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096)


SHAPES = {"mt5": _mt5, "mbart": _mbart, "nllb": _nllb}
ALONE = {"bert": _bert, "xlm-roberta": _xlm_r, "xlm-roberta-large": _xlm_r_large}
"""Encoders without a decoder."""
FRAMES = {"pocket-mbart": {"cls_token": "<s>", "sep_token": "</s>"}}
"""BERT's frame around a text, by the names of the pocket vocabulary."""


def make(name: str, folder: Path) -> int:
    """Write the checkpoint folder; return its number of parameters."""
    import torch
    from transformers import AutoModel, AutoModelForSeq2SeqLM, AutoTokenizer

    from xlgen.backbones.loading import embedded, family_of

    config, tokenizer = {**SHAPES, **ALONE}[name]()
    frame = FRAMES.get(tokenizer, {}) if name in ALONE else {}
    AutoTokenizer.from_pretrained(embedded()[tokenizer], **frame).save_pretrained(folder)
    config.save_pretrained(folder)
    torch.manual_seed(0)
    loader = AutoModel if name in ALONE else AutoModelForSeq2SeqLM
    model = loader.from_config(config, dtype=torch.float32)
    family_of(str(folder)).repair(model, fresh=True)
    model.save_pretrained(folder)
    return sum(parameter.numel() for parameter in model.parameters())


def main() -> None:
    if len(sys.argv) == 3 and sys.argv[1] == "--make":
        name, folder = sys.argv[2].split("=", 1)
        print(make(name, Path(folder)))
        return
    for name in sys.argv[1:] or SHAPES:
        with tempfile.TemporaryDirectory() as root:
            folder, out = Path(root) / name, Path(root) / "run"
            # In a process of its own, so that peak memory below is the training's alone.
            made = subprocess.run(
                [sys.executable, __file__, "--make", f"{name}={folder}"], check=True, capture_output=True, text=True
            )
            command = [sys.executable, "-m", "xlgen", "train", "RECIPE", "--out", str(out)]
            recipe = Path(root) / "recipe.yaml"
            recipe.write_text(RECIPE.replace("FOLDER", str(folder)), encoding="utf-8")
            command[4] = str(recipe)
            started = time.monotonic()
            before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
            done = subprocess.run(command, check=False, capture_output=True, text=True, env=os.environ)
            seconds = time.monotonic() - started
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
            if done.returncode:
                sys.exit(f"{name}: exit {done.returncode}\n{done.stderr[-3000:]}")
            predictions = sum(1 for path in out.rglob("predictions/**/*.jsonl") for _ in path.open(encoding="utf-8"))
            note = " (peak of an earlier, larger run)" if before / 2**20 >= peak else ""
            print(
                f"{name}: {int(made.stdout):,} parameters, 3 steps and {predictions} predictions in {seconds:.0f} s, "
                f"peak memory {peak:.1f} GiB{note}, limit {LIMIT_GIB} GiB: {'holds' if peak <= LIMIT_GIB else 'FAILS'}"
            )


RECIPE = """
name: full-shape
backbone: FOLDER
task: pocket-summaries
training: {steps: 3, learning_rate: 1e-5, warmup_steps: 0, batch_tokens: 1000, train_examples: 24, log_every: 1}
evaluation: {every: null, split: test, examples: 4, languages: [fr, th], max_new_tokens: 16, bootstrap: 0}
"""

if __name__ == "__main__":
    main()
