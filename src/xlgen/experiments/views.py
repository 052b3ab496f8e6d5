"""The views of ``xlgen query``: their columns, and the SQL that lets DuckDB read them from the files of runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from xlgen.core.run_layout import LOG, PREDICTIONS
from xlgen.runs.evaluations import prediction_files
from xlgen.runs.paths import RunPaths
from xlgen.runs.run_discovery import RunSummary
from xlgen.runs.run_files import PREFIX, address


class ViewColumn(NamedTuple):
    """A column of a view."""

    name: str
    type: str
    """A type of DuckDB."""
    meaning: str


class View(NamedTuple):
    """A view."""

    meaning: str
    columns: tuple[ViewColumn, ...]


Fields: TypeAlias = Mapping[str, str]
"""Names and types of the fields read from a JSONL file."""

_WHO = (
    ViewColumn("study", "VARCHAR", "the folder of the study"),
    ViewColumn("run", "VARCHAR", "the folder of the run"),
)
VIEWS: dict[str, View] = {
    "scores": View(
        "one row per score of an evaluation",
        (
            *_WHO,
            ViewColumn("backbone", "VARCHAR", "as in the recipe"),
            ViewColumn("method", "VARCHAR", "the adaptation, or the recipe's `report_as`"),
            ViewColumn("learning_rate", "DOUBLE", "null for a baseline"),
            ViewColumn("seed", "BIGINT", "of the training"),
            ViewColumn("step", "BIGINT", "of the evaluation"),
            ViewColumn("task", "VARCHAR", "the task of the last stage"),
            ViewColumn("language", "VARCHAR", "the target language"),
            ViewColumn("metric", "VARCHAR", "the name of the value, as in `xlgen list metrics`"),
            ViewColumn("value", "DOUBLE", "rates and scores in percent"),
            ViewColumn("low", "DOUBLE", "lower end of the 95 % interval"),
            ViewColumn("high", "DOUBLE", "upper end of the 95 % interval"),
            ViewColumn("n", "BIGINT", "number of examples"),
            ViewColumn("signature", "VARCHAR", "how the value was measured"),
            ViewColumn("is_last", "BOOLEAN", "whether it is from the run's newest evaluation"),
            ViewColumn("is_source", "BOOLEAN", "whether the run has labels in the language"),
        ),
    ),
    "steps": View(
        "one row per logged training step",
        (
            *_WHO,
            ViewColumn("step", "BIGINT", "of the training"),
            ViewColumn("loss", "DOUBLE", "mean over target tokens"),
            ViewColumn("learning_rate", "DOUBLE", "as scheduled for this step"),
            ViewColumn("gradient_norm", "DOUBLE", "before clipping"),
            ViewColumn("source_tokens", "BIGINT", "of this step"),
            ViewColumn("target_tokens", "BIGINT", "of this step"),
            ViewColumn("padding", "DOUBLE", "share of the batch, from 0 to 1"),
            ViewColumn("steps_per_second", "DOUBLE", "since the previous logged step, without evaluations"),
            ViewColumn("time", "DOUBLE", "seconds since 1970"),
        ),
    ),
    "predictions": View(
        "one row per input of an evaluation",
        (
            *_WHO,
            ViewColumn("step", "BIGINT", "of the evaluation"),
            ViewColumn("language", "VARCHAR", "the target language"),
            ViewColumn("id", "VARCHAR", "of the example"),
            ViewColumn("prediction", "VARCHAR", "after clean-up"),
            ViewColumn("reference", "VARCHAR", "the first reference"),
            ViewColumn("references", "VARCHAR[]", 'all references; quote this name in SQL: "references"'),
            ViewColumn("input", "VARCHAR", "the input as the model reads it"),
            ViewColumn("raw", "VARCHAR", "the prediction before clean-up"),
            ViewColumn("cropped_tokens", "BIGINT", "input tokens over the length limit"),
            ViewColumn(
                "similarity", "DOUBLE", "of encoder states to those of the parallel source input; null without one"
            ),
            ViewColumn("is_last", "BOOLEAN", "whether it is from the run's newest evaluation with predictions"),
            ViewColumn("is_source", "BOOLEAN", "whether the run has labels in the language"),
        ),
    ),
    "runs": View(
        "one row per run",
        (
            *_WHO,
            ViewColumn("folder", "VARCHAR", "absolute path"),
            ViewColumn(
                "status", "VARCHAR", "running, interrupted, diverged, done; unknown before the first checkpoint"
            ),
            ViewColumn("backbone", "VARCHAR", "as in the recipe"),
            ViewColumn("method", "VARCHAR", "the adaptation, or the recipe's `report_as`"),
            ViewColumn("learning_rate", "DOUBLE", "null for a baseline"),
            ViewColumn("seed", "BIGINT", "of the training"),
            ViewColumn("task", "VARCHAR", "the task of the last stage"),
            ViewColumn("source_languages", "VARCHAR[]", "the languages with labels"),
            ViewColumn("step", "BIGINT", "of the newest checkpoint, or the end"),
            ViewColumn("planned_steps", "BIGINT", "null for a baseline"),
            ViewColumn("recipe", "JSON", "resolved: recipe->>'$.stages[0].training.batch_tokens'"),
            ViewColumn("environment", "JSON", "versions, machine, git revision"),
        ),
    ),
}
OLD_NAMES = {"figures": "scores"}
"""Earlier names of views, which queries may still use."""
FUNCTIONS: dict[str, str] = {
    "language_of(text)": "the language that lid.176.ftz predicts for a text; null if none",
    "in_language(text, language)": "whether that is the language, as in correct_language_rate",
}
_LARGEST_LINE = 64 * 2**20
_NAME = rf"/([^/]+)/{PREDICTIONS}/step-\d+/[^/]+$"
_STUDY = rf"/([^/]+)/(?:runs/)?[^/]+/{PREDICTIONS}/step-\d+/[^/]+$"


def mentioned(sql: str, name: str) -> bool:
    """Whether ``name`` occurs in ``sql``, even in a string literal."""
    return re.search(rf"\b{name}\b", sql, re.IGNORECASE) is not None


def definition(view: str, runs: Sequence[RunSummary]) -> str:
    """The statement that creates ``view`` (``scores``, ``steps`` or ``predictions``) over the table ``runs``."""
    if view == "predictions":
        return _predictions(runs)
    logs = [file for run in runs if (file := RunPaths(Path(run.folder)).log_file).is_file()]
    return _scores(logs) if view == "scores" else _steps(logs)


def _scores(logs: Iterable[Path]) -> str:
    own = {"language": "VARCHAR", "metric": "VARCHAR", "n": "BIGINT", "signature": "VARCHAR"}
    numbers = dict.fromkeys(("value", "low", "high", "time"), "DOUBLE")
    # A value that was logged again after a resume counts once.
    return f"""CREATE VIEW scores AS
        SELECT study, run, backbone, method, learning_rate, seed, log.step, task, language, metric,
            {_finite("value")}, {_finite("low")}, {_finite("high")}, n, signature,
            log.step = max(log.step) OVER (PARTITION BY filename) AS is_last,
            list_contains(source_languages, language) AS is_source
        FROM (
            SELECT * FROM {_read(logs, {"event": "VARCHAR", "step": "BIGINT", **own, **numbers})}
            WHERE event = 'figure' AND step IS NOT NULL AND language IS NOT NULL AND metric IS NOT NULL
            QUALIFY row_number() OVER (PARTITION BY filename, step, language, metric ORDER BY time DESC) = 1
        ) AS log JOIN runs ON url_decode(filename) = '{PREFIX}' || folder || '/{LOG}'"""


def _steps(logs: Iterable[Path]) -> str:
    names = [column.name for column in VIEWS["steps"].columns[len(_WHO) :]]
    fields = {column.name: column.type for column in VIEWS["steps"].columns[len(_WHO) :]}
    return f"""CREATE VIEW steps AS
        SELECT study, run, {", ".join(f"log.{name}" for name in names)}
        FROM {_read(logs, {"event": "VARCHAR", **fields})} AS log
            JOIN runs ON url_decode(filename) = '{PREFIX}' || folder || '/{LOG}'
        WHERE event = 'step' AND log.step IS NOT NULL"""


def _predictions(runs: Sequence[RunSummary]) -> str:
    """The view ``predictions``. Run, step and ``is_last`` come from file names, so DuckDB skips filtered files."""
    files: dict[bool, list[Path]] = {True: [], False: []}
    for run in runs:
        folders = RunPaths(Path(run.folder)).evaluated_steps()
        for step, folder in folders:
            files[step == folders[-1][0]] += prediction_files(folder)
    fields = {
        **dict.fromkeys(("id", "language", "prediction", "input", "raw"), "VARCHAR"),
        "references": "VARCHAR[]",
        "cropped_tokens": "BIGINT",
        "similarity": "DOUBLE",
    }
    parts = [
        f"""SELECT url_decode(regexp_extract(filename, '{_STUDY}', 1)) AS study,
            url_decode(regexp_extract(filename, '{_NAME}', 1)) AS run,
            CAST(regexp_extract(filename, '/step-(\\d+)/[^/]+$', 1) AS BIGINT) AS step,
            regexp_extract(filename, '/([^/]+)\\.jsonl$', 1) AS language,
            url_decode(regexp_extract(filename, '^{PREFIX}(.*)/{PREDICTIONS}/', 1)) AS place,
            id, prediction, "references", input, raw, cropped_tokens, similarity, {str(last).lower()} AS is_last
        FROM {_read(found, fields)} WHERE prediction IS NOT NULL"""
        for last, found in files.items()
    ]
    return f"""CREATE VIEW predictions AS
        SELECT row.study, row.run, row.step, language, id, prediction, "references"[1] AS reference, "references",
            input, raw, cropped_tokens, similarity, is_last, list_contains(source_languages, language) AS is_source
        FROM ({" UNION ALL ".join(parts)}) AS row JOIN runs ON place = folder"""


def _read(files: Iterable[Path], fields: Fields) -> str:
    """The rows of JSONL files with the name of each row's file. A line that is not a JSON object gives nulls.

    The last line of a killed run may be such a line.
    """
    names = ", ".join(_quoted(address(file)) for file in files)
    if not names:
        empty = [f'CAST(NULL AS {kind}) AS "{name}"' for name, kind in {**fields, "filename": "VARCHAR"}.items()]
        return f"(SELECT {', '.join(empty)} WHERE false)"
    columns = ", ".join(f"{_quoted(name)}: {_quoted(kind)}" for name, kind in fields.items())
    return f"""read_json([{names}], columns = {{{columns}}}, format = 'newline_delimited', ignore_errors = true,
        filename = true, maximum_object_size = {_LARGEST_LINE})"""


def _finite(name: str) -> str:
    return f"CASE WHEN isfinite({name}) THEN {name} END AS {name}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
