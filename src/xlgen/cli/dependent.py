"""Options that have an effect only with, or only without, another option. In other combinations they are errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import typer
from typer.core import TyperCommand

from xlgen.cli.old_spellings import current
from xlgen.core.registry import InputError

Parameters: TypeAlias = Mapping[str, object]
"""Values of a command's parameters by name."""
F = TypeVar("F", bound=Callable[..., object])


@dataclass(frozen=True)
class Dependency:
    """Options of a command that have an effect only under a condition."""

    options: tuple[str, ...]
    """Names of parameters of the command."""
    holds: Callable[[Parameters], object]
    """Whether they have an effect, given the values of all parameters."""
    why: str
    """The message after the name of the option."""


def needs(other: str, *options: str, holds: Callable[[Parameters], object] | None = None) -> Callable[[F], F]:
    """Decorate a command whose ``options`` have an effect only with ``other``, such as ``--auto``.

    ``holds`` tests whether ``other`` is given; by default, whether its value is true.
    """
    name = other.removeprefix("--").replace("-", "_")
    return _add(Dependency(options, holds or (lambda values: values[name]), f"has no effect without {other}"))


def excludes(
    other: str, *options: str, why: str = "", holds: Callable[[Parameters], object] | None = None
) -> Callable[[F], F]:
    """Decorate a command whose ``options`` have no effect with ``other``; ``why`` is added to the message.

    ``holds`` tests whether ``other`` is given; by default, whether its value is true.
    """
    name = other.removeprefix("--").replace("-", "_")
    given = holds or (lambda values: values[name])
    reason = f"has no effect with {other}{f', which {why}' if why else ''}: leave one of them out"
    return _add(Dependency(options, lambda values: not given(values), reason))


def dependencies_of(function: Callable[..., object] | None) -> tuple[Dependency, ...]:
    """The dependencies that a command's function was decorated with, in the order of the decorators."""
    return getattr(function, "dependencies", ())


def _add(found: Dependency) -> Callable[[F], F]:
    def add(function: F) -> F:
        function.dependencies = (found, *dependencies_of(function))  # type: ignore[attr-defined]  # read by dependencies_of
        return function

    return add


class _Command(TyperCommand):
    """A command that accepts old names of options, and refuses options without effect."""

    def parse_args(  # type: ignore[override]  # typer passes its own class of contexts
        self, ctx: typer.Context, args: list[str]
    ) -> list[str]:
        """Parse ``args``, in which options may have old names."""
        found, notes = current(args, {name for parameter in self.params for name in parameter.opts})
        for note in notes:
            typer.echo(f"note: {note}", err=True)
        return super().parse_args(ctx, found)

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]  # as above
        """Check the options, then run the command. Raises InputError."""
        check_options(ctx)
        return super().invoke(ctx)


def check_options(ctx: typer.Context) -> None:
    """Raise InputError if an option of the parsed command ``ctx`` has no effect in combination with the others."""
    flags = {parameter.name: max(parameter.opts, key=len) for parameter in ctx.command.params}
    for found in dependencies_of(ctx.command.callback):
        for option in found.options:
            if _is_given(ctx, option) and not found.holds(ctx.params):
                raise InputError(f"{flags[option]} {found.why}")


def _is_given(ctx: typer.Context, option: str) -> bool:
    """Whether the option is on the command line, even with its default value. A flag that is off does not count."""
    source = ctx.get_parameter_source(option)
    return source is not None and "DEFAULT" not in source.name and ctx.params[option] is not False


class Commands(typer.Typer):
    """An application or a group whose commands check their dependent options."""

    def command(self, name: str | None = None, **settings: Any) -> Callable[[F], F]:
        """Register a command, as ``typer.Typer.command`` does."""
        return super().command(name, **{"cls": _Command, **settings})
