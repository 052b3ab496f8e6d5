"""Metrics by name with options of their own, as task files, the command line and Python give them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias, get_type_hints

from pydantic import TypeAdapter, ValidationError

from xlgen.core.registry import InputError, UnknownNameError, nearest
from xlgen.metrics.base import Metric, NamingMetric, metrics
from xlgen.metrics.bounds import check_bounds
from xlgen.metrics.lid import load_identifier

MetricChoice: TypeAlias = str | Mapping[str, Any] | Metric
"""``rougeL``, ``{"name": "rouge", "use_stemmer": True}`` or ``Rouge(use_stemmer=True)``."""

MetricOptions: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Options by the name of a metric or a figure: ``{"rouge": {"use_stemmer": True}}``."""

NAME = "name"
# The option that names a language identifier. In Python it may be one itself, which no file can hold.
_IDENTIFIER = "identifier"
FILES = (_IDENTIFIER, "tokenizer", "model", "words")
"""Options that may name a file or a folder."""


def build_metric(name: str, options: Mapping[str, Any], identifier: str | None = None) -> Metric:
    """The metric called ``name`` with ``options``, and with ``identifier`` where it has one and they name none.

    Raises:
        UnknownNameError: for a name or an option that does not exist.
        InputError: for a value that the option cannot take.
    """
    kind: Any = metrics.get(name)
    values = _values(kind, options, f"metric {name}")
    if identifier is not None and _IDENTIFIER in _types(kind):
        values = {_IDENTIFIER: identifier, **values}
    metric: Metric = kind(**values)
    check_bounds(metric, f"metric {name}")
    return metric


def owner_of(name: str) -> str:
    """The metric that ``name`` is of: the name of a metric, or of one of its figures. Raises UnknownNameError."""
    owners = _owners()
    owner = owners.get(name) or next((plugin for plugin, kind in _naming() if kind.options_of(name) is not None), None)
    if owner is None:
        raise UnknownNameError(f"unknown metric {name!r}: {nearest(name, owners)}")
    return owner


def implied_options(name: str) -> Mapping[str, Any]:
    """The options that the name of a score implies: ``{"languages": ("de",)}`` of ``lid_confidence_de``."""
    found = (kind.options_of(name) for _, kind in _naming())
    return next((options for options in found if options is not None), {})


def options_of(name: str) -> tuple[str, ...]:
    """The options of the metric called ``name``. Raises UnknownNameError."""
    return tuple(_types(metrics.get(name)))


def parse_spec(spec: str | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The name in ``spec``, and its options. Raises InputError for a mapping without a name."""
    if isinstance(spec, str):
        return spec, {}
    options = dict(spec)
    name = options.pop(NAME, None)
    if not isinstance(name, str):
        raise InputError(f"a metric with options needs a name: {{name: rouge, use_stemmer: true}}, not {dict(spec)!r}")
    return name, options


def with_options(metrics: Iterable[MetricChoice], options: MetricOptions) -> list[MetricChoice]:
    """``metrics``, of which those that are given by name have ``options`` too, which go over their own.

    Raises InputError for options of a metric that is not among them.
    """
    found, unused = list[MetricChoice](), {owner_of(name): name for name in options}
    of_metric: dict[str, dict[str, Any]] = {}
    for name, values in options.items():
        of_metric.setdefault(owner_of(name), {}).update(values)
    for spec in metrics:
        if isinstance(spec, str | Mapping):
            name, own = parse_spec(spec)
            unused.pop(owner_of(name), None)
            spec = {NAME: name, **own, **of_metric.get(owner_of(name), {})}
        found.append(spec)
    if unused:
        raise InputError(f"options are given of {', '.join(unused.values())}, which is not among the metrics")
    return found


def only_figures(metrics: Iterable[MetricChoice], names: Iterable[str]) -> list[MetricChoice]:
    """The figures called ``names``, with the options that ``metrics`` have for them."""
    with_own = [spec for spec in metrics if isinstance(spec, Mapping)]
    found: list[MetricChoice] = []
    for name in names:
        spec = next((each for each in with_own if parse_spec(each)[0] in (name, owner_of(name))), {})
        found.append({**spec, NAME: name})
    return found


def _naming() -> list[tuple[str, type[NamingMetric]]]:
    """The metrics whose scores' names say their options."""
    kinds = [(name, metrics.get(name)) for name in metrics.names()]
    return [(name, kind) for name, kind in kinds if issubclass(kind, NamingMetric)]


@cache
def _owners() -> dict[str, str]:
    figures = {figure.name: name for name in metrics.names() for figure in metrics.get(name).figures}
    return {**figures, **{name: name for name in metrics.names()}}


@cache
def _types(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    found = {field.name: hints[field.name] for field in dataclasses.fields(kind)}
    return found | ({_IDENTIFIER: str} if _IDENTIFIER in found else {})


def _values(kind: Any, options: Mapping[str, Any], where: str) -> dict[str, Any]:
    types, found = _types(kind), {}
    for name, value in options.items():
        if name not in types:
            known = nearest(str(name), types) if types else "it has none"
            raise UnknownNameError(f"{where} has no option {name!r}: {known}")
        if dataclasses.is_dataclass(types[name]) and isinstance(value, Mapping):
            found[name] = types[name](**_values(types[name], value, f"{where}: {name}"))
            continue
        try:
            found[name] = TypeAdapter(types[name]).validate_python(value)
        except ValidationError as error:
            raise InputError(f"{where}: {name}: {error.errors()[0]['msg']}, not {value!r}") from None
    return found


def located(name: str, folder: Path) -> str:
    """The path of the file or folder ``name`` within ``folder``, where it is there and not here; else ``name``."""
    inside = folder / name
    return str(inside) if name and inside.exists() and not Path(name).expanduser().exists() else name


def check_identifier(name: str) -> None:
    """Find a language identifier that cannot be loaded before it is needed. Raises InputError."""
    try:
        load_identifier(name)
    except InputError as error:
        raise InputError(
            f"{error}. A file is looked for in the current folder and in data_dir; another identifier is "
            "evaluation.lid=NAME"
        ) from None
