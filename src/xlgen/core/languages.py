"""The table of languages: names, scripts, and the codes that models use.

The table is ``languages.tsv`` next to this file, with one row per language (and script). Its rows are the union of

- the 101 languages of mT5 and the six romanized ones (Xue et al. 2021, Table 6),
- the 52 codes of mBART-50 (Tang et al. 2020) and the 202 of NLLB-200 (Costa-jussà et al. 2022), as in `transformers`,
- the 176 labels of fastText's lid.176 (Joulin et al. 2016), so that every label that it predicts has a name,

and Nigerian Pidgin, for MasakhaNEWS. Families are those of Glottolog (Hammarström et al., glottolog.org), which puts
creoles with the language that most of their words come from. The last column, ``aliases``, has further spellings for
:meth:`Language.parse`.

Nothing here imports torch or transformers. The table is read when it is first needed.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources

from rapidfuzz import fuzz, process

from xlgen.core.registry import InputError, UnknownNameError

# A BCP-47 tag: language, then a script, a region and variants, each of which may be missing.
_TAG = re.compile(
    r"(?P<language>[a-z]{2,3})(?: (?P<script>[a-z]{4}))?(?: (?P<region>[a-z]{2}|\d{3}))?(?: [a-z0-9]{5,8})*"
)
# Only of Chinese does the region decide the script here; elsewhere the rows of a language name their script.
_TRADITIONAL_REGIONS = {"tw", "hk", "mo"}
# ISO 15924 has a name for Korean text as a whole (Kore); FLORES, and so the table, names the alphabet (Hang).
_SAME_SCRIPT = {"kore": "hang"}


class UnknownLanguageError(UnknownNameError):
    """The table has no language with this code or name."""


@dataclass(frozen=True, slots=True)
class Language:
    """A language in one script.

    The canonical ``code`` is the short BCP-47 one: ``fr``, ``zh`` (simplified), ``zh-Hant``, ``no`` (Bokmål).
    """

    code: str
    name: str
    """In English."""
    script: str
    """ISO 15924, as the FLORES codes have it."""
    direction: str
    """``ltr`` or ``rtl``."""
    mbart: str
    """The code of mBART-50 (``fr_XX``), empty if it has none."""
    flores: str
    """The code of FLORES-200 and NLLB-200 (``fra_Latn``), empty if there is none."""
    fasttext: str
    """The label of lid.176 (``fr``), empty if there is none. Scripts of a language may share one."""
    spaced: bool
    """Whether spaces separate words."""
    mt5: bool
    """Whether mT5 was pretrained on it."""
    family: str
    """Glottolog's top-level family; for an isolate, its own name (``Basque``)."""
    branch: str
    """The usual subgroup in families that have several in the table (``Germanic``), else empty."""

    @property
    def group(self) -> str:
        """The branch, or the family if there is none."""
        return self.branch or self.family

    @staticmethod
    def parse(text: str) -> Language:
        """The language called ``text``: a BCP-47, ISO 639-3, mBART or FLORES code, or an English name, in any case.

        A region is ignored (``pt-BR`` is ``pt``) unless it decides the script (``zh-TW`` is ``zh-Hant``). Where a label
        of lid.176 contradicts ISO 639 (``als``), ISO 639 is used; :func:`by_fasttext` reads labels.

        Raises:
            UnknownLanguageError: with the nearest codes and names.
        """
        found = _parsed(text)
        if found is None:
            raise UnknownLanguageError(f"unknown language {text!r}; {_nearest(_key(text))}")
        return found


def distinct(texts: Iterable[str], where: str) -> dict[str, str]:
    """The spellings in ``texts`` by the code of their language.

    Raises InputError where a language has two, and UnknownLanguageError.
    """
    found: dict[str, str] = {}
    for text in texts:
        language = Language.parse(text)
        if (before := found.get(language.code)) is not None:
            twice = f"{text!r} twice" if before == text else f"{before!r} and {text!r}, which are one language"
            raise InputError(f"{where}: {twice} ({language.name}, {language.code}); name it once")
        found[language.code] = text
    return found


def all_languages() -> tuple[Language, ...]:
    """All languages, sorted by code."""
    return tuple(language for language, _ in _table())


def by_flores(code: str) -> Language | None:
    """The language that FLORES-200 and NLLB-200 write as ``code``: ``fra_Latn``."""
    return _column("flores").get(code)


