"""Tables of choices made on one half of the examples and scored on the other (Li and Murray 2023, Tables 7 and 8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xlgen.core.tables import Column, Table, TableCell
from xlgen.experiments.choices import CRITERIA, Chosen, searches
from xlgen.experiments.criteria import unlabelled
from xlgen.experiments.two_fold_selection import Halves, checkpoints_on_halves, halves, rates_on_halves
from xlgen.report.choices import NAMES, NO_REGRET, chosen_table
from xlgen.runs.rows import Results, mean
from xlgen.runs.runs import Run, labels


def halves_tables(results: Results) -> list[Table]:
    """A summary with one row per criterion, and tables of the single searches and runs.

    Raises InputError if there are no predictions.
    """
    both = halves(results)
    names = labels(results.runs)
    kept = {run.name for run in both[0].runs}
    several = [
        run
        for run in results.runs
        if run.name in kept and unlabelled(results, run) and len({figure["step"] for figure in run.figures}) > 1
    ]
    groups = [[run for run in group if run.name in kept] for group in searches(results)]
    rates = {
        f"{names[group[0].name]} and {len(group) - 1} more": rates_on_halves(both, [run.name for run in group])
        for group in groups
        if len(group) > 1
    }
    checkpoints = {names[run.name]: checkpoints_on_halves(both, run.name) for run in several}
    found = [
        summary_table({"rate": rates, "checkpoint": checkpoints}),
        _each("rates-on-halves", "Choice of learning rate, on halves", rates, both, results.runs),
        _each("checkpoints-on-halves", "Choice of checkpoint, on halves", checkpoints, both, results.runs),
    ]
    return [table for table in found if table.rows]


def summary_table(choices: Mapping[str, Mapping[str, Sequence[Chosen]]]) -> Table:
    """Regret of each criterion relative to target labels: number of cases, mean score, mean and largest regret."""
    columns = [Column("criterion", "Chosen by", number=False)]
    for kind in choices:
        columns += [
            Column(f"{kind}_cases", f"{kind.capitalize()}s", str),
            Column(f"{kind}_mean", "mean", _one_digit),
            Column(f"{kind}_regret", "mean regret", _one_digit),
            Column(f"{kind}_largest", "largest", _one_digit),
        ]
    rows = []
    for name in CRITERIA:
        row = {"criterion": TableCell(NAMES[name])}
        for kind, found in choices.items():
            chosen = [choice for each in found.values() for choice in each if choice.criterion == name]
            regrets = [choice.regret for choice in chosen if choice.regret is not None]
            row[f"{kind}_cases"] = TableCell(len(chosen) or None)
            row[f"{kind}_mean"] = TableCell(mean(choice.mean for choice in chosen))
            row[f"{kind}_regret"] = TableCell(mean(regrets))
            row[f"{kind}_largest"] = TableCell(max(regrets, default=None))
        if any(row[f"{kind}_cases"].value for kind in choices):
            rows.append(row)
    used = tuple(column for column in columns if any(row[column.key].value is not None for row in rows))
    return Table("choices-on-halves", "Regret of choices, on halves", used, tuple(rows))


def regret_note(tables: Sequence[Table]) -> str | None:
    """Explain why tables of choices lack regret; None if they have it."""
    keys = {column.key for column in tables[0].columns}
    missing = [kind for kind in ("rate", "checkpoint") if f"{kind}_cases" in keys and f"{kind}_regret" not in keys]
    if not missing:
        return None
    return f"{' and '.join(f'{kind}s' for kind in missing).capitalize()}: {NO_REGRET[0].lower()}{NO_REGRET[1:]}"


def _each(name: str, title: str, choices: Mapping[str, Sequence[Chosen]], both: Halves, runs: Sequence[Run]) -> Table:
    codes = list(dict.fromkeys(code for run in both[0].runs for code in unlabelled(both[0], run)))
    names = labels(runs)
    metrics = {names[run.name]: run.main_metric for run in runs}
    found = [(of, metrics.get(of.split(" and ")[0]), choice) for of, each in choices.items() for choice in each]
    return chosen_table(name, title, found, codes)


def _one_digit(value: float) -> str:
    return f"{value:.1f}"
