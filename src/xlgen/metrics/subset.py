"""Subsets of an evaluation set that say more than the whole."""

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
    """A rule that says of each example whether it counts."""

    name: str
    """For signatures, with all that decides the rule."""
    keep: Callable[[Sequence[Example]], list[bool]]


def has_number(text: str) -> bool:
    """Whether a digit or number sign of any script is in ``text`` (Unicode's categories Nd, Nl and No).

    ``٣``, ``३``, ``３``, ``Ⅳ`` and ``½`` are. Number words are not, and so neither are 一 二 三, which are letters of
    many words: they are spelled in their language, as ``three`` is.
    """
    return any(unicodedata.category(char)[0] == "N" for char in text)


def no_digits_in_language(examples: Sequence[Example], identifier: str = SMALL) -> list[bool]:
    """Questions whose gold answers all hold no number and are all identified as the target language.

    Chirkova et al. 2023, appendix A: short answers with numbers or English words are right in any language, and
    identification errs on them; about half of XQuAD is left. The predictions are not looked at. An example without
    references, or in a language without a label, is out.
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
    """The subset called ``name``, with language identification by ``identifier``, where it needs any.

    Raises:
        UnknownNameError: with the nearest name.
        InputError: for an identifier that does not exist.
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
