"""The scripts that write no spaces between words."""

from __future__ import annotations

_SCRIPTS = ("Hani", "Hira", "Kana", "Bopo", "Thai", "Laoo", "Khmr", "Mymr", "Tibt", "Lana", "Tale")

UNSPACED = "".join(rf"\p{{scx={script}}}" for script in _SCRIPTS)
"""Their characters, for a set of the ``regex`` package."""
