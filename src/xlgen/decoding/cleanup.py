"""Clean-up of generated text before scoring."""

from __future__ import annotations

import re
from collections.abc import Callable

from xlgen.core.config import Cleanup
from xlgen.data.markup import without_tokens
from xlgen.metrics.repeats import remove_repeated_ending, remove_repeated_substring

_REPEATS: dict[Cleanup, Callable[[str], str]] = {
    "leftovers": lambda text: text,
    "phrases": remove_repeated_ending,
    "substrings": remove_repeated_substring,
}


def clean(text: str, leftovers: re.Pattern[str], cleanup: Cleanup = "phrases") -> str:
    """``text`` without leftovers of pretraining, with single spaces, and without repetitions at its end.

    Marked special tokens (:mod:`xlgen.data.markup`), which backbones decode to, are leftovers. ``cleanup`` sets which
    repetitions are removed (:attr:`xlgen.core.config.Evaluation.cleanup`).
    """
    return _REPEATS[cleanup](" ".join(leftovers.sub(" ", without_tokens(text)).split()))
