"""Text outside a backbone's vocabulary: the share of unknown tokens by language, and newlines.

A character outside the vocabulary becomes ``<unk>`` in inputs and is missing from outputs; mT5 spells it in bytes. A
newline becomes a space, since no family's tokenizer has one; a task keeps newlines with ``line_separator``.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from xlgen.backbones.base import Backbone
from xlgen.core.json_types import JsonObject
from xlgen.data.examples import LabelledExample

log = logging.getLogger(__name__)

WORTH_A_WARNING = 0.5
"""Percentage of unknown tokens in a language above which a warning is logged."""
_NAMED = 8


def unknown_tokens(texts: Iterable[str], backbone: Backbone) -> int:
    """The number of tokens in ``texts`` for characters outside the vocabulary."""
    unknown_id = backbone.text.unknown_id
    return 0 if unknown_id is None else sum(backbone.tokenize(text).count(unknown_id) for text in texts)


@dataclass
class Coverage:
    """Counts for the texts of one language."""

    texts: int = 0
    with_newlines: int = 0
    """Number of texts with a newline."""
    tokens: int = 0
    unknown: int = 0
    """Number of tokens for characters outside the vocabulary."""
    characters: Counter[str] = field(default_factory=Counter)
    """The strings that became unknown tokens."""

    def add(self, text: str, backbone: Backbone) -> int:
        """Count one text; return the number of its unknown tokens."""
        ids, unknown = backbone.tokenize(text), unknown_tokens([text], backbone)
        self.texts += 1
        self.with_newlines += "\n" in text
        self.tokens += len(ids)
        self.unknown += unknown
        if unknown:
            self.characters.update(backbone.text.with_spans(text).unknown)
        return unknown

    @property
    def share(self) -> float:
        """The percentage of unknown tokens; 0 if there is no text."""
        return 100 * self.unknown / self.tokens if self.tokens else 0.0

    def summary(self) -> JsonObject:
        """For logs: counts, the share in percent and the most frequent unknown characters."""
        return {
            "texts": self.texts,
            "with_newlines": self.with_newlines,
            "tokens": self.tokens,
            "unknown_percent": round(self.share, 3),
            "unknown": [text for text, _ in self.characters.most_common(_NAMED)],
        }


def texts_of(examples: Iterable[LabelledExample], labels_are_text: bool = True) -> list[str]:
    """Inputs and labels of examples, as a backbone reads them."""
    found: list[str] = []
    for example in examples:
        found += (*example.texts, *(example.targets if labels_are_text else ()))
    return found


def measure(texts: Mapping[str, Iterable[str]], backbone: Backbone) -> dict[str, Coverage]:
    """The coverage of each language's texts."""
    found = {code: Coverage() for code in texts}
    for code, some in texts.items():
        chosen = list(some)
        backbone.cache_tokens(chosen)
        for text in chosen:
            found[code].add(text, backbone)
    return found


def measure_examples(
    examples: Mapping[str, Iterable[LabelledExample]], backbone: Backbone, labels_are_text: bool = True
) -> dict[str, Coverage]:
    """:func:`measure` for inputs and labels of each language's examples."""
    return measure({code: texts_of(found, labels_are_text) for code, found in examples.items()}, backbone)


def report_coverage(found: Mapping[str, Mapping[str, Coverage]], name: str) -> JsonObject:
    """Log warnings for each kind of text; return the summaries by kind and language, for the run's log."""
    for kind, by_language in found.items():
        warn(by_language, name, f"{kind} text")
    return {kind: {code: each.summary() for code, each in some.items()} for kind, some in found.items()}


def warn(found: Mapping[str, Coverage], name: str, what: str) -> None:
    """Log a warning for each language with more than 0.5 % unknown tokens.

    Args:
        found: Coverage by language.
        name: The backbone's name.
        what: The texts, for the message: "training text".
    """
    for code, each in found.items():
        if each.share > WORTH_A_WARNING:
            shown = " ".join(text for text, _ in each.characters.most_common(_NAMED))
            log.warning(
                "%.1f %% of the tokens of %s in %s are unknown to %s, and cannot be generated either: %s",
                *(each.share, what, code, name, shown),
            )
