"""The pocket world: short news-like texts made from semantic frames, in every language that has a lexicon.

A :class:`Frame` says who did what, where, when, why and with what result, and how the text is laid out. It is
language-free: any frame can be rendered in any language, so parallel text, summaries, titles and questions with
answers all come from one draw. Who did what, where, when and with what result is in a text at least twice, in
other words the second time, as in real news; that repetition is what lets denoising teach a small model to copy from
its input.

Splits hold out combinations: which (agent, action) pairs may occur is decided by a hash of the pair, so the test
set's main events were never seen in training nor in the unlabelled text.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

import yaml

from xlgen.core.json_types import JsonMapping, JsonObject
from xlgen.pocket.grammar import Entry, capitalise, fill

Split = Literal["unlabelled", "train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("unlabelled", "train", "validation", "test")
LANGUAGES = ("en", "fr", "es", "de", "vi", "tr", "ru", "ar", "hi", "th", "zh", "ja")
QUESTIONS = ("who", "where", "when", "why")
# Plurals only, so that no language needs a singular or a dual after a number.
NUMBERS = (20, 30, 40, 50, 60, 70, 80, 90, 200, 300, 400, 500, 600, 700, 800, 900)
# Share of (agent, action) pairs of each split, in twelfths.
_SHARES: dict[Split, int] = {"unlabelled": 6, "train": 4, "validation": 1, "test": 1}
# The order of sentences. If a kind occurs twice, its second sentence has other words. The side event occurs once and is
# not the news. It or the opening is often the first sentence, so the lead is not a summary.
_LAYOUTS = (
    ("side", "event", "reason", "result", "event", "repeat_result"),
    ("opening", "event", "side", "result", "event", "repeat_result"),
    ("opening", "side", "event", "result", "agent", "event", "repeat_result"),
    ("quote", "event", "repeat_result", "side", "event", "result"),
    ("side", "passive", "event", "reason", "result", "event", "repeat_result"),
    ("passive", "event", "repeat_result", "event", "side", "result"),
    ("opening", "event", "reason", "event", "repeat_result", "reason", "result"),
)
SHORTEST_DOCUMENT = min(map(len, _LAYOUTS))
"""Number of sentences of the shortest document."""


@dataclass(frozen=True)
class Frame:
    """A story as concepts of the lexicons, without words."""

    agent: str
    action: str
    place: str
    weekday: str
    day: int
    month: str
    reason: str
    result: str
    n: int
    name: str
    quote: str
    months: int
    opening: str
    agent2: str
    action2: str
    place2: str
    layout: int
    variants: tuple[int, ...]


@dataclass(frozen=True)
class Story:
    """A frame written out in one language. ``questions`` maps a kind to (question, answer)."""

    language: str
    sentences: tuple[str, ...]
    document: str
    summary: str
    title: str
    questions: Mapping[str, tuple[str, str]]


# Where libyaml is available, it is ten times as fast.
_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def lexicon(language: str) -> JsonObject:
    """The lexicon and grammar of ``language`` as read from its data file."""
    text = resources.files("xlgen.pocket").joinpath(f"lexicons/{language}.yaml").read_text(encoding="utf-8")
    found: JsonObject = yaml.load(text, Loader=_LOADER)
    return found


def pair_split(agent: str, action: str) -> Split:
    """The only split in which this (agent, action) pair can be a main event."""
    bucket = int.from_bytes(hashlib.sha256(f"{agent}/{action}".encode()).digest()[:8], "big") % 12
    for split, share in _SHARES.items():
        if bucket < share:
            return split
        bucket -= share
    raise AssertionError("the shares add up to twelve")


@cache
def _pairs(split: Split) -> tuple[tuple[str, str], ...]:
    terms = lexicon("en")["terms"]
    return tuple((a, b) for a in terms["agents"] for b in terms["actions"] if pair_split(a, b) == split)


def draw_frame(split: Split, index: int, seed: int = 0) -> Frame:
    """The ``index``-th frame of ``split``. It is the same on every machine, and independent of all others."""
    rng = random.Random(f"{split}/{seed}/{index}")
    terms = lexicon("en")["terms"]

    def pick(kind: str) -> str:
        return str(rng.choice(list(terms[kind])))

    agent, action = rng.choice(_pairs(split))
    place = pick("places")
    return Frame(
        agent=agent,
        action=action,
        place=place,
        weekday=pick("weekdays"),
        day=rng.randint(2, 28),
        month=pick("months"),
        reason=pick("reasons"),
        result=pick("results"),
        n=rng.choice(NUMBERS),
        name=pick("names"),
        quote=pick("quotes"),
        months=rng.randint(5, 9),
        opening=pick("openings"),
        agent2=rng.choice([a for a in terms["agents"] if a != agent]),
        action2=rng.choice([a for a in terms["actions"] if a != action]),
        place2=rng.choice([p for p in terms["places"] if p != place]),
        layout=rng.randrange(len(_LAYOUTS)),
        variants=tuple(rng.randrange(12) for _ in range(8)),
    )


def frames(split: Split, count: int, seed: int = 0) -> Iterator[Frame]:
    """The first ``count`` frames of ``split``."""
    return (draw_frame(split, index, seed) for index in range(count))


def _slots(frame: Frame, book: JsonMapping) -> dict[str, Entry]:
    terms = book["terms"]
    slots: dict[str, Entry] = {
        "agent": terms["agents"][frame.agent],
        "action": terms["actions"][frame.action],
        "place": terms["places"][frame.place],
        "weekday": terms["weekdays"][frame.weekday],
        "day": str(frame.day),
        "month": terms["months"][frame.month],
        "date": book["date"],
        "reason": terms["reasons"][frame.reason],
        "result": terms["results"][frame.result],
        "n": str(frame.n),
        "name": terms["names"][frame.name],
        "quote": terms["quotes"][frame.quote],
        "months": str(frame.months),
        "agent2": terms["agents"][frame.agent2],
        "action2": terms["actions"][frame.action2],
        "place2": terms["places"][frame.place2],
    }
    return slots


def roles(frame: Frame) -> tuple[str, ...]:
    """The role of each sentence of a document: ``event``, ``reason``, ``opening``, ..."""
    return _LAYOUTS[frame.layout]


def join(sentences: tuple[str, ...], language: str) -> str:
    """Join sentences with the separator of the language."""
    joiner: str = lexicon(language)["joiner"]
    return joiner.join(sentences)


def render(frame: Frame, language: str) -> Story:
    """Render ``frame`` in ``language``."""
    book = lexicon(language)
    slots = _slots(frame, book)

    def text(template: str) -> str:
        return capitalise(fill(template, slots), language)

    def sentence(kind: str, variant: int) -> str:
        if kind == "opening":
            return str(book["terms"]["openings"][frame.opening])
        templates: list[str] = book["sentences"][kind]
        return text(templates[variant % len(templates)])

    layout = _LAYOUTS[frame.layout]
    # The first occurrence of a kind draws its wording, the second takes the next one.
    wordings = [frame.variants[layout.index(kind)] + layout[:i].count(kind) for i, kind in enumerate(layout)]
    sentences = tuple(sentence(kind, wording) for kind, wording in zip(layout, wordings, strict=True))
    reason = frame.variants[layout.index("reason")] if "reason" in layout else 0
    answers = {
        "who": "{agent}",
        "where": "{place}",
        "when": "{weekday}",
        "why": "{reason.because}" if reason % len(book["sentences"]["reason"]) == 0 else "{reason.nom}",
    }
    asked = [kind for kind in QUESTIONS if kind != "why" or "reason" in layout]
    return Story(
        language=language,
        sentences=sentences,
        document=join(sentences, language),
        summary=join(tuple(map(text, book["summary"])), language),
        title=text(book["title"]),
        questions={kind: (text(book["questions"][kind]), fill(answers[kind], slots)) for kind in asked},
    )


def bilingual(frame: Frame, language: str, other: str, rng: random.Random) -> tuple[str, ...]:
    """The sentences of the document of ``frame`` in ``language`` with some of its sentences in ``other`` as well.

    Each chosen sentence is followed by its translation, or occurs in the other language only, as in text from the web.
    A small model learns from this that its languages belong together.
    """
    first, second = render(frame, language), render(frame, other)
    pieces = []
    for mine, theirs in zip(first.sentences, second.sentences, strict=True):
        draw = rng.random()
        if draw < 0.4:
            pieces += [mine]
        elif draw < 0.7:
            pieces += [mine, theirs]
        else:
            pieces += [theirs]
    return tuple(pieces)
