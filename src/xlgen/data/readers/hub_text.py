"""Reading of a dataset's CSV and JSON files without type inference, so that text stays text.

``datasets`` reads both through pandas and Arrow, which convert ``007`` to a number, ``NA`` to a missing value and
``"2020-01-01"``, also in JSON, to a timestamp. It still determines the files of a split and their locations.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO

from xlgen.core.delimited import numbered_lines, read_delimited
from xlgen.core.json_types import JsonObject
from xlgen.core.registry import InputError
from xlgen.data.readers import DataError
from xlgen.data.readers.files import parse_object

if TYPE_CHECKING:
    from datasets import DatasetBuilder


def text_rows(builder: DatasetBuilder, split: str, streaming: bool) -> Iterator[JsonObject] | None:
    """The rows of ``split``, which may be a slice such as ``train[:10%]``; None for a dataset in another format.

    Raises:
        ValueError: for a split that the dataset lacks.
        DataError: for a bad row, with file and line.
    """
    from datasets.packaged_modules.csv.csv import Csv
    from datasets.packaged_modules.json.json import Json

    if not isinstance(builder, Csv | Json) or getattr(builder.config, "field", None):
        return None
    known = builder.config.data_files or {}
    if split in known:
        return _of_files(builder, known[split], streaming)
    return _sliced(builder, split, streaming)


def _of_files(builder: DatasetBuilder, files: Iterable[str], streaming: bool) -> Iterator[JsonObject]:
    from datasets import DownloadConfig, DownloadManager, StreamingDownloadManager
    from datasets.utils.file_utils import xopen

    config = DownloadConfig(token=builder.token)
    manager = (StreamingDownloadManager if streaming else DownloadManager)(download_config=config)
    for path in manager.iter_files(manager.download_and_extract(list(files))):
        with xopen(path, "rb", download_config=config) as file:
            yield from _csv(file, builder, path) if hasattr(builder.config, "sep") else _json(file, path)


def _sliced(builder: DatasetBuilder, split: str, streaming: bool) -> Iterator[JsonObject]:
    from datasets import ReadInstruction

    rows = {name: list(_of_files(builder, files, streaming)) for name, files in builder.config.data_files.items()}
    parts = ReadInstruction.from_spec(split).to_absolute({name: len(found) for name, found in rows.items()})
    return chain.from_iterable(rows[part.splitname][part.from_ : part.to] for part in parts)


def _csv(file: BinaryIO, builder: DatasetBuilder, path: str) -> Iterator[JsonObject]:
    separator = builder.config.delimiter or builder.config.sep
    for number, found in read_delimited(numbered_lines(file, path), separator, name=path):
        if isinstance(found, InputError):
            raise DataError(f"{path}, line {number}: {found}")
        yield dict(found)


def _json(file: BinaryIO, path: str) -> Iterator[JsonObject]:
    """The rows of a file with one object per line, or with one array of objects or texts."""
    lines = ((number, line) for number, line in numbered_lines(file, path) if line.strip())
    first = next(lines, None)
    if first is not None and first[1].lstrip().startswith(b"["):
        whole = b"".join(line for _, line in chain([first], lines))
        for index, row in enumerate(json.loads(whole)):
            yield {"text": row} if isinstance(row, str) else parse_object(json.dumps(row), f"{path}, element {index}")
        return
    for number, line in chain([first] if first else [], lines):
        yield parse_object(line.decode("utf-8"), f"{path}, line {number}")
