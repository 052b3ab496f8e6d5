"""``xlgen list``: plugins, metrics, recipes, tasks and languages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer
from rich.table import Column, Table
from rich.text import Text

from xlgen.cli.console import app, out, plain, show
from xlgen.cli.dependent import needs
from xlgen.core.json_types import JsonMapping


@app.command("list", epilog="Example: xlgen list methods adapters")
@needs("the kind `methods`", "backbone", holds=lambda values: values["kind"] == "methods" and values["name"] is None)
def list_(
    kind: Annotated[str | None, typer.Argument(help="What to list. Without it, print all kinds.")] = None,
    name: Annotated[str | None, typer.Argument(help="A plugin of this kind: print its options.")] = None,
    backbone: Annotated[
        str | None, typer.Option(help="With methods: print the number of parameters that each trains on this backbone.")
    ] = None,
) -> None:
    """List plugins, metrics, recipes, tasks or languages, or the options of one plugin."""
    from xlgen.api.catalog import catalog

    found = catalog(kind, name, backbone=backbone)
    if name is not None:
        out.print(Text(plain(found.description)), highlight=False, soft_wrap=True)
        _print_options(name, found)
    elif backbone is not None:
        _print_methods(found)
    else:
        width = max((len(plain(row["name"])) for row in found), default=0)
        for row in found:
            line = Text.assemble((f"{plain(row['name']):<{width}}", "bold"), "  ", plain(row["description"]))
            out.print(line, highlight=False, soft_wrap=True)


def _print_options(plugin: str, rows: Iterable[JsonMapping]) -> None:
    table = Table("option", "type", "default", "meaning")
    for row in rows:
        default = "required" if row["default"] is None else row["default"]
        table.add_row(*map(plain, (row["name"], row["type"], default, row["meaning"])))
    if table.row_count:
        show(table)
    else:
        out.print(f"{plain(plugin)} has no options", highlight=False)


def _print_methods(rows: Iterable[JsonMapping]) -> None:
    table = Table("method", Column("trained", justify="right"), Column("%", justify="right"), "what it is")
    for row in rows:
        numbers = ("-", "-") if row["trained"] is None else (f"{row['trained']:,}", f"{row['percent']:.2f}")
        table.add_row(row["name"], *numbers, plain(row["description"]))
    show(table)
