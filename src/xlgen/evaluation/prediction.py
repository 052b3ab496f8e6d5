"""The prediction for one input, and its row in a file of predictions."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from xlgen.backbones.base import Backbone
from xlgen.data.examples import LabelledExample
from xlgen.data.markup import shown, tokens_in, without_tokens
from xlgen.data.tasks import Task
from xlgen.evaluation.coverage import unknown_tokens
from xlgen.scoring.predictions import PredictionRow


class Prediction(NamedTuple):
    """The result for one input."""

    text: str
    """The prediction: cleaned text, or labels with spaces between them."""
    raw: str
    """The model's output, in which special tokens are marked (:mod:`xlgen.data.markup`)."""
    cropped: int = 0
    """Number of input tokens that were cut off."""
    states: Tensor | None = None
    """The mean of the encoder's states, if they were collected."""


def prediction_row(
    example: LabelledExample, prediction: Prediction, backbone: Backbone, task: Task, similarity: float | None
) -> PredictionRow:
    """The row of a prediction. If the input is empty, the row has ``empty_input``."""
    row: PredictionRow = {
        "id": example.id,
        "language": example.language,
        "input": task.with_newlines(example.shown),
    }
    if example.group:
        row["group"] = example.group
    row |= {"cropped_tokens": prediction.cropped, "unknown_tokens": unknown_tokens(example.texts, backbone)}
    if example.is_empty:
        row["empty_input"] = True
    # Clean-up removes sentinels (Li and Murray 2023, Table 10) from outputs, so references have none either.
    references = [task.with_newlines(_reference(text, backbone)) for text in example.targets]
    row |= {
        "prediction": task.with_newlines(prediction.text),
        "raw": shown(prediction.raw),
        "references": references,
    }
    if similarity is not None:
        row["similarity"] = similarity
    return row


def _reference(text: str, backbone: Backbone) -> str:
    """A label as outputs are compared with it; a backbone without sentinels reads their names as text."""
    return " ".join(without_tokens(backbone.text.readable(text)).split()) if tokens_in(text) else text
