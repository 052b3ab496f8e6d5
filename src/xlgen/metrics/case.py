"""Lower case of languages: Turkish and its neighbours pair I with ı, and İ with i."""

from __future__ import annotations

from collections.abc import Callable

# Languages whose Latin alphabet has the dotless i (Unicode's SpecialCasing names tr and az).
_DOTLESS = frozenset({"tr", "az", "crh", "gag", "tt-Latn", "ba-Latn", "kk-Latn"})
_TURKIC = str.maketrans({"I": "ı", "İ": "i"})


def has_dotless_i(code: str) -> bool:
    """Whether the language, by its canonical code, has ı besides i."""
    return code in _DOTLESS


def lower_case(code: str) -> Callable[[str], str]:
    """The function to lower case of a language: İki and iki are one word of Turkish, IRK is ırk."""
    return _turkic if has_dotless_i(code) else str.lower


def one_dot(text: str) -> str:
    """``text`` in lower case with i for what lower-casing İ elsewhere than in Turkish makes of it: i with a dot above.

    Of ı, which I written with a dot above becomes in Turkish, too.
    """
    return text.replace("i\u0307", "i").replace("ı\u0307", "i") if "\u0307" in text else text


def _turkic(text: str) -> str:
    # İ may be written as I with a dot above, or be in lower case already.
    return one_dot(text.replace("I\u0307", "İ").translate(_TURKIC).lower())
