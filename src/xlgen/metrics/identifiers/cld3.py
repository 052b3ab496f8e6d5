"""cld3, the detector that Vu et al. (2022, section 2.3) evaluate with, and that mC4 was sorted with."""

from __future__ import annotations

from functools import cache

import regex

from xlgen.core.languages import Language, all_languages
from xlgen.metrics.identifiers.base import Model, extra, identifiers, shared_code

# cld3 reads only a few parts of a text, at most this many bytes of it.
_LONGEST = 1_000
# Codes that BCP-47 has since replaced.
_OLD = {"iw": "he", "jw": "jv", "fil": "tl"}
_NOT_IN_MC4 = ["bs", "hr"]
_LETTER = regex.compile(r"\p{L}")


class Cld3:
    """cld3's network. It returns only the probability of its first choice; every other language has 0."""

    def __init__(self) -> None:
        module, version = extra("gcld3", "cld3", "cld3-py")
        self._detector = module.NNetLanguageIdentifier(0, _LONGEST)
        # Its labels are those of mC4 and mT5 (101, with one for Chinese and six for romanized text), and two that mC4
        # lacks.
        codes = [language.code for language in all_languages() if language.mt5 and language.code != "zh-Hant"]
        codes += _NOT_IN_MC4
        self.codes = {code: code for code in codes} | _OLD
        self.name = f"cld3|cld3-py:{version}"

    def code(self, language: Language) -> str:
        """The code of ``language``."""
        return shared_code(language, self.codes)

    def predict(self, text: str) -> list[tuple[str, float]]:
        """The first choice; empty for text without letters, which cld3 labels as Japanese."""
        if not _LETTER.search(text):
            return []
        found = self._detector.FindLanguage(text)
        return [(found.language, found.probability)] if found.language in self.codes else []


@identifiers.register("cld3")
@cache
def cld3() -> Model:
    """Google's Compact Language Detector 3; needs the extra ``cld3``."""
    return Cld3()
