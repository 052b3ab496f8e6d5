"""F1 and exact match with language-specific rules, as defined by MLQA's evaluation (Lewis et al. 2020)."""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import regex

from xlgen.core.languages import Language
from xlgen.metrics.base import Example, MetricSpec, Scores, best_over_references, metrics
from xlgen.metrics.case import has_dotless_i, one_dot
from xlgen.metrics.normalization import Normalization, normalizer, signed
from xlgen.metrics.squad import f1
from xlgen.metrics.unspaced import UNSPACED

# MLQA's own lists. The Vietnamese one also has "of", "is" and classifiers; it is kept unchanged.
_OFFICIAL = {
    "en": "a an the",
    "es": "un una unos unas el la los las",
    "vi": "của là cái chiếc những",
    "de": "ein eine einen einem eines einer der die das den dem des",
}
# xlgen's lists follow MLQA's rule for Spanish and German: all forms of the definite and the indefinite article that are
# separate words. Articles that are endings or prefixes, or fused with prepositions, are kept.
_EXTENDED = {
    "af": "die n",
    "ca": "el la els les un una uns unes",
    "da": "en et den det de",
    "el": "ο η το οι τα του της των τον την τη τους τις ένας μία μια ένα έναν ενός μίας μιας",
    "eo": "la",
    "fr": "le la les un une des",
    "gl": "o a os as un unha uns unhas",
    "hu": "a az egy",
    "it": "il lo la i gli le un uno una",
    "nl": "de het een",
    "nn": "ein ei eit den det dei",
    "no": "en ei et den det de",
    "pt": "o a os as um uma uns umas",
    "ro": "un o unui unei unor niște nişte",
    "sv": "en ett den det de",
}
# Articles joined to the next word by an apostrophe. They are removed before the apostrophe: l'eau is eau, not leau.
_ELIDED = {"ca": "l", "fr": "l", "it": "l|un|gl"}

_ARABIC_ARTICLE = re.compile("ال")  # anywhere, also within a word, as in MLQA
_MLQA_CHINESE = re.compile(r"([\u4e00-\u9fa5])")
_UNSPACED_LETTER = regex.compile(rf"([[\p{{L}}\p{{N}}]&&[{UNSPACED}]]\p{{M}}*+)", regex.V1)


class _NoPunctuation(dict[int, int | None]):
    """Table for ``str.translate`` that removes Unicode (categories P*) and ASCII punctuation.

    It is filled lazily: finding the category of all 1.1 million characters takes longer than scoring most files.
    """

    def __missing__(self, code: int) -> int | None:
        char = chr(code)
        drop = unicodedata.category(char).startswith("P") or char in string.punctuation
        return self.setdefault(code, None if drop else code)


_no_punctuation = _NoPunctuation()


@dataclass(frozen=True)
class Rules:
    """Normalisation rules for the answers in one language."""

    articles: str
    """Source of the list of articles: ``mlqa``, ``xlgen`` or ``none``."""
    segmentation: str
    """``whitespace``; ``mixed-han`` as in MLQA for Chinese; ``mixed-chars`` for other scripts without spaces."""
    article: re.Pattern[str] | None
    elided: re.Pattern[str] | None
    dotted: bool
    """Whether İ is a capital i, as in Turkish."""

    def normalize(self, text: str) -> str:
        """Lower case, no punctuation, no articles, tokens separated by single spaces."""
        text = text.lower()
        if self.dotted:
            text = one_dot(text)
        if self.elided:
            text = self.elided.sub("", text)
        text = text.translate(_no_punctuation)
        if self.article:
            text = self.article.sub(" ", text)
        if self.segmentation == "mixed-han":
            text = _MLQA_CHINESE.sub(r" \1 ", text)
        elif self.segmentation == "mixed-chars":
            text = _UNSPACED_LETTER.sub(r" \1 ", text)
        return " ".join(text.split())


@cache
def rules(language: str) -> Rules:
    """The rules of a language.

    English, Spanish, German, Vietnamese, Arabic, Hindi and Chinese (in both scripts) have MLQA's rules. In other
    languages, articles that are separate words are removed if xlgen has a list of them. Words are separated by spaces,
    and each letter of a script without spaces is a token, with its combining marks. In Turkish and Azerbaijani, the
    lower case of İ is i. So is that of I, as in MLQA's script, which lower-cases as in English.

    Raises:
        UnknownLanguageError: if the language is not in the table.
    """
    known = Language.parse(language)
    code = known.code
    words = _OFFICIAL.get(code) or _EXTENDED.get(code)
    article = re.compile(rf"\b({'|'.join(words.split())})\b") if words else None
    elided = re.compile(rf"\b(?:{_ELIDED[code]})['’]") if code in _ELIDED else None
    if code == "ar":
        article = _ARABIC_ARTICLE
    source = "mlqa" if code in _OFFICIAL or code == "ar" else "xlgen" if article else "none"
    unspaced = "mixed-han" if code in ("zh", "zh-Hant") else "mixed-chars"
    return Rules(source, "whitespace" if known.spaced else unspaced, article, elided, has_dotless_i(code))


@metrics.register("mlqa")
@dataclass(frozen=True)
class Mlqa:
    """MLQA's F1 and exact match in percent, each against its best reference.

    Punctuation of every script and the language's articles are removed, and Chinese is compared by characters. For
    MLQA's seven languages, the scores equal those of ``mlqa_evaluation_v1.py``; for other languages,
    see the page on metrics (Question answering).
    """

    normalization: Normalization = "none"
    """Unicode normalization before MLQA's own. The official script has none; ``nmt_nfkc`` compares answers as mT5,
    mBART-50 and NLLB-200 write them."""

    figures: ClassVar[tuple[MetricSpec, ...]] = (MetricSpec("mlqa_f1", best=100.0), MetricSpec("mlqa_em", best=100.0))

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """F1 in [0, 1], and 1 for an exact match, else 0; NaN without references."""
        form = normalizer(self.normalization)
        return best_over_references(
            examples, self.figures, lambda text, language: rules(language).normalize(form(text)), _compare
        )

    def signature(self, language: str) -> str:
        """Articles, segmentation, and the version of Unicode that defines punctuation."""
        chosen = rules(language)
        segmentation = f"norm:mlqa|articles:{chosen.articles}|seg:{chosen.segmentation}"
        case = "|case:dotted-i" if has_dotless_i(Language.parse(language).code) else ""
        return signed(f"{segmentation}{case}|unicode:{unicodedata.unidata_version}", self.normalization)


def _compare(prediction: str, reference: str) -> tuple[float, float]:
    return f1(prediction, reference), float(prediction == reference)
