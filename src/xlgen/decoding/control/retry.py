"""Guarded retry: what came out in the wrong language is generated once more, under a stronger control."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from xlgen.core.config import Config
from xlgen.decoding.control import Decoder, LanguageControl, Request, build_control, controls
from xlgen.metrics.lid import SMALL


class RetryOptions(Config):
    """What to try the second time."""

    under: dict[str, Any] = Field(default_factory=lambda: {"name": "vocabulary_mask"})
    """The control of the second try."""
    identifier: str = SMALL
    """Language identification, for :func:`xlgen.metrics.lid.load`."""


@controls.register("retry")
class Retry(LanguageControl):
    """Generate freely; where the result is in another language, generate again under a control, and keep that if it
    is in the target language. Outputs that were right at first stay as they are, and only the others cost twice.
    """

    Options = RetryOptions

    def __init__(self, options: Config) -> None:
        super().__init__(options)
        self._under = build_control(self.options.under)

    def generate(self, decode: Decoder, requests: Sequence[Request]) -> list[str]:
        """Raw text for each request."""
        texts = [best[0].text for best in decode(requests)]
        languages = [request.language for request in requests]
        right = decode.in_language(texts, languages, self.options.identifier)
        wrong = [row for row, fine in enumerate(right) if not fine]
        if not wrong:
            return texts
        again = self._under.generate(decode, [requests[row] for row in wrong])
        mended = decode.in_language(again, [languages[row] for row in wrong], self.options.identifier)
        for row, text, fine in zip(wrong, again, mended, strict=True):
            if fine:
                texts[row] = text
        return texts
