"""How commands that train print their results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from xlgen.cli.console import err, out, say, show

if TYPE_CHECKING:
    from xlgen.api.studies import Study


def print_report(folder: Path) -> None:
    """Write the report of a run or a study, and print its verdict and where it is."""
    from xlgen.report.build import build_report
    from xlgen.report.formats import to_terminal

    found = build_report(folder)
    unevaluated = "no run has been evaluated: the page shows only the analyses"
    show(unevaluated if found.verdict is None else to_terminal(found.verdict))
    for name, path in {"report": found.page, "summary": found.summary}.items():
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
    if done.generates:
        print_report(done.folder)
    else:
        out.print(f"runs     {done.folder / 'runs'}", highlight=False, soft_wrap=True)
