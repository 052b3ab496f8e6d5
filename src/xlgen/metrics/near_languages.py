"""Near languages: varieties so similar that identifiers confuse them in human-written text."""

from __future__ import annotations

from functools import cache

from xlgen.core.languages import Language

# Codes of the table of languages, and labels of lid.176 that are not in it (``sh``). Chosen from human text in 190
# languages, for which lid.176.ftz predicts the near language with 0.8 or more
# (docs/explanation/language-identification.md).
_SETS = (
    "ms id min bjn",
    "hr bs sr sr-Latn sh",
    "no nn da",
    "zh zh-Hant yue wuu",
    "ar arz acm acq aeb ajp apc ars ary",
    "fa prs glk mzn",
    "az azb",
    "hi bho mai mag awa hne bh",
    "en sco pcm",
    "es ast an",
    "it co",
    "am ti",
    "bo dz",
    "my shn",
)


@cache
def near(code: str) -> frozenset[str]:
    """The codes of the languages near ``code``, without ``code`` itself."""
    found = {other for each in _SETS if code in (members := each.split()) for other in members}
    return frozenset(found - {code})


@cache
def of_one_branch(code: str, other: str) -> bool:
    """Whether two languages are of the same branch, such as Germanic or Turkic; False for a code not in the table."""
    first, second = _row(code), _row(other)
    return first is not None and second is not None and first.group == second.group


@cache
def _row(code: str) -> Language | None:
    try:
        return Language.parse(code)
    except ValueError:
        return None
