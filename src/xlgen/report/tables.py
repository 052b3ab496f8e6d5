"""The report's tables: the runs, the verdict on each run, and the scores of each language."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from xlgen.core.json_types import JsonObject
from xlgen.core.languages import language_name
from xlgen.core.tables import Column, Table, TableCell
from xlgen.metrics.confidence_of import PREFIX as CONFIDENCE_OF
from xlgen.runs.files import finite
from xlgen.runs.rows import MEAN, Results, Row
from xlgen.runs.runs import Run, labels, rate_text

LANGUAGE_RATE = "correct_language_rate"
REFERENCE_RATE = "reference_language_rate"
GOOD, FAIR = 95.0, 80.0
"""The lowest correct-language rates of a good and a fair run, in percent of the references' own rate. Language
identification errs on references as well: lid.176.ftz recognizes only a third of human-written Malay sentences."""

_NAMES = {
    "rouge1": "ROUGE-1",
    "rouge2": "ROUGE-2",
    "rougeL": "ROUGE-L",
    "rougeLsum": "ROUGE-Lsum",
    "sp_rougeL": "SP-ROUGE-L",
    "sp_rougeLsum": "SP-ROUGE-Lsum",
    "squad_f1": "F1 (SQuAD)",
    "squad_em": "EM (SQuAD)",
    "mlqa_f1": "F1 (MLQA)",
    "mlqa_em": "EM (MLQA)",
    LANGUAGE_RATE: "Right language",
    REFERENCE_RATE: "References: right language",
    "xlrs": "XLRS",
}


def runs_table(results: Results) -> Table:
    """The runs, how long they took, and what happened to their data."""
    columns = (
        Column("run", "Run", number=False),
        Column("folder", "Folder", number=False),
        Column("backbone", "Backbone", number=False),
        Column("method", "Method", number=False),
        Column("task", "Task", number=False),
        Column("source_languages", "Labels in", number=False),
        Column("learning_rate", "Learning rate", rate_text),
        Column("seed", "Seed"),
        Column("status", "Status", number=False),
        Column("steps", "Steps", _thousands),
        Column("trainable", "Trained parameters", _thousands),
        Column("trainable_share", "of all (%)", _one_digit),
        Column("seconds", "Time", duration),
        Column("padding", "Padding (%)", _one_digit),
        Column("examples", "Examples", _thousands),
        Column("cropped_sources", "Cropped inputs", _thousands),
        Column("cropped_evaluation", "Cropped when evaluated", _thousands),
        Column("cropped_tokens", "Cropped tokens", _thousands),
        Column("dropped_targets", "Dropped labels", _thousands),
        Column("cut_targets", "Cut labels", _thousands),
        Column("unknown", "Unknown tokens (%)", lambda share: f"{share:.3f}"),
    )
    short = labels(results.runs)
    values = ({"run": short[run.name], **_about(run)} for run in results.runs)
    return Table("runs", "What was run", columns, tuple({k: TableCell(v) for k, v in row.items()} for row in values))


def _about(run: Run) -> JsonObject:
    data = run.start.get("data") or {}
    trainable, parameters = finite(run.start.get("trainable")), finite(run.start.get("parameters"))
    reached = run.steps[-1]["step"] if run.steps else run.last_step
    return {
        "folder": run.name,
        "backbone": run.backbone,
        "method": run.method,
        "task": run.task,
        "source_languages": ", ".join(run.source_languages),
        "learning_rate": run.learning_rate,
        "seed": run.seed,
        "status": run.status,
        "steps": reached,
        "trainable": None if trainable is None else int(trainable),
        "trainable_share": _percent(trainable / parameters if trainable is not None and parameters else None),
        "seconds": run.seconds,
        "padding": _percent(run.padding),
        **{
            key: data.get(key)
            for key in ("examples", "cropped_sources", "cropped_tokens", "dropped_targets", "cut_targets")
        },
        "cropped_evaluation": run.cropped_evaluation,
        "unknown": _percent(finite(data.get("unknown_share"))),
    }


def verdict_table(results: Results) -> Table:
    """One row per run: scores in languages with and without labels, and correct-language rates."""
    columns = (
        Column("run", "Run", number=False),
        Column("task", "Task", number=False),
        Column("metric", "Metric", metric_name, number=False),
        Column("step", "Step", _thousands),
        Column("source", "Source language", _one_digit),
        Column("others", "Other languages", _one_digit),
        Column("language_rate", "Right language (%)", _one_digit),
        Column(REFERENCE_RATE, "Right in references (%)", _one_digit),
        Column("worst_rate", "Lowest (%)", _one_digit),
        Column("worst_language", "Lowest in", number=False),
        Column("leftovers", "Leftovers (%)", _one_digit),
        Column("empty", "Empty (%)", _one_digit),
    )
    short = labels(results.runs)
    rows = tuple({"run": TableCell(short[run.name]), **_verdict(results, run)} for run in results.runs if run.figures)
    return Table("verdict", "Verdict", columns, rows)


def _verdict(results: Results, run: Run) -> dict[str, TableCell]:
    rates = {code: results.value(run, code, LANGUAGE_RATE) for code in others(results, run)}
    worst = (
        min((rate, code) for code, rate in rates.items() if rate is not None) if any_number(rates.values()) else None
    )
    ceiling = results.value(run, worst[1], REFERENCE_RATE) if worst else None
    return {
        "task": TableCell(run.task),
        "metric": TableCell(run.main_metric),
        "step": TableCell(run.last_step),
        "source": TableCell(results.source_value(run, run.main_metric)),
        "others": TableCell(results.value(run, MEAN, run.main_metric)),
        "language_rate": _graded(results, run, MEAN),
        REFERENCE_RATE: TableCell(results.value(run, MEAN, REFERENCE_RATE)),
        "worst_rate": TableCell(worst[0], grade=grade(worst[0], ceiling)) if worst else TableCell(),
        "worst_language": TableCell(language_name(worst[1]) if worst else None),
        "leftovers": TableCell(results.value(run, MEAN, "leftover_rate")),
        "empty": TableCell(results.value(run, MEAN, "empty_rate")),
    }


def languages_table(results: Results) -> Table:
    """The scores of each run's last evaluation by language, with their intervals."""
    further = list(dict.fromkeys(metric for run in results.runs for metric in run.metrics[1:]))
    columns = (
        Column("run", "Run", number=False),
        Column("language", "Code", number=False),
        Column("name", "Language", number=False),
        Column("labels", "Labels", number=False),
        Column("n", "Examples", _thousands),
        Column("metric", "Metric", metric_name, number=False),
        Column("score", "Score", _one_digit, interval=True),
        Column(LANGUAGE_RATE, "Right language (%)", _one_digit, interval=True),
        Column(REFERENCE_RATE, "Right in references (%)", _one_digit, interval=True),
        Column("prediction_length", "Predicted length", _one_digit, interval=True),
        Column("reference_length", "Reference length", _one_digit, interval=True),
        Column("length_ratio", "Ratio", lambda ratio: f"{ratio:.2f}"),
        Column("leftover_rate", "Leftovers (%)", _one_digit),
        Column("empty_rate", "Empty (%)", _one_digit),
        *(Column(metric, metric_name(metric), _one_digit, interval=True) for metric in further),
    )
    short = labels(results.runs)
    rows = tuple(
        {"run": TableCell(short[run.name]), **_language(results, run, code, further)}
        for run in results.runs
        for code in results.languages([run])
    )
    return Table("languages", "Language by language", columns, rows)