def by_mbart(code: str) -> Language | None:
    """The language that mBART-50 writes as ``code``: ``fr_XX``."""
    return _column("mbart").get(code)


def by_fasttext(label: str) -> Language | None:
    """The language of a label of lid.176, with or without ``__label__``. If two scripts share a label, it is the usual
    one: ``zh`` is simplified Chinese."""
    return _column("fasttext").get(label.removeprefix("__label__"))


def language_name(code: str) -> str:
    """The English name of a language, or the code itself if unknown."""
    try:
        return Language.parse(code).name
    except UnknownLanguageError:
        return code


@cache
def _table() -> tuple[tuple[Language, tuple[str, ...]], ...]:
    """Each language with its aliases."""
    lines = resources.files("xlgen.core").joinpath("languages.tsv").read_text(encoding="utf-8").splitlines()
    # Without QUOTE_NONE a name with a quotation mark would swallow the following rows.
    rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    return tuple((_language(row), tuple(filter(None, row["aliases"].split(";")))) for row in rows)


_TEXTS = ("code", "name", "script", "direction", "mbart", "flores", "fasttext")


def _language(row: dict[str, str]) -> Language:
    texts = {field: row[field] for field in (*_TEXTS, "family", "branch")}
    return Language(**texts, spaced=row["spaced"] == "true", mt5=row["mt5"] == "true")


@cache
def _column(field: str) -> dict[str, Language]:
    """The first language for each value of a column. The usual script comes first, because its code is shorter."""
    found: dict[str, Language] = {}
    for language in all_languages():
        if value := getattr(language, field):
            found.setdefault(value, language)
    return found


@cache
def _spellings() -> dict[str, Language]:
    """The language for each known spelling. Raises ValueError if two languages have the same one."""
    found: dict[str, Language] = {}
    for language, aliases in _table():
        spellings = [language.code, language.name, language.mbart, language.flores, *aliases]
        if "-" not in language.code:  # "ace" alone means the usual script, so ace_Arab does not claim it
            spellings.append(language.flores.partition("_")[0])
        for key in filter(None, map(_key, spellings)):
            if found.setdefault(key, language) is not language:
                raise ValueError(f"languages.tsv: {key!r} is both {found[key].code} and {language.code}")
    return found


@cache
def _scripts() -> dict[tuple[str, str], Language]:
    """Language subtag and script, both in lower case, to the language."""
    return {(row.code.partition("-")[0], row.script.lower()): row for row in all_languages()}


@lru_cache(maxsize=4_096)
def _parsed(text: str) -> Language | None:
    key = _key(text)
    return _spellings().get(key) or _parse_tag(key)


def _key(text: str) -> str:
    """``text`` without case, accents and punctuation: ``zh_CN`` is ``zh-cn``, and Volapük is Volapuk."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    return " ".join(re.findall(r"[^\W_]+", plain.casefold()))


def _parse_tag(key: str) -> Language | None:
    """The language of a BCP-47 tag that is not in the table: ``zh hans cn``, ``pt br``."""
    match = _TAG.fullmatch(key)
    base = _spellings().get(match["language"]) if match else None
    if match is None or base is None:
        return None
    script = match["script"]
    if not script and base.code == "zh" and match["region"] in _TRADITIONAL_REGIONS:
        script = "hant"
    if not script:
        return base
    return _scripts().get((base.code.partition("-")[0], _SAME_SCRIPT.get(script, script)))


def _nearest(key: str) -> str:
    """Suggestions for an unknown ``key``: at most three languages, best first."""
    spellings = _spellings()
    match = _TAG.fullmatch(key)
    if match and match["language"] in spellings:  # a known language, so the script is what is unknown
        subtag = spellings[match["language"]].code.partition("-")[0]
        return f"did you mean {_listed([row for (code, _), row in _scripts().items() if code == subtag])}?"
    matches = process.extract(key, list(spellings), scorer=fuzz.ratio, score_cutoff=65, limit=10)
    # Spellings much worse than the best one would only distract.
    near = dict.fromkeys(spellings[spelling] for spelling, score, _ in matches if score > matches[0][1] - 8)
    return f"did you mean {_listed(list(near)[:3])}?" if near else "no similar name; `xlgen list languages` shows all"


def _listed(languages: list[Language]) -> str:
    """``French (fr), Friulian (fur) or Irish (ga)``."""
    *names, last = (f"{language.name} ({language.code})" for language in languages)
    return f"{', '.join(names)} or {last}" if names else last
