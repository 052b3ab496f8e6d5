"""Restriction of outputs to a set of labels, by a prefix tree of their ids."""

from __future__ import annotations

from collections.abc import Sequence

from xlgen.backbones.base import Backbone
from xlgen.core.registry import InputError
from xlgen.decoding.control import ControlOptions, Decoder, LanguageControl, Request, controls
from xlgen.decoding.logits import AllowedTokens, for_all


class LabelsOptions(ControlOptions):
    """Options of the control ``labels``."""

    labels: tuple[str, ...] = ()
    """Labels as written in training: ``["<extra_id_0>Yes.", "<extra_id_0>No."]``. By default, all that the task's
    ``names`` give."""


@controls.register("labels")
class LabelControl(LanguageControl[LabelsOptions]):
    """Decode one label of a set, token by token: only prefixes of labels can be generated.

    It is used for classification as text (Li and Murray 2023, Table 10). The search remains greedy or beam search, and
    scores only the labels that it reaches (De Cao et al. 2021, section 3.2).
    """

    Options = LabelsOptions

    def generate(self, decode: Decoder, requests: Sequence[Request]) -> list[str]:
        """A label for each request. Raises InputError if the labels are not given."""
        texts = self.options.labels or decode.outputs
        if not requests:
            return []
        if not texts:
            raise InputError("the control `labels` requires `labels`, or a task whose target is one field with `names`")
        tree = PrefixTree(decode.backbone, texts)
        if tree.longest > decode.decoding.max_new_tokens:
            raise InputError(
                f"a label has {tree.longest} tokens, but at most {decode.decoding.max_new_tokens} are generated; raise "
                "max_new_tokens or the task's max_target_tokens"
            )
        return [best[0].text for best in decode(requests, processors=for_all(tree))]


class PrefixTree(AllowedTokens):
    """Allows the next tokens of labels that begin with what is written, and the end after a complete label."""

    def __init__(self, backbone: Backbone, texts: Sequence[str]) -> None:
        """Build the tree from the ids of ``texts`` as targets, without forced tokens before them."""
        super().__init__(backbone.decoder_start(backbone.languages[:1]).shape[1], backbone.model.config.vocab_size)
        self._end = backbone.tokenizer.eos_token_id
        labels = {(*backbone.tokenize(text), self._end) for text in texts}
        self.longest = max(map(len, labels))
        """Number of tokens of the longest label, including the end."""
        self._following: dict[tuple[int, ...], set[int]] = {}
        for label in labels:
            for place, token in enumerate(label):
                self._following.setdefault(label[:place], set()).add(token)

    def following(self, written: Sequence[int]) -> list[int]:
        """The allowed next ids; after the end of a label only the end again, which is ignored."""
        return sorted(self._following.get(tuple(written), {self._end}))
