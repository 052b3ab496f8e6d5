"""``xlgen doctor``: versions and hardware of this machine."""

from __future__ import annotations

from rich.table import Table

from xlgen.cli.console import app, show


@app.command(epilog="Example: xlgen doctor")
def doctor() -> None:
    """Print versions, device, memory, and which optional dependencies are installed."""
    from xlgen.core.machine_facts import machine_facts

    table = Table("what", "found", "note")
    for row in machine_facts():
        table.add_row(*row)
    show(table)
