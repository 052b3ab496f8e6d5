"""Folders for the results of ``xlgen evaluate``: each combination of settings has its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from xlgen.core.arguments import argument
from xlgen.core.config import Evaluation
from xlgen.core.json_types import JsonMapping, JsonObject
from xlgen.core.outputs import check_no_run, undone_after_errors
from xlgen.core.registry import InputError
from xlgen.core.run_layout import EVALUATIONS
from xlgen.data.tasks import Task
from xlgen.runs.evaluations import SETTINGS, read_settings, write_settings
from xlgen.runs.folder import difference
from xlgen.runs.paths import RunPaths

_CHECKPOINT = "checkpoint"
_NAMED = 3
"""Maximum number of languages that a folder's name lists."""


def settings_of(model: Path | str, task: Task, evaluation: Evaluation, shares: Sequence[float] = (1.0,)) -> JsonObject:
    """Everything that affects the results of an evaluation; ``model`` is a checkpoint's folder or a backbone's name."""
    return {
        **({_CHECKPOINT: str(model.resolve())} if isinstance(model, Path) else {"backbone": model}),
        "task": task.config.model_dump(mode="json"),
        "data_dir": str(task.data_dir.resolve()),
        "evaluation": evaluation.model_dump(mode="json", exclude={"every", "at_start"}),
        "shares": list(shares),
    }


@contextmanager
def evaluation_folder(
    out: Path | None, run: Path, name: str, evaluation: Evaluation, settings: JsonMapping
) -> Iterator[Path]:
    """The folder for an evaluation, with its settings: ``out``, or one of ``run``'s evaluations.

    If an error leaves a new folder without results, it is removed. Raises InputError if ``out`` contains anything other
    than this evaluation, or if the folder cannot be written.
    """
    folder = _within(run, name, evaluation, settings) if out is None else _checked(out, settings)
    with undone_after_errors(folder, [SETTINGS]):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_settings(folder, settings)
        except OSError as error:
            raise InputError(
                f"cannot write into {folder}: {error.strerror}; choose another {argument('out')}"
            ) from None
        yield folder


def _checked(out: Path, settings: JsonMapping) -> Path:
    """``out``. Raises InputError if it contains anything other than this evaluation."""
    check_no_run(out, argument("out"), allowed=EVALUATIONS)
    before, another = read_settings(out), f"choose another {argument('out')}"
    if before is None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} already exists and contains no evaluation of this version; {another}")
    if before is not None and before != settings:
        raise InputError(f"{out} contains another evaluation ({difference(before, settings)}); {another}")
    return out


def _within(run: Path, name: str, evaluation: Evaluation, settings: JsonMapping) -> Path:
    """The folder of this evaluation in ``run``'s evaluations: ``name``, followed by the given options.

    A folder with other results, such as those of an earlier version or of a task that has changed, is not used.
    """
    digest = hashlib.sha256(json.dumps(_without_place(settings), sort_keys=True).encode()).hexdigest()[:8]
    options = _options(evaluation, settings["shares"])
    named = "-".join([name, *options, *([digest] if options else [])])
    for candidate in (named, f"{name}-{digest}"):
        folder = RunPaths(run).evaluations / candidate
        before = read_settings(folder)
        if before is None and not folder.exists():
            return folder
        if before is not None and _without_place(before) == _without_place(settings):
            return folder
    return RunPaths(run).evaluations / f"{named}-{digest}"


def _options(evaluation: Evaluation, shares: Sequence[float]) -> list[str]:
    """The options that differ from the defaults, each as a part of a folder's name."""
    asked, usual = evaluation.model_dump(mode="json"), Evaluation(examples=None).model_dump(mode="json")
    unnamed = ("split", "cleanup", "every", "at_start")
    given = {key: value for key, value in asked.items() if value != usual[key] and key not in unnamed}
    found: list[str] = []
    if (beams := given.pop("num_beams", None)) is not None:
        found.append(f"beams-{beams}")
    if languages := given.pop("languages", None):
        found.append("+".join(languages) if len(languages) <= _NAMED else f"{len(languages)}-languages")
    if (examples := given.pop("examples", None)) is not None:
        found.append(f"examples-{examples}")
    if list(shares) != [1.0]:
        found.append("interpolated")
    return [*found, *(key.replace("_", "-") for key in sorted(given))]


def _without_place(settings: JsonMapping) -> JsonObject:
    """The settings without the run's location, since it may have been moved."""
    return {key: value for key, value in settings.items() if key != _CHECKPOINT}
