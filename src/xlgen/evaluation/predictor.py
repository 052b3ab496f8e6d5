"""How a task's outputs are predicted: the task chooses a predictor once, and evaluation and inference use it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from xlgen.adaptation.base import Method
from xlgen.backbones.base import Backbone
from xlgen.backbones.headed import as_classifier
from xlgen.core.config import Evaluation
from xlgen.data.examples import LabelledExample
from xlgen.data.tasks import Task
from xlgen.evaluation.generator import Generator
from xlgen.evaluation.head_inference import LabelClassifier
from xlgen.evaluation.prediction import Prediction
from xlgen.representations.xlrs import EncoderStateCollector


class Predictor(Protocol):
    """Predicts with one model for one task."""

    def predict(
        self,
        examples: Sequence[LabelledExample],
        progress: Callable[[int], None] = lambda count: None,
        collector: EncoderStateCollector | None = None,
    ) -> list[Prediction]:
        """Predict for examples of any languages; the results are in order.

        Args:
            examples: The inputs.
            progress: Receives the number of inputs that were finished since its last call.
            collector: Collects the encoder's states, if outputs are generated.
        """
        ...

    def stream(self, examples: Iterable[LabelledExample]) -> Iterator[tuple[LabelledExample, Prediction]]:
        """Predict for inputs of one language that need not fit in memory; the results are in order.

        An exception of ``examples`` is raised after the results of all inputs before it.
        """
        ...


def predictor_of(backbone: Backbone, method: Method, task: Task, evaluation: Evaluation) -> Predictor:
    """The predictor for a task's kind: labels of a head, or text.

    Raises BackboneError if the task needs a head and the backbone has none, InputError for a wrong language control.
    """
    if task.config.head is None:
        return Generator(backbone, method, task, evaluation)
    return LabelClassifier(as_classifier(backbone), method, task, evaluation)
