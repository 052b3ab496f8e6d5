"""The pages of the reference that are generated from the code: ``pages()`` returns their Markdown.

A new command, option, recipe key, plugin, metric or public function appears on its page without a change here.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

import typer

import xlgen
from xlgen.api.catalog import LISTS, Found, registries
from xlgen.cli import app
from xlgen.cli.dependent import dependencies_of
from xlgen.core.config import Recipe
from xlgen.core.field_docs import markdown
from xlgen.core.option_docs import Key, is_options, keys_of, nested, type_text, yaml_text
from xlgen.data.tasks import TaskConfig
from xlgen.experiments.plan import StudyConfig

SHIPPED = ("recipes", "tasks", "languages")
"""What ``xlgen list`` prints of files in the package."""
_OPTION = re.compile(r"--[a-z-]+(?: 0)?")
_OR_NULL = re.compile(",? or null$")
_LIST_COMMAND = re.compile(r"`{1,2}xlgen\s+list\s+(\w+)`{1,2}")


def pages() -> dict[str, str]:
    """The Markdown of each generated page by its path in the site."""
    found = {
        "reference/cli.md": cli_page(),
        "reference/recipe-keys.md": model_page(
            "Recipe keys",
            "A recipe is a YAML file, a shipped name (see [shipped recipes](shipped.md#recipes)) or, in Python, a "
            "mapping. A recipe with one stage may have the keys of the stage at the top level, as in "
            "`training.learning_rate=1e-4`. With several stages, `stages.1.training.learning_rate=1e-4` sets a key of "
            "the second one. Keys below are written as in a recipe with one stage.",
            Recipe,
            hidden="stages[].",
        ),
        "reference/task-keys.md": model_page(
            "Task keys",
            "A task is a YAML file that says where examples come from, how they become text, and how outputs are "
            "scored. [Read your data](../how-to/read-data.md) describes the readers.",
            TaskConfig,
        ),
        "reference/study-keys.md": model_page(
            "Study keys",
            "A study is a YAML file with a base recipe and the runs that change it. "
            "[Search the learning rate](../how-to/search.md) describes the search.",
            StudyConfig,
        ),
        "reference/plugins.md": plugins_page(),
        "reference/metrics.md": metrics_page(),
        "reference/shipped.md": shipped_page(),
        "reference/api.md": api_page(),
    }
    return {path: _linked(text) for path, text in found.items()}


def _linked(text: str) -> str:
    """``xlgen list KIND`` as a link to the section that has the list."""
    places = {**dict.fromkeys(SHIPPED, "shipped.md"), **dict.fromkeys(registries(), "plugins.md")}
    places["metrics"] = "metrics.md"

    def link(found: re.Match[str]) -> str:
        kind = found[1]
        at = "" if kind == "metrics" else f"#{kind}"
        return f"[`xlgen list {kind}`]({places[kind]}{at})" if kind in places else found[0]

    return _LIST_COMMAND.sub(link, text)


def _page(title: str, *parts: str) -> str:
    return "\n\n".join([f"# {title}", *(part for part in parts if part)]) + "\n"


def definition(term: str, meaning: str, anchor: str) -> str:
    """An entry of a definition list that can be linked to."""
    lines = (meaning or "\u00a0").splitlines()
    body = "\n".join(f"    {line}" if line.strip() else "" for line in lines)
    return f"{term} {{ #{anchor} }}\n:   {body.lstrip()}"


def key_entry(key: Key, anchor: str, section: str | None = None) -> str:
    """The entry of an option; ``section`` is the heading that its own keys are below."""
    default = "required" if key.default is None else f"default `{key.default}`"
    meaning = f"{key.meaning}\n\nKeys: [`{section}`](#{_anchor(section)})".strip() if section else key.meaning
    return definition(f"`{key.name}` <small>{key.type}; {default}</small>", meaning, f"{anchor}{key.name}")


def keys_list(kind: type, anchor: str, sections: Mapping[str, str] | None = None) -> str:
    """All options of a model or a dataclass; ``sections`` has the headings of the options that have keys."""
    return "\n\n".join(key_entry(key, anchor, (sections or {}).get(key.name)) for key in keys_of(kind))


def options_list(kind: type, anchor: str) -> str:
    """All options of a plugin. ``name`` is the heading above them."""
    return "\n\n".join(key_entry(key, anchor) for key in keys_of(kind) if key.name != "name")


def model_page(title: str, intro: str, model: type, hidden: str = "") -> str:
    """A page with every key of ``model`` and of the models inside it; ``hidden`` is left out of paths."""
    found = dict(nested(model))
    headings = {path: f"{path}.".removeprefix(hidden).rstrip(".") or path for path in found}
    parts = []
    for path, inner in found.items():
        parts += [f"## `{headings[path]}` {{ #{_anchor(headings[path])} }}"] if path else []
        at = f"{path}." if path else ""
        sections = {
            inside.removeprefix(at).removesuffix("[]"): headings[inside] for inside in found if inside.startswith(at)
        }
        parts += [markdown(inner.__doc__ or ""), keys_list(inner, f"{_anchor(f'key.{headings[path]}')}-", sections)]
    return _page(title, intro, *parts)


def _anchor(text: str) -> str:
    return re.sub(r"\W+", "-", text).strip("-")


def plugins_page() -> str:
    """Every plugin of every registry except metrics, with its options."""
    intro = (
        "Every plugin is one file. A recipe names it under `name`, next to its options: `penalty: {name: l2_sp, "
        "weight: 0.01}`. A name alone uses the defaults: `adaptation: adapters`. `xlgen list` prints the same lists."
    )
    parts = []
    for kind, found in sorted(registries().items()):
        if kind != "metrics":
            parts += [f"## {kind.capitalize()} {{ #{kind} }}", *_plugins(kind, found)]
    return _page("Plugins", intro, *parts)


def _plugins(kind: str, found: Found) -> Iterator[str]:
    for name in found.registry.names():
        plugin = found.registry.get(name)
        yield f"### `{name}` {{ #{kind}-{_anchor(name)} }}"
        yield markdown(plugin.__doc__ or "")
        options = getattr(plugin, "Options", None)
        if is_options(options):
            for path, inner in nested(options):
                yield f"Keys of `{path}`:" if path else ""
                yield options_list(inner, f"{kind}-{_anchor(name)}-{_anchor(path)}{'-' if path else ''}")


def metrics_page() -> str:
    """Every metric with its values and options."""
    intro = (
        "A task lists metrics, or single values of them, under `metrics`; options follow the name: `{name: rouge, "
        "use_stemmer: true}`. [Metrics and their definitions](../explanation/metrics.md) explains them."
    )
    registry = registries()["metrics"].registry
    parts = []
    for name in registry.names():
        metric = registry.get(name)
        values = [f"- `{value.name}`: {', '.join(_reading(value))}" for value in metric.figures]
        parts += [f"## `{name}` {{ #{_anchor(name)} }}", markdown(metric.__doc__ or "")]
        parts += ["Values:", "\n".join(values)] if values else []
        for path, inner in nested(metric):
            keys = keys_list(inner, f"{_anchor(name)}-{_anchor(path)}{'-' if path else ''}")
            parts += [f"Keys of `{path}`:" if path else "Options:", keys] if keys else []
    return _page("Metrics", intro, *parts)


def _reading(value: Any) -> Iterator[str]:
    """How to read a value of a metric."""
    yield value.unit
    directions = {True: "higher is better", False: "lower is better", None: "no direction is better"}
    yield directions[value.higher_is_better]
    if value.best is not None:
        yield f"{value.best:g} if the output equals the reference"


def shipped_page() -> str:
    """The recipes, tasks and languages in the package."""
    parts = []
    for kind in SHIPPED:
        lines = [f"- `{name}`: {about}" for name, about in LISTS[kind]()]
        parts += [f"## {kind.capitalize()} {{ #{kind} }}", "\n".join(lines)]
    return _page("Shipped recipes, tasks and languages", *parts)


def api_page() -> str:
    """Every public name, for mkdocstrings."""
    intro = "[Use from Python](../how-to/python.md) shows how the functions work together."
    return _page("Python API", intro, *(_public(name, found) for name, found in public_names()))


def public_names() -> Iterator[tuple[str, Any]]:
    """(name, object) of each public function and class, those of a public module as ``module.name``."""
    for name in xlgen.__all__:
        found = getattr(xlgen, name)
        if isinstance(found, ModuleType):
            yield from ((f"{name}.{inner}", getattr(found, inner)) for inner in found.__all__)
        elif not name.startswith("_"):
            yield name, found


def _public(name: str, found: Any) -> str:
    """A public name, from the module that defines it."""
    options = f"    options:\n      heading: xlgen.{name}\n      toc_label: {name}"
    return f"::: {found.__module__}.{found.__name__}\n{options}"


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """(name, command) of each command below ``command`` that is not hidden."""
    for each, inner in getattr(command, "commands", {}).items():
        if not inner.hidden:
            yield f"{name} {each}", inner
            yield from commands(inner, f"{name} {each}")


def cli_page() -> str:
    """Every command with its arguments and options."""
    group: Any = typer.main.get_command(app)
    intro = (
        "Results go to standard output, progress and messages to standard error. The exit code is 0 for success, 2 "
        "for invalid input, and 1 for any other failure."
    )
    parts = [_parameters(group, "xlgen")]
    for name, command in commands(group, "xlgen"):
        example = (command.epilog or "").removeprefix("Example: ")
        parts += [f"## `{name}`", markdown(command.help or "")]
        parts += [f"```sh\n{example}\n```"] if example else []
        parts += [_parameters(command, name), dependent_options(command)]
    return _page("Command line", intro, *parts)


def dependent_options(command: Any) -> str:
    """The options of a command that are refused in some combinations, as a list."""
    flags = {each.name: max(each.opts, key=len) for each in command.params}
    lines = []
    for dependency in dependencies_of(command.callback):
        why = _OPTION.sub(r"`\g<0>`", dependency.why.partition(":")[0])
        lines += [f"- `{flags[option]}` {why}" for option in dependency.options]
    return "\n".join(["Options without effect are errors:\n", *lines]) if lines else ""


def _parameters(command: Any, name: str) -> str:
    callback: Callable[..., Any] | None = command.callback
    hints = typing.get_type_hints(callback, include_extras=True) if callback else {}
    shown = [each for each in command.params if each.name in hints and not getattr(each, "hidden", False)]
    return "\n\n".join(_parameter(each, hints[each.name], _anchor(name)) for each in shown)


def _parameter(parameter: Any, annotation: Any, anchor: str) -> str:
    is_argument = not parameter.opts[0].startswith("-")
    names = [parameter.name.upper()] if is_argument else [*parameter.opts, *parameter.secondary_opts]
    about = list[str]()
    if not getattr(parameter, "is_flag", False):
        about.append(_OR_NULL.sub("", type_text(annotation)))
    if parameter.required:
        about.append("required")
    elif parameter.default is not None and parameter.default is not False:
        about.append(f"default `{yaml_text(parameter.default)}`")
    if parameter.envvar:
        about.append(f"environment variable `{parameter.envvar}`")
    if getattr(parameter, "multiple", False):
        about.append("may be repeated")
    term = " ".join(f"`{name}`" for name in names) + (f" <small>{'; '.join(about)}</small>" if about else "")
    return definition(term, markdown(parameter.help or ""), f"{anchor}-{parameter.name}")
