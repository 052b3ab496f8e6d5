"""Function words, by which a few words are known to be English, and titles to be names."""

from __future__ import annotations

import regex

FUNCTION_WORD = regex.compile(
    r"(?i)(?<![\p{L}'’])(?:the|and|of|with|from|were|this|that|which|was|for|by|have|has|will|not|his|their|been)(?![\p{L}'’])"
)
"""A function word of English that is no word of romanised text. Few sentences of more than a few words have none."""
ONLY_ENGLISH = frozenset(["the", "and", "with", "from", "were", "this", "that", "which"])
"""Those that no other language in Latin script has: not "was", "is", "are", "of", "have"."""
IN_TITLE = regex.compile(r"a|an|the|of|and|in|on|for|to|at|by|with|from|de|la|du|der|die|das|von|und|del|di|e|y|&")
"""What is in lower case within titles and names: ``Game of the Year``, ``Universidad de Chile``."""
