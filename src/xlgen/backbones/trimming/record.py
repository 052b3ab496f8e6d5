"""The description of a trimmed vocabulary: ``trim.json`` in a model's folder, and ``trim`` of a checkpoint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from xlgen.backbones.finding import read_config
from xlgen.backbones.trimming.vocabulary import TrimError
from xlgen.core.json_types import JsonMapping, JsonObject
from xlgen.core.version import VERSION
from xlgen.runs.files import FORMAT, check_format

TRIM_FILE = "trim.json"
"""The file in the folder of a trimmed model that describes it."""
_MOST = 16_000_000


@dataclass(frozen=True)
class TrimRecord:
    """Which tokens of which model were kept."""

    source: str
    """The model's name: an embedded backbone, a folder, or an id on the Hub."""
    rows: int
    """Number of rows of its embeddings."""
    vocabulary: str
    """A digest of its tokens and their ids."""
    kept: tuple[int, ...]
    """The kept ids, in ascending order. Their ranks are the ids of the trimmed model."""
    languages: tuple[str, ...] = ()
    """The languages that the trimmed model knows. If empty, those of the whole model."""
    by: Literal["folder", "recipe"] = "folder"
    """Whether the trimmed model is in a folder, or was made from ``source`` as a recipe says."""
    files: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Digests of the files of ``source``."""

    @property
    def digest(self) -> str:
        """Equal for equal tokens of equal vocabularies."""
        text = f"{self.vocabulary} {self.rows} {ranges(self.kept)}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def __str__(self) -> str:
        return f"{len(self.kept):,} of the {self.rows:,} tokens of {self.source}"

    def as_json(self) -> JsonObject:
        """A JSON object that :func:`record_of` reads."""
        return {
            "source": self.source,
            "rows": self.rows,
            "size": len(self.kept),
            "vocabulary": self.vocabulary,
            "languages": list(self.languages),
            "by": self.by,
            "files": dict(self.files),
            "kept": ranges(self.kept),
        }


def record_of(data: JsonMapping, where: str) -> TrimRecord:
    """The record in a JSON object. Raises TrimError that names ``where`` for a damaged one."""
    try:
        kept = tuple(from_ranges(data["kept"]))
        languages = tuple(data["languages"])
        texts = [data[key] for key in ("source", "vocabulary")]
        right = all(isinstance(each, str) and each and "\0" not in each for each in (*texts, *languages))
        right = right and type(data["rows"]) is int and kept[-1] < data["rows"] <= _MOST
        if not right or data["by"] not in ("folder", "recipe") or not isinstance(data["files"], dict):
            raise ValueError
        files = {str(name): str(value) for name, value in data["files"].items()}
        return TrimRecord(data["source"], data["rows"], data["vocabulary"], kept, languages, data["by"], files)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        raise TrimError(f"{where} is damaged: it does not describe a trimmed vocabulary") from None


def read_record(folder: str) -> TrimRecord | None:
    """The record of a model's folder, or None if its vocabulary is not trimmed. Raises TrimError."""
    if not Path(folder).is_dir() or (data := read_config(folder, TRIM_FILE)) is None:
        return None
    where = str(Path(folder) / TRIM_FILE)
    check_format(data, where)
    return record_of(data, where)


def write_record(folder: Path, record: TrimRecord, more: JsonMapping | None = None) -> None:
    """Write ``trim.json``; ``more`` are further keys."""
    data = {"format": FORMAT, "xlgen": VERSION, **record.as_json(), **(more or {})}
    (folder / TRIM_FILE).write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")


def ranges(ids: Iterable[int]) -> str:
    """Ascending ids in short: ``0-258,261``."""
    found: list[list[int]] = []
    for index in ids:
        if found and index == found[-1][1] + 1:
            found[-1][1] = index
        else:
            found.append([index, index])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in found)


def from_ranges(text: str) -> list[int]:
    """The ids of :func:`ranges`. Raises ValueError if they are not ascending."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        low, high = int(first), int(last or first)
        if not (found[-1] if found else -1) < low <= high < _MOST:
            raise ValueError(f"{part!r} is out of order")
        found += range(low, high + 1)
    return found
