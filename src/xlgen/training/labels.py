"""What a head tells of examples: tags of words or a class, as text, so that all that follows is as for other tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xlgen.adaptation.base import Method
from xlgen.backbones.headed import Headed
from xlgen.config import Evaluation
from xlgen.data.examples import LabelledExample
from xlgen.data.tasks import Task

OUTSIDE = "O"
"""The tag of words that are behind the limit of tokens: outside of any entity, and of parts of speech none (XGLUE)."""


def tell(
    backbone: Headed,
    method: Method,
    examples: Sequence[LabelledExample],
    task: Task,
    evaluation: Evaluation,
    progress: Callable[[int], None] = lambda count: None,
) -> list[tuple[str, int]]:
    """(labels with spaces between them, tokens that were cut off) of each example, in order.

    A tag for every word, or one class. Raises BackboneError for an input of which nothing fits.
    """
    limit = task.config.max_source_tokens
    backbone.learn(text for example in examples for text in example.texts)
    found: dict[int, tuple[str, int]] = {}
    for language in dict.fromkeys(example.language for example in examples):
        chosen = [i for i, example in enumerate(examples) if example.language == language]
        method.set_language(backbone, language)
        places: list[list[int]] = []
        sources, cropped = [], []
        for i in chosen:
            example = examples[i]
            if backbone.head.by_word:
                ids, starts, lost = backbone.encode_words(example, limit)
            else:
                (ids, lost), starts = backbone.encode_source(example, limit), []
            sources.append(ids)
            places.append(starts)
            cropped.append(lost)
        logits = backbone.logits(sources, evaluation.batch_tokens)
        for i, starts, lost, rows in zip(chosen, places, cropped, logits, strict=True):
            labels = rows[starts].argmax(-1).tolist() if backbone.head.by_word else [int(rows.argmax())]
            names = [backbone.head.labels[label] for label in labels]
            missing = len(examples[i].words) - len(starts)
            found[i] = " ".join([*names, *[OUTSIDE] * missing]), lost
            progress(1)
    return [found[i] for i in range(len(examples))]
