"""Clean-up of generated text before scoring (C, Appendix A; V, section 3.4)."""

from __future__ import annotations

import re

from xlgen.data.markup import without_tokens
from xlgen.metrics.repeats import remove_repeated_ending


def clean(text: str, leftovers: re.Pattern[str]) -> str:
    """``text`` without leftovers of pretraining, with a phrase repeated at the end kept once, spaces made single.

    Special tokens are leftovers where they are marked (:mod:`xlgen.data.markup`), as a backbone decodes them.
    """
    return remove_repeated_ending(" ".join(leftovers.sub(" ", without_tokens(text)).split()))
