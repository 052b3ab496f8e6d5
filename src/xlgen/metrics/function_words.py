"""Function words, which identify short English spans, and words in lower case within titles."""

from __future__ import annotations

import regex

FUNCTION_WORD = regex.compile(
    r"(?i)(?<![\p{L}'’])(?:the|and|of|with|from|were|this|that|which|was|for|by|have|has|will|not|his|their|been)(?![\p{L}'’])"
)
"""An English function word that does not occur in romanized text. Most sentences of more than a few words have one."""
ONLY_ENGLISH = frozenset(["the", "and", "with", "from", "were", "this", "that", "which"])
"""English function words that no other language in Latin script has: not "was", "is", "are", "of", "have"."""
IN_TITLE = regex.compile(r"a|an|the|of|and|in|on|for|to|at|by|with|from|de|la|du|der|die|das|von|und|del|di|e|y|&")
"""Words written in lower case within titles and names: ``Game of the Year``, ``Universidad de Chile``."""
