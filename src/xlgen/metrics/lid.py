"""Language identification: the interface that metrics use, and the loading of models by name or path."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Protocol

from xlgen.core.languages import Language
from xlgen.core.registry import InputError, nearest
from xlgen.metrics.identifiers.base import Identifier, Model, identifiers
from xlgen.metrics.identifiers.fasttext_file import SMALL, from_file

__all__ = ["SMALL", "LanguageIdentifier", "load_identifier", "names"]


class LanguageIdentifier(Protocol):
    """Predicts the language of a text, as a code of the table of languages."""

    @property
    def name(self) -> str:
        """Name of the model with its version, for signatures."""
        ...

    def code(self, language: Language) -> str:
        """The code that the model predicts for text in ``language``; ``""`` if it has no label for it."""
        ...

    def identify(self, texts: Sequence[str]) -> list[tuple[str, float]]:
        """The most probable language of each text, and its probability; ``("", 0)`` if there is none."""
        ...

    def confidence(self, texts: Sequence[str], codes: Sequence[str]) -> list[float]:
        """The probability of each text's code; 0 for a code that the model lacks."""
        ...

    def likely(self, text: str, least: float) -> dict[str, float]:
        """The codes with at least the probability ``least`` for a text, with their probabilities."""
        ...

    def __hash__(self) -> int: ...


def load_identifier(model: str = SMALL) -> LanguageIdentifier:
    """The identifier called ``model``: a name of :func:`names`, or the path of a fastText model file.

    ``lid.176.ftz`` is always available; ``lingua``, ``lingua-low`` and ``cld3`` are extras. A file's labels may be
    those of lid.176 (``fr``) or include scripts, as in GlotLID and OpenLID (``fra_Latn``). An existing file takes
    precedence over a name. Each model is loaded once per process.

    Raises:
        InputError: if there is no such name or file, fastText cannot read it, or a package is missing.
    """
    path = Path(model).expanduser()
    if path.is_file():
        return _front(from_file(path.resolve()))
    if model in identifiers.names():
        return _front(identifiers.get(model)())
    if path.suffix in (".bin", ".ftz") or path.name != model:
        raise InputError(
            f"no language identification model at {model!r}: give {SMALL!r} or the path of a fastText model, such as"
            " lid.176.bin from https://fasttext.cc/docs/en/language-identification.html"
        )
    raise InputError(
        f"unknown language identifier {model!r}: {nearest(model, identifiers.names())}; or the path of a fastText model"
    )


def names() -> tuple[str, ...]:
    """The names of all registered identifiers, whether or not their packages are installed."""
    return identifiers.names()


@cache
def _front(model: Model) -> Identifier:
    return Identifier(model)
