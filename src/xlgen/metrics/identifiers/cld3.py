"""cld3, the compact language detector that V measured with and mC4 was sorted by (Vu et al. 2022, section 2.3)."""

from __future__ import annotations

from functools import cache

import regex

from xlgen.core.languages import Language, all_languages
from xlgen.metrics.identifiers.base import Model, extra, identifiers, shared_code

# cld3 looks at no more than a few pieces of a text, of which it takes this many bytes.
_LONGEST = 1_000
# Codes that BCP-47 has replaced since.
_OLD = {"iw": "he", "jw": "jv", "fil": "tl"}
_NOT_IN_MC4 = ["bs", "hr"]
_LETTER = regex.compile(r"\p{L}")


class Cld3:
    """cld3's network. It gives the probability of its first choice alone; every other language has 0."""

    def __init__(self) -> None:
        module, version = extra("gcld3", "cld3", "cld3-py")
        self._detector = module.NNetLanguageIdentifier(0, _LONGEST)
        # Its languages are those of mC4, and so of mT5 (101, of which Chinese has one label, and six in Latin letters),
        # and two that mC4 left out.
        codes = [language.code for language in all_languages() if language.mt5 and language.code != "zh-Hant"]
        codes += _NOT_IN_MC4
        self.codes = {code: code for code in codes} | _OLD
        self.name = f"cld3|cld3-py:{version}"

    def code(self, language: Language) -> str:
        """The code for ``language``."""
        return shared_code(language, self.codes)

    def predict(self, text: str) -> list[tuple[str, float]]:
        """The first choice; nothing for text without letters, which cld3 calls Japanese."""
        if not _LETTER.search(text):
            return []
        found = self._detector.FindLanguage(text)
        return [(found.language, found.probability)] if found.language in self.codes else []


@identifiers.register("cld3")
@cache
def cld3() -> Model:
    """cld3, whose network comes with its package."""
    return Cld3()
