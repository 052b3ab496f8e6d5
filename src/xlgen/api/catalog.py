"""Lists of plugins, metrics, recipes, tasks and languages, with the first paragraph of their documentation.

Kinds of plugins are found in the source, so that a new registry is listed without a line here, and listing languages
does not import PyTorch.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import pairwise, takewhile
from pathlib import Path
from typing import TypeVar

from xlgen.api.rows import Rows
from xlgen.core.extras import missing_extra, require
from xlgen.core.field_docs import plain_text
from xlgen.core.json_types import JsonMapping
from xlgen.core.option_docs import Key, is_options, keys_of
from xlgen.core.registry import InputError, Registry, nearest
from xlgen.core.shipped import is_study, shipped, shipped_recipes

_PluginT = TypeVar("_PluginT")


@dataclass(frozen=True)
class Found:
    """A registry in the source."""

    kind: str
    """What one plugin is called, ``search policy``."""
    module: str
    variable: str
    description: str
    """The docstring of the registry."""

    @property
    def registry(self) -> Registry[object]:
        """The registry itself; this imports its module."""
        try:
            found: Registry[object] = getattr(import_module(self.module), self.variable)
        except ModuleNotFoundError as error:
            raise missing_extra(error) or error from None
        return found

    def __call__(self) -> Iterator[tuple[str, str]]:
        """(name, description) of each plugin."""
        return _plugins(self.registry)


_REGISTRIES = ("Registry", "PluginRegistry")


@cache
def registries(root: Path = Path(__file__).parents[1], package: str = "xlgen") -> dict[str, Found]:
    """Every registry that a module of ``package``, whose files are in ``root``, defines, by the name of its list."""
    found = {}
    for file in sorted(root.rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        if "Registry(" not in text:
            continue
        module = ".".join((package, *file.relative_to(root).with_suffix("").parts)).removesuffix(".__init__")
        nodes = ast.parse(text).body
        for node, after in pairwise([*nodes, ast.Pass()]):
            value = node.value if isinstance(node, ast.AnnAssign) else None
            if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in _REGISTRIES:
                assert isinstance(node, ast.AnnAssign)
                kind, plural = ast.literal_eval(value.args[0]), ast.literal_eval(value.args[2])
                found[plural] = Found(kind, module, ast.unparse(node.target), _docstring(after, module))
    return found


def _docstring(node: ast.stmt, module: str) -> str:
    """The first paragraph of a docstring of a variable, ``node`` being what comes after the variable."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return plain_text(node.value.value.split("\n\n")[0])
    raise ValueError(f"a registry in {module} has no docstring; `xlgen list` prints it")


class Listing(Rows):
    """What :func:`catalog` lists, one dictionary each."""

    def __init__(self, rows: Iterable[JsonMapping] = (), description: str = "") -> None:
        super().__init__(rows)
        self.description = description
        """The description of the plugin, if its options were listed."""


def catalog(kind: str | None = None, name: str | None = None, *, backbone: str | None = None) -> Listing:
    """List plugins, metrics, recipes, tasks or languages, or the options of one plugin.

    Args:
        kind: What to list. If None, list all kinds.
        name: A plugin of this kind: list its options, with ``name, type, default, meaning``.
        backbone: With ``methods``: add ``trained``, the number of parameters that each method trains on this backbone,
            and ``percent``, their percentage of the pretrained parameters. Both are None if a method does not work on
            the backbone.

    Returns:
        Rows with ``name`` and ``description``.

    Raises:
        InputError: for an unknown kind or name.
    """
    if kind is not None and kind not in LISTS:
        raise InputError(f"nothing is called {kind!r}: {nearest(kind, LISTS)}")
    if kind is not None and name is not None:
        description, found = options(kind, name)
        return Listing(
            (
                {
                    "name": option.name,
                    "type": plain_text(option.type),
                    "default": option.default,
                    "meaning": plain_text(option.meaning),
                }
                for option in found
            ),
            description,
        )
    if backbone is not None:
        keys = ("name", "trained", "percent", "description")
        return Listing(dict(zip(keys, method, strict=True)) for method in methods_on(backbone))
    listed = LISTS[kind]() if kind else kinds()
    return Listing({"name": each, "description": description} for each, description in listed)


def options(kind: str, name: str) -> tuple[str, list[Key]]:
    """The description and the options of a plugin. Raises InputError for a wrong name, or a kind without plugins."""
    found = registries().get(kind)
    if found is None:
        raise InputError(f"{kind} have no options; omit {name!r}")
    plugin = found.registry.get(name)
    return plain_text((plugin.__doc__ or "").split("\n\n")[0]), options_of(plugin)


def options_of(plugin: object) -> list[Key]:
    """The options of a plugin: the fields of its ``Options``, or of the plugin itself if it is a metric."""
    kind = getattr(plugin, "Options", plugin)
    if not isinstance(kind, type) or not is_options(kind):
        return []
    return [key for key in keys_of(kind) if key.name != "name"]


