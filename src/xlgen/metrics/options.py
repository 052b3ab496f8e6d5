"""Construction of metrics from names and options, as given in task files, on the command line or in Python."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TypeAlias, get_type_hints

from pydantic import TypeAdapter, ValidationError

from xlgen.core.field_docs import field_docs, plain_text
from xlgen.core.json_types import JsonMapping, JsonObject
from xlgen.core.registry import InputError, UnknownNameError, nearest
from xlgen.metrics.base import Metric, NamingMetric, metrics
from xlgen.metrics.bounds import check_bounds
from xlgen.metrics.lid import load_identifier

MetricChoice: TypeAlias = str | JsonMapping | Metric
"""``rougeL``, ``{"name": "rouge", "use_stemmer": True}`` or ``Rouge(use_stemmer=True)``."""

MetricOptions: TypeAlias = Mapping[str, JsonMapping]
"""Options by the name of a metric or of one of its values: ``{"rouge": {"use_stemmer": True}}``."""

NAME = "name"
# The option that names a language identifier. In Python, it may also be an identifier object.
_IDENTIFIER = "identifier"
FILES = (_IDENTIFIER, "tokenizer", "model", "words")
"""Options that may name a file or a folder."""


def build_metric(name: str, options: JsonMapping, identifier: str | None = None) -> Metric:
    """The metric called ``name`` with ``options``. ``identifier`` is the default of its option ``identifier``, if any.

    Raises:
        UnknownNameError: for an unknown name or option.
        InputError: for an invalid value of an option.
    """
    kind = metrics.get(name)
    values = _values(kind, options, f"metric {name}")
    if identifier is not None and _IDENTIFIER in _types(kind):
        values = {_IDENTIFIER: identifier, **values}
    make: Callable[..., Metric] = kind
    metric = make(**values)
    check_bounds(metric, f"metric {name}")
    return metric


def owner_of(name: str) -> str:
    """The metric that ``name`` belongs to: the name of a metric or of one of its values. Raises UnknownNameError."""
    owners = _owners()
    owner = owners.get(name) or next((plugin for plugin, kind in _naming() if kind.options_of(name) is not None), None)
    if owner is None:
        raise UnknownNameError(f"unknown metric {name!r}: {nearest(name, owners)}")
    return owner


def implied_options(name: str) -> JsonMapping:
    """The options that the name of a score implies: ``{"languages": ("de",)}`` for ``lid_confidence_de``."""
    found = (kind.options_of(name) for _, kind in _naming())
    return next((options for options in found if options is not None), {})


def options_of(name: str) -> tuple[str, ...]:
    """The options of the metric called ``name``. Raises UnknownNameError."""
    return tuple(_types(metrics.get(name)))


def metric_names() -> tuple[str, ...]:
    """The names of all metrics and of their values."""
    return tuple(_owners())


def metric_schemas() -> Iterator[JsonObject]:
    """The JSON schema of ``{name: rouge, use_stemmer: true}`` for each metric with options."""
    for metric in metrics.names():
        kind, docs = metrics.get(metric), field_docs(metrics.get(metric))
        options = {
            name: {"description": plain_text(docs.get(name, ""))} | _schema(each) for name, each in _types(kind).items()
        }
        names = [name for name, owner in _owners().items() if owner == metric]
        if options:
            properties = {"name": {"enum": names}, **options}
            yield {"type": "object", "properties": properties, "required": ["name"], "additionalProperties": False}


def _schema(option: type) -> JsonObject:
    if isinstance(option, type) and dataclasses.is_dataclass(option):
        return {"type": "object", "properties": {name: _schema(each) for name, each in _types(option).items()}}
    return TypeAdapter(option).json_schema()


def parse_spec(spec: str | JsonMapping) -> tuple[str, JsonObject]:
    """The name in ``spec``, and its options. Raises InputError for a mapping without a name."""
    if isinstance(spec, str):
        return spec, {}
    options = dict(spec)
    name = options.pop(NAME, None)
    if not isinstance(name, str):
        raise InputError(f"a metric with options needs a name: {{name: rouge, use_stemmer: true}}, not {dict(spec)!r}")
    return name, options


def with_options(metrics: Iterable[MetricChoice], options: MetricOptions) -> list[MetricChoice]:
    """``metrics`` with ``options`` added to those given by name; ``options`` override their own.

    Raises InputError for options of a metric that is not in ``metrics``.
    """
    found, unused = list[MetricChoice](), {owner_of(name): name for name in options}
    of_metric: dict[str, JsonObject] = {}
    for name, values in options.items():
        of_metric.setdefault(owner_of(name), {}).update(values)
    for spec in metrics:
        if isinstance(spec, str | Mapping):
            name, own = parse_spec(spec)
            unused.pop(owner_of(name), None)
            spec = {NAME: name, **own, **of_metric.get(owner_of(name), {})}
        found.append(spec)
    if unused:
        raise InputError(f"options are given for {', '.join(unused.values())}, which is not among the metrics")
    return found


def only_figures(metrics: Iterable[MetricChoice], names: Iterable[str]) -> list[MetricChoice]:
    """The values called ``names``, with their options in ``metrics``."""
    with_own = [spec for spec in metrics if isinstance(spec, Mapping)]
    found: list[MetricChoice] = []
    for name in names:
        spec = next((each for each in with_own if parse_spec(each)[0] in (name, owner_of(name))), {})
        found.append({**spec, NAME: name})
    return found


def _naming() -> list[tuple[str, type[NamingMetric]]]:
    """The metrics whose options are part of their scores' names."""
    kinds = [(name, metrics.get(name)) for name in metrics.names()]
    return [(name, kind) for name, kind in kinds if issubclass(kind, NamingMetric)]


@cache
def _owners() -> dict[str, str]:
    figures = {figure.name: name for name in metrics.names() for figure in metrics.get(name).figures}
    return {**figures, **{name: name for name in metrics.names()}}


@cache
def _types(kind: type) -> dict[str, type]:
    hints = get_type_hints(kind)
    found = {field.name: hints[field.name] for field in dataclasses.fields(kind)}
    return found | ({_IDENTIFIER: str} if _IDENTIFIER in found else {})


def _values(kind: type, options: JsonMapping, where: str) -> dict[str, object]:
    types, found = _types(kind), dict[str, object]()
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
    """The path of ``name`` in ``folder`` if it exists there and not in the current folder; else ``name``."""
    inside = folder / name
    return str(inside) if name and inside.exists() and not Path(name).expanduser().exists() else name


def check_identifier(name: str) -> None:
    """Raise InputError if a language identifier cannot be loaded."""
    try:
        load_identifier(name)
    except InputError as error:
        raise InputError(
            f"{error}. A file is searched for in the current folder and in data_dir; set another identifier with "
            "evaluation.lid=NAME"
        ) from None
