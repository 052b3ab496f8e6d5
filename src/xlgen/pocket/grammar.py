"""A small template grammar: enough to write correct sentences in any language from data alone.

A template is text with slots in braces:

``{agent}``             the slot's default form (``nom``), or the whole entry where it is one string
``{reason.because}``    a named form
``{action.v@agent}``    a form that agrees: the entry's ``v`` is a mapping by the gender/number ``g`` of the
                        slot ``agent`` (``m f n pl``; ``sg`` stands for every one but ``pl``, ``one`` is the form
                        used when the subject is unknown, as after "who")
``{agent?m=готовил/f=готовила/n=готовило/pl=готовили}``   a word of the template itself that agrees

A filled-in entry may hold slots of its own (``{n}`` in a result); they are filled in turn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

from xlgen.core.json_types import JsonMapping

Entry: TypeAlias = str | JsonMapping
_SLOT = re.compile(r"\{(?P<slot>\w+)(?:\.(?P<form>\w+))?(?:@(?P<agree>\w+))?(?:\?(?P<choice>[^{}]+))?\}")
# The gender/number of "who" and "nobody in particular": `@one` agrees with no slot.
_UNKNOWN_SUBJECT = "one"


class GrammarError(ValueError):
    """A template needs a slot, a form or an agreement that the lexicon does not have."""


def fill(template: str, slots: Mapping[str, Entry]) -> str:
    """Fill ``template`` from ``slots`` and return the text. Raises GrammarError for a missing slot or form."""

    def one(match: re.Match[str]) -> str:
        return fill(_form(match, slots), slots)

    return _SLOT.sub(one, template)


def _form(match: re.Match[str], slots: Mapping[str, Entry]) -> str:
    slot, form, agree, choice = match["slot"], match["form"], match["agree"], match["choice"]
    if slot not in slots:
        raise GrammarError(f"no slot {slot!r} for {match[0]}; there are {', '.join(sorted(slots))}")
    entry = slots[slot]
    if choice is not None:
        options = dict(part.split("=", 1) for part in choice.split("/"))
        return _agree(options, _gender(entry, match[0]), match[0])
    if isinstance(entry, str):
        if form not in (None, "nom"):
            raise GrammarError(f"{match[0]}: the entry {entry!r} has no form {form!r}")
        return entry
    name = form or "nom"
    value = entry.get(name, entry.get("pas") if name == "q" else None)
    if value is None:
        raise GrammarError(f"{match[0]}: no form {name!r} among {', '.join(entry)}")
    if isinstance(value, str):
        return value
    if agree is None:
        raise GrammarError(f"{match[0]}: the form agrees; write {{{slot}.{name}@SLOT}}")
    gender = _UNKNOWN_SUBJECT if agree == _UNKNOWN_SUBJECT else _gender(slots[agree], match[0])
    return _agree(value, gender, match[0])


def _gender(entry: Entry, where: str) -> str:
    if isinstance(entry, str) or "g" not in entry:
        raise GrammarError(f"{where}: {entry!r} has no gender/number g")
    return str(entry["g"])


def _agree(options: Mapping[str, str], gender: str, where: str) -> str:
    fallbacks = {"pl": ["pl"], _UNKNOWN_SUBJECT: [_UNKNOWN_SUBJECT, "m", "sg"]}
    for key in fallbacks.get(gender, [gender, "sg"]):
        if key in options:
            return options[key]
    raise GrammarError(f"{where}: no form for {gender!r} among {dict(options)}")


def capitalise(sentence: str, language: str) -> str:
    """Upper-case the first letter where the script has case (Turkish i becomes İ)."""
    for index, char in enumerate(sentence):
        if char.isalnum():
            upper = "İ" if language == "tr" and char == "i" else char.upper()
            return sentence[:index] + upper + sentence[index + 1 :] if len(upper) == 1 else sentence
    return sentence
