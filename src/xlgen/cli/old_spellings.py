"""Renamed options. Their old names still work, with a note on standard error."""

from __future__ import annotations

from collections.abc import Collection, Sequence

RENAMED = {
    "--beams": "--num-beams",
    "--examples": "--max-examples",
    "--limit": "--max-examples",
    "--pieces": "--vocab-size",
    "--sentences": "--max-examples",
}


def current(arguments: Sequence[str], options: Collection[str]) -> tuple[list[str], list[str]]:
    """Replace old names in the arguments of a command with ``options``; also return a note for each of them."""
    found: list[str] = []
    notes: list[str] = []
    for place, argument in enumerate(arguments):
        if argument == "--":
            found.extend(arguments[place:])
            break
        name, equals, value = argument.partition("=")
        new = RENAMED.get(name)
        if new is not None and name not in options and new in options:
            notes.append(f"{name} is now called {new}")
            argument = f"{new}{equals}{value}"
        found.append(argument)
    return found, notes
