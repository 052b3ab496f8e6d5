"""Reranking of the n-best list by language identification."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from xlgen.core.registry import InputError
from xlgen.decoding.control import ControlOptions, Decoder, LanguageControl, Request, controls
from xlgen.metrics.lid import SMALL


class RerankOptions(ControlOptions):
    """Options of the control ``rerank``."""

    candidates: int = Field(default=4, ge=2)
    """Number of hypotheses to rerank; at most ``num_beams``."""
    identifier: str = SMALL
    """Language identifier: a name from ``xlgen list identifiers``, or the path of a fastText file."""


@controls.register("rerank")
class Rerank(LanguageControl[RerankOptions]):
    """The best hypothesis in the target language, or else the best of all.

    It needs no decoding beyond the beam search. It can only choose among the beams: a model that has forgotten a
    language has no hypothesis in it.
    """

    Options = RerankOptions

    def generate(self, decode: Decoder, requests: Sequence[Request]) -> list[str]:
        """Raw text for each request. Raises InputError if there are fewer beams than candidates."""
        count = self.options.candidates
        if decode.decoding.num_beams < count:
            raise InputError(
                f"rerank needs {count} candidates, but there are {decode.decoding.num_beams} beams; raise num_beams"
            )
        found = decode(requests, count)
        texts = [each.text for best in found for each in best]
        languages = [request.language for request in requests for _ in range(count)]
        right = decode.in_language(texts, languages, self.options.identifier)
        chosen = []
        for row, best in enumerate(found):
            flags = right[row * count : (row + 1) * count]
            chosen.append(best[flags.index(True) if True in flags else 0].text)
        return chosen
