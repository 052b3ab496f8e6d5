"""The language that a decoder is about to write, by layer and token: classes of tokens, and their probability shares.

Li and Murray (2023) argue that finetuning on one source language makes the encoder's states language-neutral, so that
the decoder no longer knows which language to write. The lens shows where in the decoder the source language prevails.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import regex
from numpy.typing import NDArray

from xlgen.core.languages import Language
from xlgen.core.registry import InputError
from xlgen.metrics.scripts import letters_of

CLASSES = ("source", "target", "both", "other", "neither")
"""Classes of tokens: letters of the source language's script, of the target's, of both, of others, or no letters."""
GENERATED, REFERENCE = "generated", "reference"
"""The text for teacher forcing: the model's own output, or the reference."""

_SHARED = r"\p{scx=Zyyy}\p{scx=Zinh}"
_ANY_LETTER = regex.compile(rf"[\p{{L}}--[{_SHARED}]]", regex.V1)
_BYTE = regex.compile(r"<0x[0-9A-F]{2}>")


@dataclass(frozen=True)
class Lens:
    """Probability shares of the token classes in one model and language, averaged over inputs."""

    model: str
    language: str
    """The target language, which is the language of the inputs."""
    source: str
    """The language of the training labels."""
    text: str
    """``generated`` or ``reference``."""
    shares: NDArray[np.float64]
    """Shape (1 + layers, steps, classes of ``CLASSES``). The classes sum to 1."""
    n: tuple[int, ...]
    """For each step, the number of inputs whose text has it."""
    signature: str

    def rows(self) -> list[dict[str, Any]]:
        """One row per layer and step, one key per class. Steps start at 1; steps without inputs are left out."""
        shared = {"analysis": "lens", "model": self.model, "language": self.language, "source": self.source}
        names = [f"{name}_share" for name in CLASSES]
        return [
            {
                **shared, "text": self.text, "layer": layer, "step": step + 1,
                **dict(zip(names, self.shares[layer, step].tolist(), strict=True)),
                "n": self.n[step], "signature": self.signature,
            }
            for layer in range(len(self.shares))
            for step in range(self.shares.shape[1])
            if self.n[step]
        ]  # fmt: skip


def classes_by_script(pieces: Sequence[str], special: Collection[int], source: str, target: str) -> list[int]:
    """The class of each token by the scripts of the languages ``source`` and ``target``; ``special`` ids are neither.

    Raises InputError for languages with the same script, whose tokens cannot be distinguished.
    """
    scripts = [Language.parse(code).script for code in (source, target)]
    of_source, of_target = map(_letter, scripts)
    if of_source == of_target:
        raise InputError(
            f"{source} and {target} have the same script, so scripts cannot separate their tokens; pass --corpus with "
            "text in both languages, or choose other --languages"
        )
    found = []
    for index, piece in enumerate(pieces):
        if index in special or _BYTE.fullmatch(piece) or not _ANY_LETTER.search(piece):
            found.append(CLASSES.index("neither"))
        else:
            found.append(_class(bool(of_source.search(piece)), bool(of_target.search(piece))))
    return found


def classes_by_use(size: int, special: Collection[int], source: Collection[int], target: Collection[int]) -> list[int]:
    """The class of each of ``size`` tokens by its occurrence in text of either language; ``special`` are neither."""
    return [
        CLASSES.index("neither") if index in special else _class(index in source, index in target)
        for index in range(size)
    ]


@cache
def _letter(script: str) -> regex.Pattern[str]:
    """A pattern for letters of this script, except for letters common to all scripts."""
    return regex.compile(rf"[[{letters_of(script)}]&&\p{{L}}--[{_SHARED}]]", regex.V1)


def _class(in_source: bool, in_target: bool) -> int:
    name = ("both" if in_target else "source") if in_source else "target" if in_target else "other"
    return CLASSES.index(name)
