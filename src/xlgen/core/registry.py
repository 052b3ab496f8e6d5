"""Named plugins. A folder finds its own files; nothing central lists them.

A plugin file has one registration line::

    @methods.register("adapters")
    class Adapters: ...

Two plugins of one name are an error; a wrong name is answered with the nearest right one.

An installed package may add plugins by entry points, in a group named after the list, such as ``xlgen.methods``. Each
entry point names a module that registers a plugin with the entry point's name::

    [project.entry-points."xlgen.methods"]
    scaled = "my_package.scaled"
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
from collections.abc import Callable, Iterable
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from rapidfuzz import process

T = TypeVar("T")

log = logging.getLogger(__name__)


class InputError(ValueError):
    """The input or the recipe of the user is invalid. The command line prints the message and exits with code 2."""


class UnknownNameError(InputError):
    """No plugin, language, task or key has this name."""


def nearest(name: str, choices: Iterable[str]) -> str:
    """A hint for an unknown ``name``: the most similar choice, and all choices if they are few."""
    choices = sorted(choices)
    if not choices:
        return "there are none"
    match = process.extractOne(name[:200], choices, processor=str.lower, score_cutoff=60)
    known = ", ".join(choices) if len(choices) <= 60 else ""
    if match:
        return f"did you mean {match[0]!r}?" + f" (all: {known})" * bool(known)
    return "no similar name" + f"; there are: {known}" * bool(known)


class RunEndedError(RuntimeError):
    """A run ended early for a known reason. The command line prints the message and exits with code 1."""


class Registry(Generic[T]):
    """The plugins of one kind, by name, found in the modules of one package and in entry points.

    Args:
        kind: What one plugin is called in messages, ``search policy``.
        package: The package whose modules register plugins.
        plural: The name of their list, ``policies``, and of the group of entry points, ``xlgen.policies``.
    """

    def __init__(self, kind: str, package: str, plural: str) -> None:
        self.kind = kind
        self.plural = plural
        self._package = package
        self._plugins: dict[str, T] = {}
        self._found = False

    def register(self, name: str) -> Callable[[T], T]:
        """Register the decorated class or function as ``name``. Raises ValueError if the name is taken."""

        def add(plugin: T) -> T:
            if name in self._plugins:
                raise ValueError(f"two plugins are called {self.kind} {name!r}: {self._plugins[name]!r} and {plugin!r}")
            self._plugins[name] = plugin
            return plugin

        return add

    def _find(self) -> None:
        if self._found:
            return
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self._package}.{module.name}")
        self._found = True
        for entry in entry_points(group=f"xlgen.{self.plural}"):
            owner = entry.dist.name if entry.dist else entry.value
            try:
                entry.load()
            except Exception as error:  # a broken package must not prevent the use of all others
                log.warning("the %s %r of the package %s cannot be loaded: %s", self.kind, entry.name, owner, error)
                continue
            if entry.name not in self._plugins:
                log.warning("the package %s registers no %s named %r", owner, self.kind, entry.name)

    def get(self, name: str) -> T:
        """The plugin called ``name``. Raises UnknownNameError with the nearest name."""
        self._find()
        if name not in self._plugins:
            raise UnknownNameError(f"unknown {self.kind} {name!r}: {nearest(name, self._plugins)}")
        return self._plugins[name]

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        self._find()
        return tuple(sorted(self._plugins))
