"""Checks of a task file beyond the types of its keys."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from xlgen.core.registry import InputError, nearest
from xlgen.data.templates import FIELD, FORMS
from xlgen.metrics.score import ALWAYS, choose, with_standing

if TYPE_CHECKING:
    from xlgen.data.tasks import TaskConfig

_BRACES = re.compile(r"[{}][^{}]*[{}]?")


def check_task(config: TaskConfig, path: Path) -> None:
    """Raise InputError if keys are inconsistent; ``path`` is the task's file."""
    _check_kind(config, path)
    _check_main_metric(config, path)
    _check_templates(config, path)


def _check_templates(config: TaskConfig, path: Path) -> None:
    """Raise InputError for templates that would give equal inputs or contain a field's name as text."""
    for key in ("source", "source_pair", "target"):
        template = getattr(config, key)
        if template is None:
            continue
        if slip := _BRACES.search(FIELD.sub("", template)):
            raise InputError(
                f"{path}: {slip[0]!r} in {key} is not a field: write {{name}} or {{name:form}} in letters, digits and _"
            )
        if key != "target" and not FIELD.search(template):
            raise InputError(
                f"{path}: {key} {template!r} has no field, so every input would be the same: write each field in "
                'braces, as in "{article}"'
            )
        for name, form in FIELD.findall(template):
            if form and form not in FORMS:
                raise InputError(f"{path}: {{{name}:{form}}}: {nearest(form, FORMS)}")
    if config.crop is not None and config.crop not in {name for name, _ in FIELD.findall(config.source)}:
        raise InputError(f"{path}: crop names {config.crop!r}, which is not in the source template")


def _check_kind(config: TaskConfig, path: Path) -> None:
    """Raise InputError if the kind does not match the labels, the source or the other keys."""
    if (config.kind == "generation") == bool(config.labels) or len(set(config.labels)) != len(config.labels):
        raise InputError(f"{path}: kind {config.kind} {'takes no' if config.labels else 'needs'} labels, each once")
    if config.kind == "tagging" and [form for _, form in FIELD.findall(config.source)] != ["words"]:
        raise InputError(f'{path}: the source of a tagging task must be one list of words: "{{tokens:words}}"')
    if config.kind == "tagging" and (spaced := [label for label in config.labels if label.split() != [label]]):
        raise InputError(
            f"{path}: label {spaced[0]!r} is empty or has white space, which separates the tags of words; write "
            "it as one word, and use `names` if it differs in the data"
        )
    if config.source_pair is not None and (config.kind in ("generation", "tagging") or config.crop is not None):
        raise InputError(f"{path}: source_pair requires kind classification or ranking, and cannot be used with crop")
    if config.kind == "ranking" and (config.group is None or not all(label.isdecimal() for label in config.labels)):
        raise InputError(f"{path}: kind ranking needs a `group`, and grades as labels: integers from 0")


def _check_main_metric(config: TaskConfig, path: Path) -> None:
    """Raise InputError if ``main_metric`` is not reported by the task's metrics or by every evaluation."""
    standing = (*(ALWAYS if config.head is None else ()), "xlrs")
    names = [figure.name for _, figures in choose(config.metrics) for figure in figures]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"{path}: metrics give {twice!r} twice, with different options; a task has each value once")
    given = {figure.name for _, figures in choose(with_standing(config.metrics, standing)) for figure in figures}
    if config.main_metric not in given:
        raise InputError(
            f"{path}: main_metric {config.main_metric!r} is not reported by the task's metrics: name one of "
            f"{', '.join(names)}, or add its metric to `metrics`"
        )
