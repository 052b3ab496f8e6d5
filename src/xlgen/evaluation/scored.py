"""The results of `xlgen evaluate`: predictions, scores and XLRS, and their files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from xlgen.adaptation.base import Method, no_adaptation
from xlgen.backbones import loading
from xlgen.backbones.base import Backbone
from xlgen.backbones.finding import embedded
from xlgen.core.arguments import argument
from xlgen.core.config import Evaluation
from xlgen.core.json_types import JsonMapping, JsonObject
from xlgen.core.languages import Language
from xlgen.core.progress import NoProgress, Progress
from xlgen.core.registry import InputError
from xlgen.data.examples import LabelledExample
from xlgen.data.tasks import Task, load_task
from xlgen.evaluation.checks import check_scoring
from xlgen.evaluation.evaluate import empty_inputs, evaluate, evaluation_examples, score_rows
from xlgen.evaluation.evaluation_folder import evaluation_folder, settings_of
from xlgen.evaluation.xlrs_tracking import read_parallel
from xlgen.metrics.score import Row
from xlgen.runs.evaluations import write_predictions, write_scores
from xlgen.runs.paths import RunPaths, has_checkpoints
from xlgen.scoring.predictions import PredictionRow

AS_IT_IS = "pretrained"
"""Name of the method in rows of an untrained backbone."""


@dataclass
class Scored:
    """Collects the scores of one or several models on a task."""

    task: Task
    evaluation: Evaluation
    source_languages: Sequence[str]
    """XLRS compares with the first one, or with English if there is none."""
    allow_unknown: bool
    folder: Path
    rows: list[JsonObject] = field(default_factory=list)
    empty: dict[str, int] = field(default_factory=dict)
    """Number of inputs without text, by language."""

    @property
    def _pivot(self) -> str:
        return Language.parse(next(iter(self.source_languages), "en")).code

    def add(
        self,
        backbone: Backbone,
        method: Method,
        examples: dict[str, list[LabelledExample]],
        labels: JsonMapping,
        progress: Callable[[int], None],
    ) -> None:
        """Predict and score with one model; ``labels`` are the ``backbone``, ``method`` and ``step`` of its rows."""
        found = evaluate(backbone, method, self.task, self.evaluation, examples, None, progress, self._pivot)
        share = str(labels["method"]).partition(" x ")[2]
        write_predictions(self._predictions(share), found)
        shared = {"learning_rate": None, "seed": None, "task": self.task.config.name, **labels}
        scores = [*self._scores(found), *self._similarities(backbone, method, tuple(examples))]
        self.rows += [{**shared, **asdict(row)} for row in scores]
        self.empty = {code: count for code, predictions in found.items() if (count := empty_inputs(predictions))}

    def _predictions(self, share: str) -> Path:
        """The folder of the predictions; each share of interpolated weights has its own."""
        folder = RunPaths(self.folder).predictions
        return folder.with_name(f"{folder.name}-x-{share}") if share else folder

    def _scores(self, found: Mapping[str, list[PredictionRow]]) -> Iterator[Row]:
        evaluation = self.evaluation
        settings = evaluation.bootstrap, evaluation.lid, evaluation.metric_options
        for language, predictions in found.items():
            yield from score_rows(predictions, self.task, language, *settings, self.source_languages, evaluation.split)

    def _similarities(self, backbone: Backbone, method: Method, languages: Sequence[str]) -> Iterator[Row]:
        """XLRS on the texts in the evaluation's settings."""
        texts = self.evaluation.xlrs
        if texts is None:
            return
        read = read_parallel(texts, backbone, languages, self._pivot, self.task.data_dir, self.allow_unknown)
        yield from read.measure(backbone, method, self.evaluation.precision, self.evaluation.bootstrap).values()

    def write(self) -> tuple[list[JsonObject], Path]:
        """Write ``summary.json``; return the rows and the folder."""
        write_scores(self.folder, self.rows, self.empty)
        return self.rows, self.folder


def check_model(path: Path) -> None:
    """Raise InputError if ``path`` names nothing: neither a file or folder, nor an embedded backbone or an id."""
    if not path.exists() and not is_backbone(path):
        raise InputError(
            f"no model {str(path)!r}: there is no such folder, and an id of the Hugging Face Hub has the form "
            f"owner/name; the embedded backbones are {', '.join(sorted(embedded()))}"
        )


def is_backbone(path: Path) -> bool:
    """Whether ``path`` names an untrained backbone: an embedded one, a model's folder without checkpoints of xlgen, or,
    if the path does not exist, an id on the Hub."""
    if path.exists():
        return (path / "config.json").is_file() and not has_checkpoints(path)
    return str(path) in embedded() or str(path).count("/") == 1


def evaluate_backbone(
    name: str,
    evaluation: Evaluation,
    task_name: str | None,
    data_dir: str | None = None,
    out: Path | None = None,
    progress: Progress | None = None,
    source_languages: Sequence[str] = ("en",),
) -> tuple[list[JsonObject], Path]:
    """Predict and score with the untrained backbone ``name``; see :func:`evaluate_checkpoint`.

    The confidence of identification and XLRS are measured for ``source_languages``. Families without language codes
    accept any language. Results are written to ``out``, by default ``evaluations/NAME-TASK-SPLIT`` in the current
    folder. Raises InputError without a task, or for a task that needs a head.
    """
    if task_name is None:
        raise InputError(
            f"{name} is not a folder of a run or a checkpoint. An untrained backbone has no task: name one with "
            f"{argument('task')} (`xlgen list tasks`)"
        )
    task = load_task(task_name, Path(data_dir or "."))
    if task.config.head:
        raise InputError(f"{name} is untrained and has no head for the labels of {task.config.name}; train one first")
    check_scoring(task, evaluation)
    examples = evaluation_examples(task, evaluation)
    settings = {**settings_of(name, task, evaluation), "source_languages": list(source_languages)}
    place = f"{Path(name).name}-{task.config.name}-{evaluation.split}"
    with evaluation_folder(out, Path(), place, evaluation, settings) as folder:
        weights = evaluation.precision
        backbone = loading.load(name, languages=tuple(examples), allow_unknown=True, weights=weights)
        backbone.model.eval()
        method = no_adaptation()
        bar = (progress or NoProgress()).task("evaluating", sum(map(len, examples.values())), 0)
        scored = Scored(task, evaluation, source_languages, True, folder)
        scored.add(backbone, method, examples, {"backbone": name, "method": AS_IT_IS, "step": 0}, bar)
        return scored.write()
