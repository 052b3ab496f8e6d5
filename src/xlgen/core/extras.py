"""Optional dependencies. ``pip install xlgen`` installs what scoring needs; everything else is an extra.

Code that needs an optional package calls :func:`require` before it imports the package, so that every message about a
missing package has the same form and names the command that installs it.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping

from xlgen.core.registry import InputError

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "train": ("torch", "transformers", "accelerate", "safetensors", "tokenizers"),
    "report": ("matplotlib", "jinja2", "scipy"),
    "query": ("duckdb", "fsspec"),
    "segmenters": ("jieba", "fugashi", "unidic_lite", "pythainlp"),
    "stemmer": ("nltk",),
    "bertscore": ("bert_score",),
    "lingua": ("lingua",),
    "cld3": ("gcld3",),
    "ctranslate2": ("ctranslate2",),
    "optuna": ("optuna",),
    "analysis": ("sklearn",),
    "ray": ("ray",),
    "tensorboard": ("tensorboard",),
    "wandb": ("wandb",),
    "mlflow": ("mlflow",),
}
"""The modules that all uses of an extra need."""
_ALSO = {"train": ("datasets", "filelock", "fsspec", "huggingface_hub", "numba", "pandas", "peft", "sentencepiece")}
"""Modules of an extra that only some uses need."""


class MissingExtraError(InputError):
    """An optional package is not installed. The message has the command that installs it."""

    def __init__(self, purpose: str, packages: tuple[str, ...], extra: str) -> None:
        self.extra = extra
        verb = "is" if len(packages) == 1 else "are"
        super().__init__(
            f"{purpose} needs {', '.join(packages)}, which {verb} not installed: pip install 'xlgen[{extra}]'"
        )


def require(extra: str, purpose: str, *modules: str) -> None:
    """Check that the packages of an extra are installed, without importing them.

    Args:
        extra: The name of the extra.
        purpose: What needs it, as the subject of a sentence: ``training``.
        modules: The modules to check for. By default, those that all uses of the extra need.

    Raises:
        MissingExtraError: if one is not installed.
    """
    missing = tuple(name for name in modules or EXTRAS[extra] if not is_installed(name))
    if missing:
        raise MissingExtraError(purpose, missing, extra)


def is_installed(module: str) -> bool:
    """Whether a module can be imported. A folder without code is no module, such as the one that wandb writes."""
    if module in sys.modules:
        return sys.modules[module] is not None
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # of a finder that refuses it
        return False
    return found is not None and found.origin is not None


def missing_extra(error: ModuleNotFoundError) -> MissingExtraError | None:
    """The error to report for a failed import, or None if the module is not part of an extra."""
    module = (error.name or "").partition(".")[0]
    for extra, modules in EXTRAS.items():
        if module in (*modules, *_ALSO.get(extra, ())):
            return MissingExtraError("this", (module,), extra)
    return None
