"""Checks of arguments that several functions share."""

from __future__ import annotations

from collections.abc import Sequence

from xlgen.core.registry import InputError


def codes_of(languages: Sequence[str]) -> tuple[str, ...]:
    """The codes of languages. Raises InputError for a single text."""
    if isinstance(languages, str):
        raise InputError(f"languages must be a list of codes, not one text: [{languages!r}]")
    return tuple(languages)
