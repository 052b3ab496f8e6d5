"""The beginning of the input as its summary (V, section 2.2: LEAD-64)."""

from __future__ import annotations

from pydantic import Field

from xlgen.backbones import loading
from xlgen.backbones.base import Backbone
from xlgen.config import Config, Evaluation, Recipe
from xlgen.data.examples import LabelledExample
from xlgen.data.tasks import Task
from xlgen.training.baselines import Baseline, baselines


class LeadOptions(Config):
    """How much of the input."""

    tokens: int = Field(default=64, ge=1)
    """Tokens of the recipe's backbone."""


def lead(text: str, backbone: Backbone, tokens: int) -> str:
    """The first ``tokens`` tokens of ``text``."""
    return backbone.decode(backbone.pieces(text)[:tokens])


@baselines.register("lead")
class Lead(Baseline):
    """The first tokens of the input (V's LEAD-64)."""

    Options = LeadOptions

    def prepare(self, recipe: Recipe, task: Task, languages: tuple[str, ...]) -> None:
        """Load the tokenizer (and, unused, the model) of the recipe's backbone."""
        self._backbone = loading.load(recipe.backbone.name, languages=languages, allow_unknown=True)

    def predict(self, examples: list[LabelledExample], language: str, evaluation: Evaluation) -> list[str]:
        """The lead of each input."""
        return [lead(example.source, self._backbone, self.options.tokens) for example in examples]