def _language(results: Results, run: Run, code: str, further: list[str]) -> dict[str, TableCell]:
    score = results.at(run, code, run.main_metric)
    predicted, reference = (results.value(run, code, f"{text}_length") for text in ("prediction", "reference"))
    plain = ("prediction_length", "reference_length", "leftover_rate", "empty_rate", *further)
    return {
        "language": TableCell(code),
        "name": TableCell(language_name(code)),
        "labels": TableCell("source" if code in run.source_languages else ""),
        "n": TableCell(score["n"] if score else None),
        "metric": TableCell(run.main_metric),
        "score": _cell(score),
        LANGUAGE_RATE: _graded(results, run, code),
        REFERENCE_RATE: _cell(results.at(run, code, REFERENCE_RATE)),
        "length_ratio": TableCell(predicted / reference if predicted is not None and reference else None),
        **{metric: _cell(results.at(run, code, metric)) for metric in plain},
    }


def without_repetition(table: Table) -> Table:
    """The table for display: a task or metric that all rows share is in the title, and empty columns are dropped."""
    values = {column.key: {row[column.key].value for row in table.rows} - {None, ""} for column in table.columns}
    shared = [column for column in table.columns if column.key in ("task", "metric") and len(values[column.key]) == 1]
    kept = tuple(column for column in table.columns if values[column.key] and column not in shared)
    facts = ", ".join(column.show(*values[column.key]) for column in shared)
    return replace(table, title=f"{table.title}: {facts}" if facts else table.title, columns=kept)


def others(results: Results, run: Run) -> list[str]:
    """The languages of a run that are not its source languages."""
    return [code for code in results.languages([run]) if code not in results.sources]


def grade(rate: float, ceiling: float | None = None) -> str:
    """Whether a correct-language rate is ``good``, ``fair`` or ``poor``, relative to the references' own rate."""
    rate = relative(rate, ceiling)
    return "good" if rate >= GOOD else "fair" if rate >= FAIR else "poor"


def relative(rate: float, ceiling: float | None) -> float:
    """A correct-language rate in percent of the references' own rate, or unchanged if that is 0 or not known."""
    return 100 * rate / ceiling if ceiling else rate


def metric_name(metric: str) -> str:
    """The display name of a metric."""
    if metric.startswith(CONFIDENCE_OF):
        return f"LID confidence: {language_name(metric.removeprefix(CONFIDENCE_OF))}"
    return _NAMES.get(metric, metric.replace("_", " "))


def duration(seconds: float) -> str:
    """``45 s``, ``12 min`` or ``3 h 05 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def any_number(values: Iterable[float | None]) -> bool:
    """Whether at least one of ``values`` is defined."""
    return any(value is not None for value in values)


def _cell(row: Row | None) -> TableCell:
    return TableCell(row["value"], row["low"], row["high"]) if row else TableCell()


def _graded(results: Results, run: Run, code: str) -> TableCell:
    row = results.at(run, code, LANGUAGE_RATE)
    if row is None or row["value"] is None:
        return TableCell()
    mark = grade(row["value"], results.value(run, code, REFERENCE_RATE))
    return TableCell(row["value"], row["low"], row["high"], mark)


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _one_digit(value: float) -> str:
    return f"{value:.1f}"


def _thousands(value: float) -> str:
    return f"{value:,}"
