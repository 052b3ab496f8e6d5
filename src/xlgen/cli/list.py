"""``xlgen list``: what there is."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Column, Table
from rich.text import Text

from xlgen.cli.console import app, out, plain, show
from xlgen.cli.dependent import needs
from xlgen.core.field_docs import plain_text
from xlgen.core.registry import InputError


@app.command("list", epilog="Example: xlgen list methods adapters")
@needs("the kind `methods`", "backbone", holds=lambda values: values["kind"] == "methods" and values["name"] is None)
def list_(
    kind: Annotated[str | None, typer.Argument(help="What to list. Without it, print all kinds.")] = None,
    name: Annotated[str | None, typer.Argument(help="A plugin of this kind: print its options.")] = None,
    backbone: Annotated[
        str | None, typer.Option(help="With methods: print the number of parameters that each trains on this backbone.")
    ] = None,
) -> None:
    """List methods, metrics, recipes and all else by kind, or the options of one plugin."""
    from xlgen.cli.listing import LISTS, kinds, methods_on, options
    from xlgen.core.registry import nearest

    if kind is not None and kind not in LISTS:
        raise InputError(f"nothing is called {kind!r}: {nearest(kind, LISTS)}")
    if kind is not None and name is not None:
        description, found = options(kind, name)
        out.print(Text(plain(description)), highlight=False, soft_wrap=True)
        if found:
            table = Table("option", "type", "default", "meaning")
            for option in found:
                default = "required" if option.default is None else option.default
                texts = option.name, plain_text(option.type), default, plain_text(option.meaning)
                table.add_row(*map(plain, texts))
            show(table)
        else:
            out.print(f"{plain(name)} has no options", highlight=False)
        return
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
