"""BERTScore: similarity of contextual embeddings (Zhang et al. 2020), by the authors' library."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np

from xlgen.core.extras import require
from xlgen.core.registry import InputError
from xlgen.metrics.base import Example, MetricSpec, Scores, metrics
from xlgen.metrics.bounds import COUNT, Within

if TYPE_CHECKING:
    from bert_score import BERTScorer


@metrics.register("bertscore")
@dataclass(frozen=True)
class BertScore:
    """BERTScore F1 in percent against the best reference; needs the extra ``bertscore``, and imports torch.

    Scores are not rescaled with a baseline. They are not weighted by inverse document frequency either, since these
    weights would depend on the other examples. The last digits vary with the batch. Empty text scores 0.
    """

    model: str = "bert-base-multilingual-cased"
    """Name on the Hub, or the folder of a checkpoint. The default is the library's choice for non-English text."""
    num_layers: Annotated[int | None, Within(1, 1_000)] = None
    """Layer of the embeddings. If None, the library's choice for the model, or the last layer of an unknown model."""
    batch_size: Annotated[int, COUNT] = 64
    """Number of texts per forward pass."""

    figures: ClassVar[tuple[MetricSpec, ...]] = (MetricSpec("bertscore_f1", best=100.0),)

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """F1; NaN without references. It is negative if the embeddings point away from each other.

        Raises:
            InputError: if the library or the model is missing.
        """
        scores = np.array([0.0 if example.references else np.nan for example in examples])
        pairs = [
            (row, _encodable(example.prediction), _encodable(reference))
            for row, example in enumerate(examples)
            for reference in example.references
            if example.prediction.strip() and reference.strip()
        ]
        if pairs:
            rows, predictions, references = zip(*pairs, strict=True)
            _, _, f1 = self._scorer().score(list(predictions), list(references), batch_size=self.batch_size)
            best = np.full(len(examples), -np.inf)
            np.maximum.at(best, list(rows), f1.double().numpy())
            scores = np.where(np.isfinite(best), best, scores)
        return {"bertscore_f1": scores}

    def signature(self, language: str) -> str:
        """Model, layer and the library's version."""
        name = Path(self.model).name.replace(" ", "_")
        return f"model:{name}|layer:{self.num_layers or 'default'}|bert-score:{version('bert-score')}"

    def _scorer(self) -> BERTScorer:
        require("bertscore", "bertscore")
        import bert_score
        from bert_score.utils import model2layers

        layers = self.num_layers or model2layers.get(self.model) or _depth(self.model)
        try:
            return bert_score.BERTScorer(model_type=self.model, num_layers=layers, use_fast_tokenizer=True)
        except (OSError, ValueError, AssertionError) as error:
            raise InputError(f"bertscore cannot load {self.model!r} with {layers} layers: {error}") from error


def _depth(model: str) -> int:
    config = Path(model) / "config.json"
    if not config.is_file():
        raise InputError(f"bertscore does not know how many layers of {model!r} to use: give num_layers")
    return int(json.loads(config.read_text(encoding="utf-8"))["num_hidden_layers"])


def _encodable(text: str) -> str:
    # The tokenizers read UTF-8, which has no lone surrogates.
    return text.encode("utf-8", "replace").decode("utf-8")
