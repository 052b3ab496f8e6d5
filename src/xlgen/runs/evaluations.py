"""The files of an evaluation: predictions by language, scores, and the settings that it was made with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xlgen.core.json_types import JsonMapping, JsonObject
from xlgen.core.registry import InputError
from xlgen.core.untrusted import read_object, safe_join
from xlgen.runs.files import write_atomically
from xlgen.runs.paths import RunPaths

if TYPE_CHECKING:
    from xlgen.scoring.predictions import PredictionRow

SETTINGS = "settings.json"
"""The file in an evaluation's folder with everything that determines its results."""


def prediction_file(folder: Path, language: str) -> Path:
    """The file of one language in a folder of predictions. Raises InputError if it would be outside of the folder."""
    return safe_join(folder, f"{language}.jsonl", "the language")


def prediction_files(folder: Path) -> list[Path]:
    """The existing files in a folder of predictions, by language."""
    return sorted(folder.glob("*.jsonl"))


def write_predictions(folder: Path, rows: Mapping[str, Iterable[PredictionRow]]) -> None:
    """Write predictions into ``folder``, with one JSONL file per language."""
    folder.mkdir(parents=True, exist_ok=True)
    for language, found in rows.items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found)
        write_atomically(prediction_file(folder, language), text)


def write_scores(folder: Path, rows: Sequence[JsonMapping], empty_inputs: Mapping[str, int]) -> None:
    """Write the scores of an evaluation, and the number of its empty inputs in each language that has some."""
    summary = {"rows": rows, **({"empty_inputs": empty_inputs} if empty_inputs else {})}
    write_atomically(RunPaths(folder).summary_file, json.dumps(summary, ensure_ascii=False, indent=1))


def read_empty_inputs(folder: Path) -> Mapping[str, int]:
    """The number of empty inputs of an evaluation in each language that has some."""
    found: Mapping[str, int] = read_object(RunPaths(folder).summary_file).get("empty_inputs", {})
    return found


def write_settings(folder: Path, settings: JsonMapping) -> None:
    """Write the settings of an evaluation."""
    write_atomically(folder / SETTINGS, json.dumps(settings, ensure_ascii=False, indent=1))


def read_settings(folder: Path) -> JsonObject | None:
    """The settings of an evaluation; None if the folder has none, or they are damaged."""
    try:
        return read_object(folder / SETTINGS)
    except InputError:
        return None
