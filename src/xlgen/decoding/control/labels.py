"""Nothing but labels: outputs are limited to a set of texts, by a prefix tree of their ids."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from xlgen.backbones.base import Backbone
from xlgen.core.config import Config
from xlgen.core.registry import InputError
from xlgen.decoding.control import Decoder, LanguageControl, Request, controls


class LabelsOptions(Config):
    """Which labels."""

    labels: tuple[str, ...] = ()
    """As they are written in training: ``["<extra_id_0>Yes.", "<extra_id_0>No."]``. By default all that the task's
    ``names`` give."""


@controls.register("labels")
class LabelControl(LanguageControl):
    """The best label of a set, written token by token: what begins no label cannot be written.

    For classification as text (L, Table 10). The search stays what it is, greedy or by beams, and looks at no label as
    a whole but those that it comes to (De Cao et al. 2021, section 3.2).
    """

    Options = LabelsOptions

    def generate(self, decode: Decoder, requests: Sequence[Request]) -> list[str]:
        """A label for each request. Raises InputError where nobody says which there are."""
        texts = self.options.labels or decode.outputs
        if not requests:
            return []
        if not texts:
            raise InputError(
                "the control labels needs to know them: give `labels`, or a task whose target is one field with `names`"
            )
        tree = PrefixTree(decode.backbone, texts)
        if tree.longest > decode.decoding.max_new_tokens:
            raise InputError(
                f"a label has {tree.longest} tokens, and at most {decode.decoding.max_new_tokens} are written; raise "
                "max_new_tokens or the task's max_target_tokens"
            )
        return [best[0].text for best in decode(requests, allowed=tree)]


class PrefixTree:
    """What may follow a beginning of a label: the next token of any that begins so, the end behind a whole one."""

    def __init__(self, backbone: Backbone, texts: Sequence[str]) -> None:
        """The ids of ``texts`` as a target's, without what is forced before them."""
        self._end, self._size = backbone.tokenizer.eos_token_id, backbone.model.config.vocab_size
        labels = {(*backbone.tokenize(text), self._end) for text in texts}
        self.longest = max(map(len, labels))
        """Tokens of the longest label, its end included."""
        self._following: dict[tuple[int, ...], set[int]] = {}
        for label in labels:
            for place, token in enumerate(label):
                self._following.setdefault(label[:place], set()).add(token)
        self._rows: dict[tuple[int, ...], Tensor] = {}

    def following(self, written: Sequence[int]) -> list[int]:
        """The ids that may follow; behind a whole label its end again, which nobody reads."""
        return sorted(self._following.get(tuple(written), {self._end}))

    def __call__(self, written: tuple[int, ...]) -> Tensor:
        """(vocabulary,): 0 for what may follow, minus infinity for the rest."""
        if written not in self._following:
            return self._closed
        if written not in self._rows:
            self._rows[written] = self._row(self.following(written))
        return self._rows[written]

    @cached_property
    def _closed(self) -> Tensor:
        return self._row([self._end])

    def _row(self, ids: list[int]) -> Tensor:
        return torch.full((self._size,), -torch.inf).index_fill(0, torch.tensor(ids), 0.0)
