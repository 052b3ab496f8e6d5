"""The beginning of the input as its summary (Vu et al. 2022, section 2.2: LEAD-64)."""

from __future__ import annotations

from typing import Self

import regex
from pydantic import Field, model_validator

from xlgen.backbones import loading
from xlgen.backbones.base import Backbone
from xlgen.core.config import Evaluation, Recipe
from xlgen.data.examples import LabelledExample
from xlgen.data.tasks import Task
from xlgen.metrics.segmenters import dictionary
from xlgen.training.baselines import Baseline, BaselineOptions, baselines

_WORD = regex.compile(r"\S+")


class LeadOptions(BaselineOptions):
    """The length of the lead, in tokens or words."""

    tokens: int | None = Field(default=None, ge=1)
    """Number of tokens, in the tokenizer of the recipe's backbone. If neither ``tokens`` nor ``words`` is given, 64, as
    in Vu et al. (2022)."""
    words: int | None = Field(default=None, ge=1)
    """Number of words, which are separated by spaces; in Chinese, Japanese and Thai, of a dictionary (extra
    ``segmenters``)."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.tokens is not None and self.words is not None:
            raise ValueError("set tokens or words, not both")
        return self


def lead(text: str, backbone: Backbone, tokens: int) -> str:
    """The first ``tokens`` tokens of ``text``."""
    return backbone.decode(backbone.tokenize(text)[:tokens])


def lead_words(text: str, language: str, words: int) -> str:
    """The beginning of ``text`` with ``words`` words. Raises InputError if the segmenter is not installed."""
    segmenter = dictionary(language)
    if segmenter is None:
        found = list(_WORD.finditer(text))[:words]
        return text[found[0].start() : found[-1].end()] if found else ""
    taken, count = [], 0
    for segment in segmenter.segment(text):
        count += any(map(str.isalnum, segment))
        if count > words:
            break
        taken.append(segment)
    return "".join(taken).strip()


@baselines.register("lead")
class Lead(Baseline[LeadOptions]):
    """The first tokens or words of the input (LEAD-64 of Vu et al. 2022)."""

    Options = LeadOptions

    def prepare(self, recipe: Recipe, task: Task, languages: tuple[str, ...]) -> None:
        """Load the recipe's backbone, whose tokenizer is used if the length is in tokens."""
        if self.options.words is None:
            self._backbone = loading.load(recipe.backbone.name, languages=languages, allow_unknown=True)

    def predict(self, examples: list[LabelledExample], language: str, evaluation: Evaluation) -> list[str]:
        """The lead of each input."""
        if self.options.words is not None:
            return [lead_words(example.source, language, self.options.words) for example in examples]
        return [lead(example.source, self._backbone, self.options.tokens or 64) for example in examples]
