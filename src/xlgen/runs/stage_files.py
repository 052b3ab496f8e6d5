"""Small files that only training reads and writes: translated labels, ids of trackers, and shared stages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from xlgen.core.json_types import JsonObject
from xlgen.core.registry import InputError
from xlgen.core.run_layout import TRACKERS, TRANSLATIONS
from xlgen.core.untrusted import read_object
from xlgen.data.examples import LabelledExample
from xlgen.runs.files import json_lines, write_atomically
from xlgen.runs.paths import RunPaths


def write_translations(place: Path, examples: Iterable[LabelledExample]) -> None:
    """Write the translated training examples of a stage."""
    lines = (json.dumps(asdict(example), ensure_ascii=False) for example in examples)
    write_atomically(place / TRANSLATIONS, "".join(line + "\n" for line in lines))


def read_translations(place: Path) -> list[LabelledExample] | None:
    """The translated training examples of a stage; None if it has none yet. Raises InputError if a line is damaged."""
    file = place / TRANSLATIONS
    return [_example(row) for row in json_lines(file)] if file.exists() else None


def _example(fields: JsonObject | InputError) -> LabelledExample:
    if isinstance(fields, InputError):
        raise fields
    names = ("targets", "croppable", "words", "tags")
    tuples = {name: tuple(fields[name]) for name in names if fields.get(name) is not None}
    return LabelledExample(**{**fields, **tuples})


def write_tracker_ids(run: Path, ids: Mapping[str, str]) -> None:
    """Write the ids that the trackers have given to a run, by tracker."""
    write_atomically(run / TRACKERS, json.dumps(ids))


def read_tracker_ids(run: Path) -> dict[str, str]:
    """The ids that the trackers have given to a run; empty if there are none, or the file is damaged."""
    try:
        return read_object(run / TRACKERS)
    except InputError:
        return {}


def write_stage_pointer(run: Path, index: int, place: Path) -> Path:
    """Record where the files of a stage are that several runs share."""
    return write_atomically(stage_pointer(run, index), json.dumps({"place": str(place)}))


def stage_pointer(run: Path, index: int) -> Path:
    """The file that says where the files of a shared stage are."""
    return RunPaths(run).stages / f"{index}.json"
