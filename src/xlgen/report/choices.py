"""Tables of choices: learning-rate searches, the checkpoint that each criterion selects, translated outputs."""

from __future__ import annotations

from collections.abc import Sequence

from xlgen.core.tables import Column, Table, TableCell
from xlgen.experiments.choices import ORACLE, Chosen, checkpoint_choices, rate_choices, searches, worth
from xlgen.experiments.criteria import best_step, criteria, unlabelled
from xlgen.report.tables import LANGUAGE_RATE, metric_name
from xlgen.report.translated import translated_table
from xlgen.runs.rows import MEAN, Results
from xlgen.runs.runs import Run, labels, rate_text

NAMES = {
    "source": "source language",
    "xlrs": "lowest XLRS",
    "language-rate": "language rate",
    "label-free": "source language, where the language is right",
    "label-free, xlrs": "lowest XLRS, where the language is right",
    ORACLE: "target labels",
}

NO_REGRET = (
    "Regret is not known: it is relative to the choice by target labels, and no run was scored with references in "
    "every language without labels (evaluation.references: source, or data without references)."
)


def choice_tables(results: Results) -> list[Table]:
    """All tables of choices that have rows."""
    return [
        table
        for table in (searches_table(results), checkpoints_table(results), translated_table(results))
        if table.rows
    ]


def searches_table(results: Results) -> Table:
    """One row per learning rate: its best checkpoint by target labels, and the criteria that would choose it."""
    columns = (
        Column("run", "Run", number=False),
        Column("learning_rate", "Learning rate", rate_text),
        Column("step", "Step"),
        Column("source", "Source language", _one_digit),
        Column("target", "Other languages", _one_digit),
        Column("rate", "Right language (%)", _one_digit),
        Column("chosen_by", "Chosen by", number=False),
        Column("regret", "Regret", number=False),
    )
    rows, names = [], labels(results.runs)
    for group in searches(results):
        choices = rate_choices(results, group)
        rows += [{"run": TableCell(names[run.name]), **_rate_row(results, run, choices)} for run in group]
    return Table("searches", "Learning rates", columns, tuple(rows))


def _rate_row(results: Results, run: Run, choices: list[Chosen]) -> dict[str, TableCell]:
    step = best_step(criteria.build(ORACLE), results, run).step
    chosen = [choice for choice in choices if run in choice.runs.values()]
    return {
        "learning_rate": TableCell(run.learning_rate),
        "step": TableCell(step),
        "source": TableCell(results.value(run, run.source_languages[0], run.main_metric, step)),
        "target": TableCell(worth(results, run, step)),
        "rate": TableCell(results.value(run, MEAN, LANGUAGE_RATE, step)),
        "chosen_by": TableCell("; ".join(NAMES[choice.criterion] for choice in chosen) or None),
        "regret": TableCell("; ".join("–" if c.regret is None else _one_digit(c.regret) for c in chosen) or None),
    }


def checkpoints_table(results: Results) -> Table:
    """One row per criterion and run: the main metric of the checkpoint chosen for each language.

    Like Tables 7 and 8 of Li and Murray (2023). Regret is relative to the choice by target labels on the same
    examples, so it is larger than with a separate development set.
    """
    several, names = several_checkpoints(results), labels(results.runs)
    codes = list(dict.fromkeys(code for run in several for code in results.languages([run])))
    found = [
        (names[run.name], run.main_metric, choice) for run in several for choice in checkpoint_choices(results, run)
    ]
    return chosen_table("checkpoints", "Choice of checkpoint", found, codes)


def chosen_table(name: str, title: str, found: Sequence[tuple[str, str | None, Chosen]], codes: Sequence[str]) -> Table:
    """One row per choice: the run or search, the metric, the score by language, the mean score and the regret."""
    columns = (
        Column("run", "Run", number=False),
        Column("metric", "Metric", metric_name, number=False),
        Column("criterion", "Chosen by", number=False),
        *(Column(code, code, _one_digit) for code in codes),
        Column("mean", "Mean", _one_digit),
        Column("regret", "Regret", _one_digit),
    )
    rows = [
        {
            "run": TableCell(run),
            "metric": TableCell(metric),
            "criterion": TableCell(NAMES[choice.criterion]),
            **{code: TableCell(choice.values.get(code)) for code in codes},
            "mean": TableCell(choice.mean),
            "regret": TableCell(choice.regret),
        }
        for run, metric, choice in found
    ]
    used = tuple(column for column in columns if any(row[column.key].value is not None for row in rows))
    return Table(name, title, used, tuple(rows))


def several_checkpoints(results: Results) -> list[Run]:
    """The runs with several evaluations to choose from and languages without labels."""
    return [
        run for run in results.runs if len({figure["step"] for figure in run.figures}) > 1 and unlabelled(results, run)
    ]


def _one_digit(value: float) -> str:
    return f"{value:.1f}"
