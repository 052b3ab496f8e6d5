"""What pydantic finds wrong with a config, in words that say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from xlgen.core.registry import nearest


def describe_config_errors(
    error: ValidationError,
    model: type[BaseModel],
    staged: tuple[type[BaseModel], type[BaseModel]],
    flat: bool,
    named_by: str | None = None,
) -> Iterator[str]:
    """A line a fault, with the nearest key for a wrong one.

    ``staged`` are the config whose first stage may be written at its top level, as it is where ``flat``, and the
    stage's. ``named_by`` is a key of ``model`` besides its fields.
    """
    found = error.errors()
    for fault in found:
        # A key with a fault inside it may be reported a second time, as missing or too short, itself.
        if not any(_inside(other["loc"], fault["loc"]) for other in found):
            yield _line(fault, model, staged, flat, named_by)


def _inside(path: tuple[Any, ...], outer: tuple[Any, ...]) -> bool:
    return len(path) > len(outer) and path[: len(outer)] == outer


def _line(
    fault: Any,
    model: type[BaseModel],
    staged: tuple[type[BaseModel], type[BaseModel]],
    flat: bool,
    named_by: str | None,
) -> str:
    path = ".".join(str(part) for part in fault["loc"])
    path = path.removeprefix("stages.0").lstrip(".") if flat else path
    whole, stage = staged
    if fault["type"] == "extra_forbidden":
        if model is whole and path in stage.model_fields:
            return f"key {path!r} belongs to a stage, and this recipe lists its stages: write stages.0.{path}"
        here = _model_at(model, fault["loc"][:-1])
        keys = set(here.model_fields) | (set(stage.model_fields) if here is whole else set())
        keys |= {named_by} if named_by and here is model else set()
        return f"unknown key {path!r}: {nearest(str(fault['loc'][-1]), keys)}"
    if fault["type"] == "missing":
        return f"key {path!r} is missing"
    return f"{path or 'the recipe'}: {fault['msg']} (got {str(fault.get('input'))[:80]!r})"


def _model_at(model: type[BaseModel], path: tuple[Any, ...]) -> type[BaseModel]:
    """The config that stands at ``path``."""
    here = model
    for part in path:
        field = here.model_fields.get(str(part))
        here = (_model_in(field.annotation) if field else None) or here
    return here


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The config that an annotation such as ``tuple[Grid, ...]`` or ``Plateau | None`` is of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
