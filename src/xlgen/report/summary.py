"""Tables that summarize a study: each setting's chosen evaluation, and the cost of choosing without target labels."""

from __future__ import annotations

from collections.abc import Iterable

from xlgen.core.tables import Column, Table, TableCell
from xlgen.experiments.choices import Chosen, checkpoint_choices, rate_choices, searches
from xlgen.report.choices import NAMES, several_checkpoints
from xlgen.report.groups import Line, mean_and_deviation, settings
from xlgen.report.tables import LANGUAGE_RATE, REFERENCE_RATE, grade, metric_name
from xlgen.runs.rows import Results
from xlgen.runs.runs import rate_text


def methods_table(results: Results) -> Table:
    """One row per setting: the learning rates that target labels choose for its seeds, and the scores there.

    Like Table 2 of Chirkova et al. (2023).
    """
    columns = (
        Column("run", "Method", number=False),
        Column("task", "Task", number=False),
        Column("metric", "Metric", metric_name, number=False),
        Column("runs", "Runs"),
        Column("seeds", "Seeds"),
        Column("rates", "Learning rates", number=False),
        *(
            column
            for key, title in _FIGURES.items()
            for column in (Column(key, title, _one_digit), Column(f"{key}_spread", "±", _one_digit))
        ),
    )
    rows = tuple(
        _methods_row(of_task, line) for of_task in results.by_task() for line in settings(of_task) if line.picks
    )
    return Table("methods", "Methods at the rates that target labels choose", columns, rows)


_FIGURES = {"source": "Source language", "others": "Other languages", "language_rate": "Right language (%)"}


def _methods_row(results: Results, line: Line) -> dict[str, TableCell]:
    metric = line.picks[0].run.main_metric
    others = [code for code in results.languages(line.runs) if code not in results.sources]
    found = {
        "source": mean_and_deviation(line.values(results, results.sources, metric)),
        "others": mean_and_deviation(line.values(results, others, metric)),
        "language_rate": mean_and_deviation(line.values(results, others, LANGUAGE_RATE)),
    }
    rates = sorted({run.learning_rate for run in line.runs if run.learning_rate is not None})
    several = len(line.picks) > 1
    return {
        "run": TableCell(line.label),
        "task": TableCell(line.picks[0].run.task),
        "metric": TableCell(metric),
        "runs": TableCell(len(line.tried)),
        "seeds": TableCell(len(line.picks)),
        "rates": TableCell(", ".join(map(rate_text, rates)) or None),
        **{f"{key}_spread": TableCell(spread if several else None) for key, (_, spread) in found.items()},
        **{key: TableCell(value) for key, (value, _) in found.items()},
        "language_rate": _graded(
            found["language_rate"][0], mean_and_deviation(line.values(results, others, REFERENCE_RATE))[0]
        ),
    }


def regret_table(results: Results) -> Table:
    """One row per criterion: mean and largest regret of learning rates (over searches) and checkpoints (over runs)."""
    columns = (
        Column("run", "Chosen by", number=False),
        Column("task", "Task", number=False),
        Column("searches", "Searches"),
        Column("rate_regret", "Rate: mean regret", _one_digit),
        Column("rate_largest", "largest", _one_digit),
        Column("runs", "Runs"),
        Column("checkpoint_regret", "Checkpoint: mean regret", _one_digit),
        Column("checkpoint_largest", "largest", _one_digit),
    )
    rows = tuple(row for of_task in results.by_task() for row in _regret_rows(of_task))
    return Table("regret", "Regret of each criterion", columns, rows)


def _regret_rows(results: Results) -> list[dict[str, TableCell]]:
    rates = _regrets(choice for group in searches(results) for choice in rate_choices(results, group))
    checkpoints = _regrets(
        choice for run in several_checkpoints(results) for choice in checkpoint_choices(results, run)
    )
    rows = []
    for criterion, name in NAMES.items():
        by_rate, by_step = rates.get(criterion, []), checkpoints.get(criterion, [])
        if by_rate or by_step:
            rows.append(
                {
                    "run": TableCell(name),
                    "task": TableCell(results.runs[0].task),
                    "searches": TableCell(len(by_rate) or None),
                    "rate_regret": TableCell(mean_and_deviation(by_rate)[0]),
                    "rate_largest": TableCell(max(by_rate, default=None)),
                    "runs": TableCell(len(by_step) or None),
                    "checkpoint_regret": TableCell(mean_and_deviation(by_step)[0]),
                    "checkpoint_largest": TableCell(max(by_step, default=None)),
                }
            )
    return rows


def _regrets(choices: Iterable[Chosen]) -> dict[str, list[float]]:
    """The regrets by criterion, without undefined ones."""
    found: dict[str, list[float]] = {}
    for choice in choices:
        if choice.regret is not None:
            found.setdefault(choice.criterion, []).append(choice.regret)
    return found


def _graded(value: float | None, ceiling: float | None) -> TableCell:
    return TableCell(value, grade=grade(value, ceiling)) if value is not None else TableCell()


def _one_digit(value: float) -> str:
    return f"{value:.1f}"
