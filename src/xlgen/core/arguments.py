"""Names of arguments in messages of functions that commands call too."""

from __future__ import annotations


def argument(name: str, option: str | None = None) -> str:
    """An argument by its name in Python and on the command line, ```max_examples` (--max-examples)``.

    ``option`` is the name on the command line, if it is another one.
    """
    return f"`{name}` (--{(option or name).replace('_', '-')})"
