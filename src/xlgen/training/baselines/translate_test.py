"""Translate-Test: translate inputs, generate in the model's language, translate outputs back (Vu et al. 2022, 2.2)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from xlgen.adaptation import checkpoints as store
from xlgen.core.config import Evaluation, Recipe
from xlgen.core.config_evaluation import Beams
from xlgen.core.languages import Language
from xlgen.data.examples import LabelledExample
from xlgen.data.tasks import Task
from xlgen.decoding.translation import Translator
from xlgen.evaluation.generator import Generator
from xlgen.runs.checkpoints import find_checkpoint
from xlgen.runs.paths import RunPaths
from xlgen.training.baselines import Baseline, BaselineOptions, baselines
from xlgen.training.retention import best_on_source


class TranslateTestOptions(BaselineOptions):
    """Which finetuned model, and which translator."""

    run: str
    """A finetuned checkpoint, or the folder of its run."""
    checkpoint: Literal["last", "source"] = "last"
    """The run's newest checkpoint (``last``), or the best one on its source languages (``source``), which the run's
    ``training.keep_best`` must keep."""
    translator: str
    """A backbone that translates: an NLLB-200 or mBART-50 many-to-many checkpoint, or ``pocket-nllb``."""
    pivot: str = "en"
    """The language of the finetuned model."""
    num_beams: Beams = 1
    """Number of beams of the translations. The task's outputs are decoded with the evaluation's settings."""


@baselines.register("translate-test")
class TranslateTest(Baseline[TranslateTestOptions]):
    """Translate inputs into English, generate in English, translate outputs back (Vu et al. 2022)."""

    Options = TranslateTestOptions

    def prepare(self, recipe: Recipe, task: Task, languages: tuple[str, ...]) -> None:
        """Load both models. Raises InputError if there is no such run, or the translator does not know a language."""
        self._task = task
        self._pivot = Language.parse(self.options.pivot).code
        run, of_run = Path(self.options.run), RunPaths(Path(self.options.run)).checkpoints.is_dir()
        checkpoint = best_on_source(run) if self.options.checkpoint == "source" and of_run else find_checkpoint(run)
        self._translator = Translator.load(
            self.options.translator, tuple(dict.fromkeys((self._pivot, *languages))), self.options.num_beams
        )
        self._backbone, self._method, _ = store.load_checkpoint(checkpoint, (self._pivot,))

    def predict(self, examples: list[LabelledExample], language: str, evaluation: Evaluation) -> list[str]:
        """Generate through the pivot language."""
        asked = self._translator.examples(examples, self._pivot)
        generator = Generator(self._backbone, self._method, self._task, evaluation)
        texts = [prediction.text for prediction in generator.predict(asked)]
        return self._translator.texts(texts, self._pivot, language)
