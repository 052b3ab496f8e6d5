"""The command line. Each command parses, calls one function and prints; progress goes to standard error."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated

import typer

from xlgen.core.version import VERSION

# Imported to register their commands, in the order of `xlgen --help`.
# isort: off
from xlgen.cli import quickstart  # noqa: F401
from xlgen.cli import study  # noqa: F401
from xlgen.cli import train  # noqa: F401
from xlgen.cli import report  # noqa: F401
from xlgen.cli import evaluate  # noqa: F401
from xlgen.cli import predict  # noqa: F401
from xlgen.cli import export  # noqa: F401
from xlgen.cli import score  # noqa: F401
from xlgen.cli import query  # noqa: F401
from xlgen.cli import tokenizer  # noqa: F401
from xlgen.cli import trim  # noqa: F401
from xlgen.cli import list as _list  # noqa: F401
from xlgen.cli import schema  # noqa: F401
from xlgen.cli import doctor  # noqa: F401
from xlgen.cli import analyze  # noqa: F401

# isort: on
from xlgen.cli.console import app, check_arguments, out, print_anything, say
from xlgen.core.errors import DEBUG, debugging, describe_error


def main() -> None:
    """Entry point. The exit code is 0 for success, 2 for invalid input, and 1 for any other failure."""
    try:
        print_anything()
        check_arguments(sys.argv[1:])
        app()
    except Exception as error:
        found = describe_error(error)
        if found is None:
            raise
        if debugging():
            traceback.print_exception(error)
        code, message = found
        say(message, "error:")
        sys.exit(code)


@app.callback(invoke_without_command=True)
def about(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", envvar=DEBUG, help="Print tracebacks of input errors too.")] = False,
) -> None:
    """Zero-shot cross-lingual generation."""
    if debug:  # for the processes that the command starts too
        os.environ[DEBUG] = "1"
    if version:
        out.print(VERSION, highlight=False)
        raise typer.Exit
