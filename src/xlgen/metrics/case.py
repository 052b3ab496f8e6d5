"""Lower-casing by language: Turkish and some other languages pair I with ı, and İ with i."""

from __future__ import annotations

from collections.abc import Callable

# Languages whose Latin alphabet has the dotless i (Unicode's SpecialCasing names tr and az).
_DOTLESS = frozenset({"tr", "az", "crh", "gag", "tt-Latn", "ba-Latn", "kk-Latn"})
_TURKIC = str.maketrans({"I": "ı", "İ": "i"})


def has_dotless_i(code: str) -> bool:
    """Whether the language with this canonical code has both ı and i."""
    return code in _DOTLESS


def lower_case(code: str) -> Callable[[str], str]:
    """The lower-casing function of a language: in Turkish, İki becomes iki and IRK becomes ırk."""
    return _turkic if has_dotless_i(code) else str.lower


def one_dot(text: str) -> str:
    """Lower-case ``text`` with a plain i for i or ı followed by a combining dot above.

    Lower-casing İ gives i with the dot outside Turkish. Lower-casing I with the dot gives ı with the dot in Turkish.
    """
    return text.replace("i\u0307", "i").replace("ı\u0307", "i") if "\u0307" in text else text


def _turkic(text: str) -> str:
    # İ may be written as I with a combining dot above, or be in lower case already.
    return one_dot(text.replace("I\u0307", "İ").translate(_TURKIC).lower())
