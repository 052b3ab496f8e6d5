"""Guarded retry: outputs in the wrong language are generated once more, with a stronger control."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from xlgen.core.config_plugins import ControlField
from xlgen.decoding.control import ControlOptions, Decoder, LanguageControl, Request, controls
from xlgen.metrics.lid import SMALL


class RetryOptions(ControlOptions):
    """Options of the control ``retry``."""

    under: ControlField = Field(default="vocabulary_mask", validate_default=True)
    """The control of the second try."""
    identifier: str = SMALL
    """Language identifier: a name from ``xlgen list identifiers``, or the path of a fastText file."""


@controls.register("retry")
class Retry(LanguageControl[RetryOptions]):
    """Generate without a control, and retry outputs in another language with a control.

    A retry is kept if it is in the target language. Outputs that are correct at first are kept, and only the others are
    decoded twice.
    """

    Options = RetryOptions

    def __init__(self, options: RetryOptions) -> None:
        super().__init__(options)
        self._under: LanguageControl = options.under.build()

    def generate(self, decode: Decoder, requests: Sequence[Request]) -> list[str]:
        """Raw text for each request."""
        texts = [best[0].text for best in decode(requests)]
        languages = [request.language for request in requests]
        right = decode.in_language(texts, languages, self.options.identifier)
        wrong = [row for row, correct in enumerate(right) if not correct]
        if not wrong:
            return texts
        again = self._under.generate(decode, [requests[row] for row in wrong])
        fixed = decode.in_language(again, [languages[row] for row in wrong], self.options.identifier)
        for row, text, correct in zip(wrong, again, fixed, strict=True):
            if correct:
                texts[row] = text
        return texts
