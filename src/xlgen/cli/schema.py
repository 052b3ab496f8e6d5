"""``xlgen schema``: JSON schemas of recipes, studies and tasks."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from xlgen.cli.console import app


@app.command(epilog="Example: xlgen schema recipe")
def schema(
    kind: Annotated[str, typer.Argument(help="The kind of file: recipe, study or task.")] = "recipe",
) -> None:
    """Print the JSON schema of recipe, study or task files, for editors and validators.

    Redirect the output into a file, and name it in your editor's settings for YAML.
    """
    from xlgen.api.schemas import schema

    print(json.dumps(schema(kind), indent=1, ensure_ascii=False))  # type: ignore[arg-type]  # schema refuses other kinds
