"""Zero-shot cross-lingual generation: labels in one language, good output in the right language in all the others.

    import xlgen

    run = xlgen.train("squad-xquad", {"data_dir": "data"}, out="runs/squad")
    run.metrics.where(metric="squad_f1")
    model = xlgen.load(run)
    model.generate(["Who wrote Faust? Goethe wrote Faust."], language="de", num_beams=4)

Names are imported when they are used: ``import xlgen`` takes milliseconds and does not import PyTorch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from xlgen.core.version import VERSION

if TYPE_CHECKING:
    from xlgen.api import analyze
    from xlgen.api.catalog import Listing, catalog
    from xlgen.api.inference import Evaluated, evaluate, export, predict
    from xlgen.api.model import DecodingSettings, Model, load
    from xlgen.api.query import QueryResult, query
    from xlgen.api.rows import Rows
    from xlgen.api.schemas import schema
    from xlgen.api.scoring import Comparison, compare, score
    from xlgen.api.studies import Study, study
    from xlgen.api.tokenizers import tokenizer
    from xlgen.api.training import Run, build_report, train
    from xlgen.api.trimming import TrimmedModel, trim, untrim
    from xlgen.core.registry import InputError

__all__ = [
    "Comparison",
    "DecodingSettings",
    "Evaluated",
    "InputError",
    "Listing",
    "Model",
    "QueryResult",
    "Rows",
    "Run",
    "Study",
    "TrimmedModel",
    "__version__",
    "analyze",
    "build_report",
    "catalog",
    "compare",
    "evaluate",
    "export",
    "load",
    "predict",
    "query",
    "schema",
    "score",
    "study",
    "tokenizer",
    "train",
    "trim",
    "untrim",
]

__version__ = VERSION

_MODULES = {
    "xlgen.api.catalog": ("Listing", "catalog"),
    "xlgen.api.inference": ("Evaluated", "evaluate", "export", "predict"),
    "xlgen.api.model": ("DecodingSettings", "Model", "load"),
    "xlgen.api.query": ("QueryResult", "query"),
    "xlgen.api.rows": ("Rows",),
    "xlgen.api.schemas": ("schema",),
    "xlgen.api.scoring": ("Comparison", "compare", "score"),
    "xlgen.api.studies": ("Study", "study"),
    "xlgen.api.training": ("Run", "build_report", "train"),
    "xlgen.api.trimming": ("TrimmedModel", "trim", "untrim"),
    "xlgen.api.tokenizers": ("tokenizer",),
    "xlgen.core.registry": ("InputError",),
}
_WHERE = {name: module for module, names in _MODULES.items() for name in names}
_GROUPS = {"analyze": "xlgen.api.analyze"}
"""Modules whose functions are public: ``xlgen.analyze.cka``."""


def __getattr__(name: str) -> object:
    """A public name, imported when it is first used."""
    if name not in _WHERE and name not in _GROUPS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = import_module(_GROUPS[name]) if name in _GROUPS else getattr(import_module(_WHERE[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
