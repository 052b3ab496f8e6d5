"""The files of rows of values by kind of analysis, which ``xlgen analyze ... --out DIR`` writes, and reports read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

from xlgen.core.json_types import JsonMapping, JsonObject
from xlgen.core.registry import InputError
from xlgen.core.untrusted import read_json, without_surrogates
from xlgen.runs.files import check_format
from xlgen.runs.rows import write_rows

_MOST = 10_000
_LONGEST = 4_000


def write_analysis(rows: Iterable[JsonMapping], folder: Path, name: str) -> Path:
    """Write the rows of an analysis as ``NAME.json`` into ``folder``."""
    return write_rows(map(dict, rows), folder / f"{name}.json")


def read_analysis(path: Path, kinds: Collection[str]) -> list[JsonObject]:
    """The rows of an analysis of one of ``kinds``; an empty list for any other file.

    Raises InputError if the file is damaged: invalid JSON, or a field of the wrong type.
    """
    try:
        found = read_json(path)
    except InputError as error:
        raise InputError(f"{path} is damaged ({error}): analyze again, or remove it") from None
    rows = found.get("rows") if isinstance(found, dict) else None
    if not isinstance(rows, list) or not rows or not all(_is_of(row, kinds) for row in rows):
        return []
    check_format(found, str(path))
    for number, row in enumerate(rows):
        for name, value in row.items():
            check = _number if name.endswith("_share") else _FIELDS.get(name)
            if check is not None and not check(value):
                shown = repr(value)[:60]
                raise InputError(f"{path} is damaged (row {number}, {name}: {shown}): analyze again, or remove it")
    return [without_surrogates(row) for row in rows]


def _is_of(row: object, kinds: Collection[str]) -> bool:
    return isinstance(row, dict) and isinstance(row.get("analysis"), str) and row["analysis"] in kinds


def _text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST


def _number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _place(value: object) -> bool:
    """A layer or a step, limited because tables and plots have a cell for each."""
    return isinstance(value, int) and _whole(value) and value <= _MOST


def _truth(value: object) -> bool:
    return isinstance(value, bool)


def _spectrum(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(_number(each) and each is not None for each in value)


def _side(value: object) -> bool:
    """One side of a comparison: the name of a model, or the number of a cluster."""
    return _text(value) or _whole(value)


_TEXTS = (
    *("analysis", "model", "language", "other_language", "task", "backbone", "run", "metric", "split", "source"),
    *("text", "part", "given", "kind", "signature", "half", "attention", "weight"),
)
_NUMBERS = (
    *("value", "rho", "p", "norm", "distance", "effective_rank", "change", "spectrum_change", "within", "between"),
    "bits",
)
_FIELDS: Mapping[str, Callable[[object], bool]] = {
    **dict.fromkeys(_TEXTS, _text),
    **dict.fromkeys(_NUMBERS, _number),
    **dict.fromkeys(("layer", "first_layer", "second_layer", "step"), _place),
    **dict.fromkeys(("first", "second"), _side),
    "n": _whole,
    "matched": _truth,
    "singular_values": _spectrum,
}
