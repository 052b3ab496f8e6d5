"""xlgen: zero-shot cross-lingual generation. Labels in one language, output in the right language in all others."""

from importlib import import_module

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """``xlgen.score`` and ``xlgen.query``, imported when asked for: most of the package needs none of them."""
    if name == "score":
        # By name: metrics import this module for its version, and may not depend on what is above them.
        return getattr(import_module("xlgen.scoring"), name)
    if name == "query":
        return import_module("xlgen.experiments.query").query
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