def _plugins(registry: Registry[_PluginT]) -> Iterator[tuple[str, str]]:
    for name in registry.names():
        yield name, plain_text((registry.get(name).__doc__ or "").strip().split("\n\n")[0])


def _purpose(path: Path) -> str:
    """The first sentence of the comment at the start of a YAML file, which says what the file is for."""
    lines = takewhile(lambda line: line.startswith("#"), path.read_text(encoding="utf-8").splitlines())
    return first_sentence(" ".join(line.lstrip("# ") for line in lines))


_ABBREVIATIONS = ("al.", "e.g.", "i.e.", "cf.", "vs.", "etc.", "approx.", "Fig.", "App.", "No.", "pp.")


def first_sentence(text: str) -> str:
    """The text up to the end of its first sentence, which is not a full stop in parentheses or after "et al."."""
    for found in re.finditer(r"[.?!](?=\s|$)", text):
        sentence = text[: found.end()]
        inside = sentence.count("(") > sentence.count(")") or sentence.count("[") > sentence.count("]")
        if not inside and not sentence.endswith(_ABBREVIATIONS):
            return sentence
    return text


def backbones() -> Iterator[tuple[str, str]]:
    """Embedded backbones, and the families of backbones in a folder or on the Hugging Face Hub."""
    require("train", "listing backbones")
    from xlgen.backbones.base import families
    from xlgen.backbones.finding import embedded

    for name, path in embedded().items():
        ready = (path / "model.safetensors").exists()
        yield name, f"embedded, {path}" if ready else f"tokenizer and config only; `xlgen train {name}` pretrains it"
    for name, description in _plugins(families):
        yield f"family {name}", description


def methods_on(backbone: str) -> Iterator[tuple[str, int | None, float | None, str]]:
    """(name, trained parameters, their percentage of the pretrained ones, description) of each method on ``backbone``.

    With each method's default options. No weights are read. If a method does not work, its description says why.
    Raises BackboneError.
    """
    require("train", "counting parameters")
    from xlgen.adaptation.base import methods, trainable_parameters
    from xlgen.backbones.base import BackboneError
    from xlgen.backbones.loading import outline

    for name, description in _plugins(methods):
        model = outline(backbone)
        whole = sum(p.numel() for p in model.model.parameters())
        try:
            methods.build({"method": name}).prepare(model)
        except BackboneError as error:
            yield name, None, None, f"not on {backbone}: {error}"
            continue
        count = trainable_parameters(model.model)
        yield name, count, 100 * count / whole, description


def readers() -> Iterator[tuple[str, str]]:
    """Readers of data, with their options."""
    from xlgen.data.readers import readers as registry

    for name, description in _plugins(registry):
        yield name, f"{description} Options: {', '.join(option.name for option in options_of(registry.get(name)))}"


def metrics() -> Iterator[tuple[str, str]]:
    """Metrics, with the values and options of each."""
    from xlgen.metrics.base import metrics
    from xlgen.metrics.options import options_of

    for name, description in _plugins(metrics):
        values = ", ".join(value.name for value in metrics.get(name).figures)
        options = f" Options: {', '.join(options_of(name))}" if options_of(name) else ""
        yield name, f"{description} Values: {values}.{options}"


def languages() -> Iterator[tuple[str, str]]:
    """The table of languages."""
    from xlgen.core.languages import all_languages

    for language in all_languages():
        codes = ", ".join(filter(None, (language.mbart, language.flores)))
        yield language.code, f"{language.name}, {language.script}, {language.direction}; {codes or 'no codes'}"


def tasks() -> Iterable[tuple[str, str]]:
    """Shipped tasks."""
    return [(name, _purpose(path)) for name, path in shipped("tasks").items()]


def recipes() -> Iterable[tuple[str, str]]:
    """Shipped recipes, for `xlgen train`, and studies, for `xlgen study`."""
    return [(name, ("(study) " if is_study(path) else "") + _purpose(path)) for name, path in shipped_recipes().items()]


def published() -> Iterator[tuple[str, str]]:
    """Published numbers, one line per table of the papers."""
    from xlgen.experiments.published import load_papers

    for paper in load_papers():
        for table in paper.tables:
            count = len(table.cells)
            yield f"{paper.short}, {table.where}", f"{table.title}; {count} number{'' if count == 1 else 's'}"


LISTS: dict[str, Callable[[], Iterable[tuple[str, str]]]] = {
    **registries(),
    "readers": readers,
    "metrics": metrics,
    "backbones": backbones,
    "tasks": tasks,
    "languages": languages,
    "recipes": recipes,
    "published": published,
}
"""Functions that list each kind: every registry, some with more than names and descriptions, and files."""


def kinds() -> Iterator[tuple[str, str]]:
    """(name, description) of everything that can be listed."""
    for name, listing in sorted(LISTS.items()):
        yield name, listing.description if isinstance(listing, Found) else str(listing.__doc__).splitlines()[0]
