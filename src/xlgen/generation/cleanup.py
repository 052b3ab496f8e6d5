"""Clean-up of generated text before scoring (C, Appendix A; V, section 3.4)."""

from __future__ import annotations

import re

from xlgen.metrics.repeats import remove_repeated_ending


def clean(text: str, leftovers: re.Pattern[str]) -> str:
    """``text`` without leftovers of pretraining, with a phrase repeated at the end kept once, spaces made single."""
    return remove_repeated_ending(" ".join(leftovers.sub(" ", text).split()))
