"""The protocol of language identification models, and the wrapper through which metrics use them."""

from __future__ import annotations

import hashlib
import importlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from xlgen.core.extras import MissingExtraError, require
from xlgen.core.languages import Language, by_fasttext
from xlgen.core.registry import Registry

# Several metrics identify the same chunk of rows and its references, one after another: cache two chunks.
_REMEMBERED = 6_000
_KEPT = 1_000
"""Characters of the longest text that is a cache key itself; longer texts are cached by digest."""


class Model(Protocol):
    """A model that labels text with its own labels; ``codes`` maps them to the table of languages."""

    name: str
    """Name of the model with its version or digest, for signatures; without spaces."""

    @property
    def codes(self) -> Mapping[str, str]:
        """The language code of each label. A label whose language is not in the table maps to itself."""
        ...

    def code(self, language: Language) -> str:
        """The code of text in ``language``; ``""`` if the model has no label for it."""
        ...

    def predict(self, text: str) -> Sequence[tuple[str, float]]:
        """Labels with their probabilities, best first; missing labels have probability 0. The result may be empty.

        ``text`` is one line, not blank, and without lone surrogates.
        """
        ...

    def __hash__(self) -> int: ...


identifiers: Registry[Callable[[], Model]] = Registry("language identifier", "xlgen.metrics.identifiers", "identifiers")
"""Language identifiers: the key `lid`.

An entry makes a model, or raises InputError if its package is missing.
"""


class _Guess(NamedTuple):
    code: str
    probability: float
    all: NDArray[np.float64]
    """The probability of each code."""


class Identifier:
    """A model as metrics use it: languages as codes, any text as input, and cached predictions."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.name = model.name
        self._place = {code: place for place, code in enumerate(dict.fromkeys(model.codes.values()))}
        self._codes = list(self._place)
        self._place_of = {label: self._place[code] for label, code in model.codes.items()}
        self._code_of: dict[Language, str] = {}
        self._nothing = _Guess("", 0.0, np.zeros(len(self._place)))
        self._known: OrderedDict[str | bytes, _Guess] = OrderedDict()

    def code(self, language: Language) -> str:
        """The code that the model predicts for text in ``language``; ``""`` if it has no label for it.

        Scripts of one language may share a code (``zh`` and ``zh-Hant`` in lid.176).
        """
        if language not in self._code_of:
            self._code_of[language] = self._model.code(language)
        return self._code_of[language]

    def identify(self, texts: Sequence[str]) -> list[tuple[str, float]]:
        """The most probable language of each text, and its probability; ``("", 0)`` if there is none.

        Blank text has none. A label whose language is not in the table is returned as it is.
        """
        return [(guess.code, guess.probability) for guess in map(self._guess, texts)]

    def confidence(self, texts: Sequence[str], codes: Sequence[str]) -> list[float]:
        """The probability of each text's code, whatever the top label; 0 for a code that the model lacks."""
        places = [self._place.get(code) for code in codes]
        pairs = zip(texts, places, strict=True)
        return [0.0 if place is None else float(self._guess(text).all[place]) for text, place in pairs]

    def likely(self, text: str, least: float) -> dict[str, float]:
        """The codes with at least the probability ``least`` for a text, with their probabilities."""
        guess = self._guess(text)
        return {self._codes[place]: float(guess.all[place]) for place in np.flatnonzero(guess.all >= least)}

    def _guess(self, text: str) -> _Guess:
        # Long texts are cached by digest, so that texts of a megabyte are not kept in memory.
        key = text if len(text) <= _KEPT else hashlib.blake2b(text.encode("utf-8", "surrogatepass")).digest()
        if (found := self._known.get(key)) is not None:
            self._known.move_to_end(key)
            return found
        self._known[key] = found = self._ask(text)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return found

    def _ask(self, text: str) -> _Guess:
        if not text.strip():
            return self._nothing
        predicted = self._model.predict(_one_line(text))
        if not predicted:
            return self._nothing
        labels, probabilities = zip(*predicted, strict=True)
        places = list(map(self._place_of.__getitem__, labels))
        # Several labels may map to one language. In a tie, the first is on top.
        found = np.asarray(np.bincount(places, probabilities, len(self._place)), dtype=np.float64)
        top = max(dict.fromkeys(places), key=found.__getitem__)
        return _Guess(self._codes[top], float(found[top]), found)


def shared_code(language: Language, codes: Mapping[str, str]) -> str:
    """The code of ``language`` in a model that does not distinguish scripts: ``zh`` for ``zh-Hant``."""
    usual = by_fasttext(language.fasttext) if language.fasttext else None
    known = set(codes.values())
    return next((code for code in (language.code, usual.code if usual else "") if code in known), "")


def extra(module: str, name: str, package: str) -> tuple[ModuleType, str]:
    """The module of an identifier's package, and its version. Raises MissingExtraError if it is not installed."""
    purpose = f"language identifier {name!r}"
    require(name, purpose, module)
    try:
        return importlib.import_module(module), version(package)
    except PackageNotFoundError:  # another package has a module of this name
        raise MissingExtraError(purpose, (package,), name) from None


def _one_line(text: str) -> str:
    # fastText reads up to a newline, and no binding accepts lone surrogates.
    return text.replace("\n", " ").encode("utf-8", "replace").decode("utf-8")
