"""Which writing is which: scripts without spaces, and the scripts that a language is written in."""

from __future__ import annotations

_UNSPACED = ("Hani", "Hira", "Kana", "Bopo", "Thai", "Laoo", "Khmr", "Mymr", "Tibt", "Lana", "Tale")

UNSPACED = "".join(rf"\p{{scx={script}}}" for script in _UNSPACED)
"""Scripts that put no spaces between words, for the inside of a character class of ``regex``.

Script extensions (scx) bring in the signs that several scripts share, such as the long-vowel mark of kana.
"""

# ISO 15924 has names for mixtures of scripts; Unicode's properties know only the parts.
_MIXTURES = {"Jpan": ("Hani", "Hira", "Kana"), "Hang": ("Hang", "Hani"), "Hans": ("Hani", "Bopo")}
_MIXTURES["Hant"] = _MIXTURES["Hans"]


def letters_of(script: str) -> str:
    """The letters of a script of ISO 15924 (``Cyrl``, ``Jpan``), for the inside of a character class of ``regex``."""
    return "".join(rf"\p{{scx={part}}}" for part in _MIXTURES.get(script, (script,)))
