"""The outputs of a finished run, translated into the target language (Chirkova et al. 2023, Table 1).

A model trained with a high learning rate answers in its source language. If its content is right, the translated
outputs score as well as those of a model that answers in the target language.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from xlgen.core.config import Evaluation, Recipe
from xlgen.core.config_evaluation import Beams
from xlgen.core.languages import Language
from xlgen.core.registry import InputError
from xlgen.data.examples import LabelledExample
from xlgen.data.tasks import Task
from xlgen.decoding.translation import Translator
from xlgen.metrics.lid import SMALL
from xlgen.metrics.lid import load_identifier as load_identifier
from xlgen.runs.evaluations import prediction_file
from xlgen.runs.paths import RunPaths
from xlgen.runs.recipes import read_resolved
from xlgen.runs.records import read_predictions
from xlgen.scoring.predictions import PredictionRow
from xlgen.training.baselines import Baseline, BaselineOptions, baselines


class TranslateOutputsOptions(BaselineOptions):
    """Which run, and which translator."""

    run: str
    """The folder of a finished run, whose newest predictions are translated."""
    translator: str
    """A backbone that translates: an NLLB-200 or mBART-50 many-to-many checkpoint, or ``pocket-nllb``."""
    outputs: Literal["all", "wrong"] = "all"
    """``wrong`` translates only outputs that are identified as another language than the target. Chirkova et al. (2023)
    translate all outputs, and report that their translator copies those in the target language."""
    source: str = "en"
    """The language of the outputs, as passed to the translator."""
    num_beams: Beams = 1
    """Number of beams of the translator."""


def newest_predictions(run: Path) -> Path:
    """The folder of the newest predictions of ``run``. Raises InputError if there is none."""
    folders = RunPaths(run).evaluated_steps()
    if not folders:
        raise InputError(f"{run} has no predictions; pass the folder of a run that has been evaluated")
    return folders[-1][1]


@baselines.register("translate-outputs")
class TranslateOutputs(Baseline[TranslateOutputsOptions]):
    """The outputs of a run, translated into the target language (Chirkova et al. 2023, Table 1)."""

    Options = TranslateOutputsOptions

    def prepare(self, recipe: Recipe, task: Task, languages: tuple[str, ...]) -> None:
        """Load the translator.

        Raises InputError if the run has another task or lacks predictions in a language, or the translator does not
        know a language.
        """
        run = Path(self.options.run)
        folder = newest_predictions(run)
        _check_task(run, recipe)
        self._task = task
        missing = [code for code in languages if not prediction_file(folder, code).is_file()]
        if missing:
            raise InputError(
                f"{folder} has no predictions in {', '.join(missing)}; use `evaluation.languages` of {run}"
            )
        self._found = {code: _predictions(prediction_file(folder, code)) for code in languages}
        self._folder, self._source = folder, Language.parse(self.options.source).code
        needed = tuple(dict.fromkeys((self._source, *languages)))
        self._translator = Translator.load(self.options.translator, needed, self.options.num_beams)

    def predict(self, examples: list[LabelledExample], language: str, evaluation: Evaluation) -> list[str]:
        """Translate the run's outputs for these examples. Raises InputError if an example has no prediction."""
        rows = self._found[language]
        unknown = next((example.id for example in examples if example.id not in rows), None)
        if unknown is not None:
            raise InputError(
                f"{self._folder} has no {language} prediction with the id {unknown!r}: use the split and the number "
                "of examples that the run was evaluated on"
            )
        texts = [str(rows[example.id]["prediction"]) for example in examples]
        chosen = range(len(texts)) if self.options.outputs == "all" else self._wrong(texts, language, evaluation)
        done = self._translator.texts([texts[place] for place in chosen], self._source, language)
        for place, text in zip(chosen, done, strict=True):
            texts[place] = text
        return texts

    def _wrong(self, texts: Sequence[str], language: str, evaluation: Evaluation) -> list[int]:
        return _in_another_language(texts, language, self._task.identifier(evaluation.lid) or SMALL)


def _predictions(file: Path) -> dict[str, PredictionRow]:
    """The rows of a file of predictions, by id."""
    return {str(row.get("id")): row for row in read_predictions(file)}


def _check_task(run: Path, recipe: Recipe) -> None:
    theirs = read_resolved(run).stage.get("task")
    ours = recipe.stages[-1].task
    if theirs != ours:
        raise InputError(f"{run} was evaluated on the task {theirs}, but the recipe has the task {ours}")


def _in_another_language(texts: Sequence[str], language: str, lid: str) -> list[int]:
    """The indices of the texts identified as another language; all, if the identifier does not know ``language``."""
    identifier = load_identifier(lid)
    code = identifier.code(Language.parse(language))
    asked = [place for place, text in enumerate(texts) if text.strip()]
    found = identifier.identify([texts[place] for place in asked])
    return [place for place, (top, _) in zip(asked, found, strict=True) if top != code]
