"""Scripts without spaces between words."""

from __future__ import annotations

_SCRIPTS = ("Hani", "Hira", "Kana", "Bopo", "Thai", "Laoo", "Khmr", "Mymr", "Tibt", "Lana", "Tale")

UNSPACED = "".join(rf"\p{{scx={script}}}" for script in _SCRIPTS)
"""Their characters, for use in a character class of ``regex``."""
