"""What every command shares: the application, where it prints, and how."""

from __future__ import annotations

import typer
from rich.console import Console

app = typer.Typer(
    name="xlgen",
    help="Zero-shot cross-lingual generation: labels in one language, output in the right language in all others.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
out = Console()
err = Console(stderr=True)


def plain(text: str) -> str:
    """Text that holds no markup."""
    return text.replace("[", r"\[")
