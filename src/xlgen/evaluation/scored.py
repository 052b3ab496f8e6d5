"""What `xlgen evaluate` measures of a model: predictions, scores and XLRS, and the files that they go to."""

from __future__ import annotations

import json
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
from xlgen.evaluation.evaluate import empty_inputs, evaluate, evaluation_examples, score_rows, write_predictions
from xlgen.evaluation.evaluation_folder import evaluation_folder, settings_of
from xlgen.evaluation.xlrs_tracking import read_parallel
from xlgen.metrics.score import Row
from xlgen.runs.event_log import write_atomically
from xlgen.runs.paths import RunPaths, has_checkpoints
from xlgen.scoring.predictions import PredictionRow

AS_IT_IS = "pretrained"
"""The method's name of a backbone that nothing has been trained on."""


@dataclass
class Scored:
    """Collects the scores of one or several models on a task."""

    task: Task
    evaluation: Evaluation
    source_languages: Sequence[str]
    """The first one is what XLRS compares with; English where there is none."""
    allow_unknown: bool
    folder: Path
    rows: list[JsonObject] = field(default_factory=list)
    empty: dict[str, int] = field(default_factory=dict)
    """Inputs without text, by language."""

    @property
    def _pivot(self) -> str:
        return Language.parse(next(iter(self.source_languages), "en")).code

    def add(
        self,
        backbone: Backbone,
        method: Method,
        examples: dict[str, list[LabelledExample]],
        whose: JsonMapping,
        progress: Callable[[int], None],
    ) -> None:
        """Generate and score with one model; ``whose`` has its rows' ``backbone``, ``method`` and ``step``."""
        found = evaluate(backbone, method, self.task, self.evaluation, examples, None, progress, self._pivot)
        label = str(whose["method"]).partition(" x ")[2]
        write_predictions(self._predictions(label), found)
        shared = {"learning_rate": None, "seed": None, "task": self.task.config.name, **whose}
        scores = [*self._scores(found), *self._similarities(backbone, method, tuple(examples))]
        self.rows += [{**shared, **asdict(row)} for row in scores]
        self.empty = {code: count for code, predictions in found.items() if (count := empty_inputs(predictions))}

    def _predictions(self, label: str) -> Path:
        """The folder of the predictions; those of weights between two models have a folder of their own."""
        folder = RunPaths(self.folder).predictions
        return folder.with_name(f"{folder.name}-x-{label}") if label else folder

    def _scores(self, found: Mapping[str, list[PredictionRow]]) -> Iterator[Row]:
        evaluation = self.evaluation
        settings = evaluation.bootstrap, evaluation.lid, evaluation.metric_options
        for language, predictions in found.items():
            yield from score_rows(predictions, self.task, language, *settings, self.source_languages, evaluation.split)

    def _similarities(self, backbone: Backbone, method: Method, languages: Sequence[str]) -> Iterator[Row]:
        """XLRS on the texts that the evaluation names."""
        texts = self.evaluation.xlrs
        if texts is None:
            return
        read = read_parallel(texts, backbone, languages, self._pivot, self.task.data_dir, self.allow_unknown)
        yield from read.measure(backbone, method, self.evaluation.precision, self.evaluation.bootstrap).values()

    def write(self) -> tuple[list[JsonObject], Path]:
        """Write ``summary.json``; the rows, and the folder."""
        summary = {"rows": self.rows, **({"empty_inputs": self.empty} if self.empty else {})}
        write_atomically(RunPaths(self.folder).summary_file, json.dumps(summary, ensure_ascii=False, indent=1))
        return self.rows, self.folder


def is_backbone(path: Path) -> bool:
    """Whether ``path`` names a backbone as it is: embedded, a model's folder without a checkpoint of ours, or, where
    nothing has that path, an id of the hub."""
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
    """Generate and score with the backbone ``name`` as it is, untrained; see :func:`evaluate_checkpoint`.

    ``source_languages`` are those that the confidence of identification and XLRS are measured for. A family without
    language codes may be asked for any language. Results go to ``out``, by default ``evaluations/NAME-TASK-SPLIT`` in
    the current folder. Raises InputError without a task, or for one that needs a head.
    """
    if task_name is None:
        raise InputError(
            f"{name} is no folder of a run or a checkpoint. A backbone as it is has no task of its own: name one with "
            f"{argument('task')} (`xlgen list tasks`)"
        )
    task = load_task(task_name, Path(data_dir or "."))
    if task.config.head:
        raise InputError(f"{name} as it is has no head for the labels of {task.config.name}; train one first")
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
