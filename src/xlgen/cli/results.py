"""Printing of the results of commands that train."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from xlgen.cli.console import err, out, say, show

if TYPE_CHECKING:
    from xlgen.api.studies import Study
    from xlgen.report.build import Report


def print_report(report: Report) -> None:
    """Print the verdict of a report and where its files are."""
    from xlgen.report.formats import to_terminal

    unevaluated = "no run has been evaluated: the page shows only the analyses"
    show(unevaluated if report.verdict is None else to_terminal(report.verdict))
    for name, path in {"report": report.page, "summary": report.summary}.items():
        if path is not None:
            out.print(f"{name:<8} {path}", highlight=False, soft_wrap=True)


def print_results(done: Study) -> None:
    """Print what failed and where the results are. Exits with 1 if a run failed."""
    from xlgen.experiments.execute import failures

    if done.left_out:
        err.print(f"no time for {len(done.left_out)} runs: {', '.join(done.left_out)}", highlight=False)
    for line in failures(dict(done.failed)):
        say(line, "failed:")
    if done.failed:
        raise typer.Exit(1)
    if done.report_files is not None:
        print_report(done.report_files)
    else:
        out.print(f"runs     {done.folder / 'runs'}", highlight=False, soft_wrap=True)
