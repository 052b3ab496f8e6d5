"""Select rows of tensors in safetensors files, as bytes: nothing is converted, and no tensor is loaded as a whole."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from xlgen.backbones.source_files import WEIGHTS_INDEX
from xlgen.backbones.trimming.vocabulary import TrimError
from xlgen.core.json_types import JsonObject
from xlgen.core.untrusted import check_regular, parse_json

_AT_ONCE = 32 * 2**20
"""Bytes to copy at once."""


@dataclass(frozen=True)
class TensorEntry:
    """A tensor in a safetensors file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    """Of its bytes in the file."""
    size: int
    """Number of its bytes."""


def read_entries(file: Path) -> tuple[list[TensorEntry], JsonObject]:
    """The tensors of a file in the order of their bytes, and the file's metadata.

    Raises TrimError for a damaged file.
    """
    try:
        check_regular(file)
        with safe_open(file, "pt"):  # checks the header: sizes, overlaps, and the length of the file
            pass
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            header = parse_json(opened.read(length).decode(), str(file))
    except (OSError, SafetensorError, UnicodeDecodeError) as error:
        raise TrimError(f"the weights in {file} are damaged or truncated ({error}); fetch them again") from None
    about = header.pop("__metadata__", {})
    entries = [
        TensorEntry(name, each["dtype"], tuple(each["shape"]), 8 + length + first, last - first)
        for name, each in header.items()
        for first, last in [each["data_offsets"]]
    ]
    return sorted(entries, key=lambda each: (each.start, each.size)), about


def select_rows(
    source: Path, target: Path, axes: Mapping[str, int], kept: NDArray[np.int64]
) -> dict[str, tuple[int, ...]]:
    """Copy a safetensors file with only the ``kept`` rows of some tensors; the bytes of all others are the same.

    Args:
        source: The file to read.
        target: The file to write.
        axes: The dimension of the rows, by the name of a tensor.
        kept: The rows to keep, in order.

    Returns:
        The shapes of the new tensors, by name.
    """
    entries, about = read_entries(source)
    new = [_smaller(each, axes.get(each.name), len(kept)) for each in entries]
    with source.open("rb") as reading, target.open("wb") as writing:
        write_header(writing, new, about)
        for entry in entries:
            if entry.name in axes:
                _copy_rows(source, entry, axes[entry.name], kept, writing)
            else:
                reading.seek(entry.start)
                for left in range(entry.size, 0, -_AT_ONCE):
                    writing.write(reading.read(min(left, _AT_ONCE)))
    return {each.name: each.shape for each in new}


def _smaller(entry: TensorEntry, axis: int | None, rows: int) -> TensorEntry:
    if axis is None:
        return entry
    if not entry.dtype.startswith(("F", "BF")) or entry.size % math.prod(entry.shape):
        raise TrimError(f"{entry.name} holds {entry.dtype} values, and only floating-point embeddings can be trimmed")
    shape = tuple(rows if place == axis else length for place, length in enumerate(entry.shape))
    return replace(entry, shape=shape, size=entry.size // entry.shape[axis] * rows)


def write_header(file: BinaryIO, entries: list[TensorEntry], about: JsonObject) -> None:
    """Write the header of a safetensors file whose tensors follow in the order of ``entries``."""
    header: JsonObject = {"__metadata__": about} if about else {}
    place = 0
    for each in entries:
        offsets = [place, place + each.size]
        header[each.name] = {"dtype": each.dtype, "shape": list(each.shape), "data_offsets": offsets}
        place += each.size
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)


def write_index(index: JsonObject | None, folder: Path) -> None:
    """Write the index of a model whose weights are in several files of ``folder``, from that of the original model."""
    files = sorted(folder.glob("*.safetensors"))
    if index is None or len(files) < 2:
        return
    entries = [(file.name, entry) for file in files for entry in read_entries(file)[0]]
    metadata = {**(index.get("metadata") or {}), "total_size": sum(entry.size for _, entry in entries)}
    if "total_parameters" in metadata:
        metadata["total_parameters"] = parameters({entry.name: entry.shape for _, entry in entries})
    places = {entry.name: file for file, entry in entries}
    text = json.dumps({**index, "metadata": metadata, "weight_map": places}, indent=2)
    (folder / WEIGHTS_INDEX).write_text(text, encoding="utf-8")


def _copy_rows(source: Path, entry: TensorEntry, axis: int, kept: NDArray[np.int64], file: BinaryIO) -> None:
    outer, rows = math.prod(entry.shape[:axis]), entry.shape[axis]
    width = entry.size // (outer * rows)
    whole = np.memmap(source, np.uint8, "r", entry.start, (outer, rows, width))
    step = max(1, _AT_ONCE // width)
    for part in whole:
        for first in range(0, len(kept), step):
            file.write(part[kept[first : first + step]].tobytes())


def total_bytes(files: list[Path]) -> int:
    """The size of files together."""
    return sum(file.stat().st_size for file in files)


def parameters(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """The number of values in tensors."""
    return sum(math.prod(shape) for shape in shapes.values())
