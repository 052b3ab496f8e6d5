"""Map our tasks and methods to those of the papers."""

from __future__ import annotations

import re

SUMMARIES, ANSWERS, TITLES = "summarization", "question answering", "title generation"
CLASSES, TAGS, STORIES = "sentence classification", "tagging", "story completion"
RANKING = "ranking"

_FAMILIES = {
    "xlsum": SUMMARIES,
    "wikilingua": SUMMARIES,
    "wikilingua-gem": SUMMARIES,
    "pocket-summaries": SUMMARIES,
    "squad-xquad": ANSWERS,
    "squad-xquad-hub": ANSWERS,
    "squad-xquad-mt5": ANSWERS,
    "mlqa": ANSWERS,
    "tydiqa": ANSWERS,
    "tydiqa-cloze": ANSWERS,
    "pocket-qa": ANSWERS,
    "xlsum-headlines": TITLES,
    "pocket-titles": TITLES,
    "mtg-titles": TITLES,
    "mtg-stories": STORIES,
    "xnli": CLASSES,
    "xnli-cloze": CLASSES,
    "xglue-xnli": CLASSES,
    "xglue-paws-x": CLASSES,
    "xglue-nc": CLASSES,
    "xglue-qadsm": CLASSES,
    "xglue-qam": CLASSES,
    "xglue-wpr": RANKING,
    "xglue-ner": TAGS,
    "xglue-pos": TAGS,
    "udpos-tags": TAGS,
    "wikiann-tags": TAGS,
    "wikiann-sentinels": TAGS,
    "paws-x": CLASSES,
    "paws-x-cloze": CLASSES,
    "udpos": TAGS,
    "wikiann": TAGS,
}
_SAME_TASK = {
    "wikilingua-gem": "wikilingua",
    "squad-xquad-hub": "squad-xquad",
    "squad-xquad-mt5": "squad-xquad",
    "paws-x-cloze": "paws-x",
    "tydiqa-cloze": "tydiqa",
    "xnli-cloze": "xnli",
    "xglue-xnli": "xnli",
    "xglue-paws-x": "paws-x",
    "wikiann-sentinels": "wikiann",
    "wikiann-tags": "wikiann",
    "udpos-tags": "udpos",
}

# Patterns of run names in the studies of tables of Vu et al. (2022) and Li and Murray (2023) -> their methods.
_METHODS = (
    (r"model", "full"),
    (r"prompt-100", "prompt"),
    (r"lead-64", "lead"),
    (r"fp", "factorized"),
    (r"(?:prompt|model)-trans-(train|test)", r"translate-\1"),
    (r"(?:prompt|model)-(sup|sup-all)", r"\1"),
    (r"mix-unsup(?:-.*)?", "mixing"),
    (r"(it-lm)-.*", r"\1"),
    (r"full-[a-z]{2}(?:\+[a-z]{2})*", "full"),
)


def family(task: str) -> str | None:
    """The kind of our ``task`` in the papers' terms; None for a task that is not part of the package."""
    return _FAMILIES.get(task)


def published_task(task: str) -> str:
    """The name of our ``task`` in the published numbers."""
    return _SAME_TASK.get(task, task)


def method(name: str) -> str:
    """The published name of the method that one of our runs is reported as: ``prompt-sup-all`` becomes ``sup-all``."""
    name = name.partition(" at ")[0]  # studies of learning rates report runs as "full at 3e-3"
    for pattern, canonical in _METHODS:
        if match := re.fullmatch(pattern, name):
            return match.expand(canonical)
    return name
