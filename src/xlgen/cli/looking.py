"""Commands that say what there is: list, doctor."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Column, Table
from rich.text import Text

from xlgen.cli.console import app, out, plain, show
from xlgen.cli.dependent import needs
from xlgen.core.registry import InputError


@app.command("list", epilog="Example: xlgen list methods --backbone pocket-mt5")
@needs("the kind `methods`", "backbone", holds=lambda values: values["kind"] == "methods")
def list_(
    kind: Annotated[str | None, typer.Argument(help="What to list; without it, the kinds that there are.")] = None,
    backbone: Annotated[
        str | None, typer.Option(help="With methods: how many parameters each trains on this backbone.")
    ] = None,
) -> None:
    """What there is, one line each."""
    from xlgen.cli.listing import LISTS, kinds, methods_on
    from xlgen.core.registry import nearest

    if kind is not None and kind not in LISTS:
        raise InputError(f"nothing is called {kind!r}: {nearest(kind, LISTS)}")
    if backbone is not None:
        table = Table("method", Column("trained", justify="right"), Column("%", justify="right"), "what it is")
        for name, count, share, description in methods_on(backbone):
            numbers = ("-", "-") if count is None or share is None else (f"{count:,}", f"{share:.2f}")
            table.add_row(name, *numbers, plain(description))
        show(table)
        return
    for name, description in LISTS[kind]() if kind else kinds():
        line = Text.assemble((f"{plain(name):<22}", "bold"), " ", plain(description))
        out.print(line, highlight=False, soft_wrap=True)


@app.command(epilog="Example: xlgen doctor")
def doctor() -> None:
    """Versions, device, memory, optional parts present or not, and how to get them."""
    from xlgen.cli.doctor import machine_facts

    table = Table("what", "found", "note")
    for row in machine_facts():
        table.add_row(*row)
    show(table)
