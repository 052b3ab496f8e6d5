"""Restriction of outputs to one tag per input word, in the sentinel + tag format of Li and Murray (2023, Table 10)."""

from __future__ import annotations

from collections.abc import Sequence

from xlgen.backbones.base import Backbone
from xlgen.core.registry import InputError
from xlgen.data.templates import sentinels
from xlgen.decoding.control import ControlOptions, Decoder, LanguageControl, Request, controls
from xlgen.decoding.logits import AllowedTokens, for_all
from xlgen.metrics.accuracy import SENTINEL


class TagsOptions(ControlOptions):
    """Options of the control ``tags``."""

    labels: tuple[str, ...] = ()
    """Tags: ``[ADJ, ADP, ADV, ...]``. By default, all that the task's ``names`` give."""


@controls.register("tags")
class TagControl(LanguageControl[TagsOptions]):
    """Decode one tag of a set after each sentinel of the input, in order, and nothing else: ``<extra_id_0>ADP ...``.

    Inputs with the same number of words are decoded together. Only prefixes of tags can be generated, and no word is
    left out.
    """

    Options = TagsOptions

    def generate(self, decode: Decoder, requests: Sequence[Request]) -> list[str]:
        """The tags of each request. Raises InputError if the tags are not given, or an input has no words."""
        labels = self.options.labels or decode.outputs
        if requests and not labels:
            raise InputError("the control `tags` requires `labels: [ADJ, ADP, ...]`")
        sizes = [_words(decode.backbone, request) for request in requests]
        items = items_of(decode.backbone, labels, max(sizes, default=0))
        found: dict[int, str] = {}
        for size in sorted(set(sizes)):
            chosen = [place for place, words in enumerate(sizes) if words == size]
            tree = TagTree(decode.backbone, items[:size])
            asked = [requests[place] for place in chosen]
            best = decode(asked, processors=for_all(tree))
            found.update(zip(chosen, (each[0].text for each in best), strict=True))
        return [found[place] for place in range(len(requests))]


def _words(backbone: Backbone, request: Request) -> int:
    """The number of words of an input, which is its number of sentinels."""
    known = set(backbone.text.sentinels.values())
    # A backbone without sentinels reads their names as text.
    text = "" if known else backbone.decode(request.source)
    count = sum(index in known for index in request.source) or len(SENTINEL.findall(text))
    if not count:
        raise InputError("the control `tags` requires inputs with a sentinel before each word: {tokens:sentinels}")
    return count


Items = set[tuple[int, ...]]
"""The ids of each tag after its sentinel."""
States = set[tuple[int, tuple[int, ...]]]
"""Possible states of a prefix: the number of complete tags, and the ids of the incomplete tag."""


class TagTree(AllowedTokens):
    """Allows the next tokens of a sequence of tags, each after its sentinel."""

    def __init__(self, backbone: Backbone, items: Sequence[Items]) -> None:
        """``items`` has the allowed ids for each word, in order; see :func:`items_of`."""
        super().__init__(backbone.decoder_start(backbone.languages[:1]).shape[1], backbone.model.config.vocab_size)
        self._end, self._items = backbone.tokenizer.eos_token_id, items
        self._states: dict[tuple[int, ...], States] = {(): {(0, ())}}

    def following(self, written: Sequence[int]) -> list[int]:
        """The allowed next ids: of the incomplete tag, of the next tag's sentinel, or the end after the last tag."""
        states = self._reached(tuple(written))
        following = {begun[-1] for state in states for _, begun in self._after(*state)}
        if not states or any(whole == len(self._items) for whole, _ in states):
            following.add(self._end)
        return sorted(following)

    def _reached(self, written: tuple[int, ...]) -> States:
        """The possible states of ``written``; empty if it is not a valid prefix."""
        if written not in self._states:
            before = self._reached(written[:-1])
            found = {state for one in before for state in self._after(*one) if state[1][-1] == written[-1]}
            self._states[written] = found | {(whole + 1, ()) for whole, begun in found if begun in self._items[whole]}
        return self._states[written]

    def _after(self, whole: int, begun: tuple[int, ...]) -> States:
        """The states that can be reached with one more id."""
        items = self._items[whole] if whole < len(self._items) else set()
        longer = (item for item in items if len(item) > len(begun) and item[: len(begun)] == begun)
        return {(whole, item[: len(begun) + 1]) for item in longer}


def items_of(backbone: Backbone, labels: Sequence[str], words: int) -> list[Items]:
    """For each of ``words`` words, the ids of every tag after its sentinel, as tokenized within a longer text.

    Raises InputError for a tokenizer that tokenizes adjacent tags inconsistently.
    """
    found: list[Items] = []
    for place in range(words):
        start = backbone.tokenize(sentinels([labels[0]] * place)) if place else []
        texts = [backbone.tokenize(sentinels([*[labels[0]] * place, label])) for label in labels]
        if any(ids[: len(start)] != start for ids in texts):
            raise InputError(f"{backbone.name} tokenizes adjacent tags inconsistently; remove the control `tags`")
        found.append({tuple(ids[len(start) :]) for ids in texts})
    return found
