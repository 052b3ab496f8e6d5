"""What every command shares: the application, where it prints, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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


def yaml_option(text: str, flag: str) -> Any:
    """The value of an option that takes YAML: a file's, by its ending, or ``text`` itself. Raises RecipeError."""
    from xlgen.overrides import parse_yaml, read_yaml

    return read_yaml(Path(text)) if Path(text).suffix in (".yaml", ".yml") else parse_yaml(text, flag)
