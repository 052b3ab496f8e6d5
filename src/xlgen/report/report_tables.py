"""The tables of a report, each computed once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from xlgen.core.tables import Table
from xlgen.report.choices import choice_tables
from xlgen.report.faults import faults_table
from xlgen.report.published_comparison import comparison_table, protocol_table
from xlgen.report.summary import methods_table, regret_table
from xlgen.report.tables import languages_table, runs_table, verdict_table
from xlgen.runs.rows import Results


@dataclass(frozen=True)
class ReportTables:
    """The tables of some results. Each is computed when it is first used, and kept."""

    results: Results

    @cached_property
    def runs(self) -> Table:
        """The runs, how long they took, and what happened to their data."""
        return runs_table(self.results)

    @cached_property
    def verdict(self) -> Table:
        """One row per run: scores in languages with and without labels, and correct-language rates."""
        return verdict_table(self.results)

    @cached_property
    def languages(self) -> Table:
        """The scores of each run's last evaluation by language."""
        return languages_table(self.results)

    @cached_property
    def methods(self) -> Table:
        """One row per setting, at the rates that target labels choose."""
        return methods_table(self.results)

    @cached_property
    def regret(self) -> Table:
        """One row per criterion of selection."""
        return regret_table(self.results)

    @cached_property
    def faults(self) -> Table:
        """The fault rates of each run's last evaluation, by language."""
        return faults_table(self.results)

    @cached_property
    def choices(self) -> list[Table]:
        """Choices of learning rates and checkpoints, and translated outputs; no empty tables."""
        return choice_tables(self.results)

    @cached_property
    def published(self) -> Table:
        """Our scores next to the published ones."""
        return comparison_table(self.results)

    @cached_property
    def protocol(self) -> Table:
        """What differs from the published protocols."""
        return protocol_table(self.results)

    def for_files(self) -> list[Table]:
        """All tables, without empty summaries."""
        summaries = (self.methods, self.regret, self.faults)
        published = (self.published, self.protocol)
        return [
            *(self.runs, self.verdict, self.languages),
            *(table for table in summaries if table.rows),
            *self.choices,
            *(table for table in published if table.rows),
        ]

    def by_task(self) -> list[ReportTables]:
        """The tables of the evaluated runs on each task; these same tables if all runs are on one task."""
        groups = self.results.by_task()
        if len(groups) == 1 and groups[0].runs == self.results.runs:
            return [self]
        return [ReportTables(group) for group in groups]
