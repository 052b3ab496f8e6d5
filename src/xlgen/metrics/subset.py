"""Subsets of an evaluation set that are more informative than the whole."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xlgen.core.languages import Language
from xlgen.core.registry import UnknownNameError, nearest
from xlgen.metrics.base import Example
from xlgen.metrics.lid import SMALL, load_identifier


@dataclass(frozen=True)
class Subset:
    """A rule that selects examples to score."""

    name: str
    """Name of the rule with everything that affects it, for signatures."""
    keep: Callable[[Sequence[Example]], list[bool]]
    """Whether each example is kept."""


def has_number(text: str) -> bool:
    """Whether ``text`` contains a numeric character of any script (Unicode's categories Nd, Nl and No).

    ``٣``, ``३``, ``３``, ``Ⅳ`` and ``½`` are numeric. Number words such as ``three`` are not, and neither are 一 二 三,
    which are letters of many words.
    """
    return any(unicodedata.category(char)[0] == "N" for char in text)


def no_digits_in_language(examples: Sequence[Example], identifier: str = SMALL) -> list[bool]:
    """Select examples whose references contain no number and are all identified as the target language.

    Chirkova et al. (2023, appendix A): short answers with numbers or English words are correct in any language, and
    identification fails on them. About half of XQuAD is left. Predictions are not used. An example without references,
    or in a language without a label, is left out.
    """
    identifies = load_identifier(identifier)
    labels = [identifies.code(Language.parse(example.language)) for example in examples]
    asked = [
        i
        for i, example in enumerate(examples)
        if labels[i] and example.references and not any(map(has_number, example.references))
    ]
    texts = [(i, text) for i in asked for text in examples[i].references]
    found = identifies.identify([text for _, text in texts])
    wrong = {i for (i, text), (top, _) in zip(texts, found, strict=True) if top != labels[i] or not text.strip()}
    kept = set(asked) - wrong
    return [i in kept for i in range(len(examples))]


def subset(name: str, identifier: str = SMALL) -> Subset:
    """The subset called ``name``; ``identifier`` is used if it needs language identification.

    Raises:
        UnknownNameError: for an unknown name, with the nearest one.
        InputError: for an unknown identifier.
    """
    if name not in SUBSETS:
        raise UnknownNameError(f"unknown subset {name!r}: {nearest(name, SUBSETS)}")
    return SUBSETS[name](identifier)


SUBSETS: dict[str, Callable[[str], Subset]] = {
    "no-digits-in-language": lambda identifier: Subset(
        f"no-digits-in-language@{load_identifier(identifier).name.partition('|')[0]}",
        lambda examples: no_digits_in_language(examples, identifier),
    )
}
