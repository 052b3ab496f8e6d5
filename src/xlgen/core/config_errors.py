"""Messages for validation errors of pydantic, which say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from xlgen.core.registry import nearest


def describe_config_errors(
    error: ValidationError,
    model: type[BaseModel],
    staged: tuple[type[BaseModel], type[BaseModel]] | None = None,
    flat: bool = False,
    prefix: str = "",
) -> Iterator[str]:
    """One line per fault, with the nearest key for a wrong one.

    Args:
        error: The validation error.
        model: The config that was validated.
        staged: The config that may have its first stage at the top level, and the config of a stage.
        flat: Whether the first stage is written at the top level.
        prefix: The path of ``model`` in the whole config.
    """
    from xlgen.core.plugins import PluginOptionsError, UnknownOptionError

    found = error.errors()
    for fault in found:
        # A key with a fault inside it may be reported a second time, as missing or too short, itself.
        if any(_inside(other["loc"], fault["loc"]) for other in found):
            continue
        path = _path(fault["loc"], flat, prefix)
        cause: object = fault.get("ctx", {}).get("error")
        if isinstance(cause, PluginOptionsError):
            yield from describe_config_errors(cause.error, cause.model, prefix=path)
        elif isinstance(cause, UnknownOptionError):
            yield f"unknown key {f'{path}.{cause.option}'!r}: {nearest(cause.option, cause.known)}"
        else:
            yield _line(fault, path, model, staged)


def _inside(path: tuple[int | str, ...], outer: tuple[int | str, ...]) -> bool:
    return len(path) > len(outer) and path[: len(outer)] == outer


def _path(keys: tuple[int | str, ...], flat: bool, prefix: str) -> str:
    path = ".".join(str(key) for key in keys)
    path = path.removeprefix("stages.0").lstrip(".") if flat else path
    return ".".join(filter(None, (prefix, path)))


def _line(
    fault: ErrorDetails, path: str, model: type[BaseModel], staged: tuple[type[BaseModel], type[BaseModel]] | None
) -> str:
    whole, stage = staged or (None, model)
    if fault["type"] == "extra_forbidden":
        if model is whole and path in stage.model_fields:
            return f"key {path!r} belongs to a stage, and this recipe lists its stages: write stages.0.{path}"
        here = _model_at(model, fault["loc"][:-1])
        keys = set(here.model_fields) | (set(stage.model_fields) if here is whole else set())
        return f"unknown key {path!r}: {nearest(str(fault['loc'][-1]), keys)}"
    if fault["type"] == "missing":
        return f"key {path!r} is missing"
    place = f"{path}: " if path else "the recipe: " if staged else ""
    if fault["type"] == "value_error":  # ours, and complete
        return f"{place}{fault['msg'].removeprefix('Value error, ')}"
    return f"{place}{fault['msg']} (got {str(fault.get('input'))[:80]!r})"


def _model_at(model: type[BaseModel], path: tuple[int | str, ...]) -> type[BaseModel]:
    """The config at ``path``."""
    here = model
    for part in path:
        field = here.model_fields.get(str(part))
        here = (model_in(field.annotation) if field else None) or here
    return here


def model_in(annotation: object) -> type[BaseModel] | None:
    """The config that an annotation such as ``tuple[Grid, ...]`` or ``Plateau | None`` is of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(model_in, get_args(annotation))), None)
