"""Undo the trimming of a vocabulary: put what was trained back into the whole model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from shutil import copyfile
from typing import BinaryIO

import torch
from safetensors import safe_open
from torch import Tensor

from xlgen.backbones.configs import OWN_LANGUAGES
from xlgen.backbones.finding import find_file, read_config
from xlgen.backbones.source_files import WEIGHTS_INDEX, weight_files
from xlgen.backbones.trimming.axes import VocabularyAxes
from xlgen.backbones.trimming.config_ids import with_ids
from xlgen.backbones.trimming.record import TrimRecord
from xlgen.backbones.trimming.source import Source, open_source
from xlgen.backbones.trimming.tensors import TensorEntry, read_entries, write_header, write_index
from xlgen.backbones.trimming.tokenizer_files import TOKENIZER_FILES
from xlgen.backbones.trimming.vocabulary import TrimError
from xlgen.core.outputs import check_new_folder, new_folder

_NAMES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64"}


def untrim(trained: Path, record: TrimRecord, into: str, folder: Path) -> None:
    """Write the trained model with the whole vocabulary of ``into`` into ``folder``.

    All weights are those of the trained model, except the rows of the dropped tokens, which are those of ``into``.
    Weights keep the precision of the trained model.

    Args:
        trained: A model's folder with config.json and safetensors, and a trimmed vocabulary.
        record: What was kept.
        into: The whole model: an embedded backbone, a folder, or an id on the Hub.
        folder: A new or empty folder. It stays empty after an error.

    Raises:
        TrimError: if ``into`` has another vocabulary than the one that was trimmed, or other layers.
        InputError: if the folder cannot be written.
    """
    check_new_folder(folder)
    source = open_source(into)
    if source.digest != record.vocabulary or source.rows != record.rows:
        raise TrimError(
            f"{into} is not the model whose vocabulary was trimmed, which is {record.source} with {record.rows:,} "
            "tokens: its vocabulary differs"
        )
    with new_folder(folder) as temporary:
        _write_configs(trained, record, temporary, source)
        for name in TOKENIZER_FILES:
            path = find_file(source.folder, name)
            if path is not None:
                copyfile(path, temporary / name)
        axes = VocabularyAxes(str(temporary), str(trained))
        whole = _WholeRows(source, axes)
        for file in weight_files(str(trained)):
            _write_weights(file, temporary / file.name, axes, whole, record)
        write_index(read_config(str(trained), WEIGHTS_INDEX), temporary)


def _write_configs(trained: Path, record: TrimRecord, folder: Path, source: Source) -> None:
    """The trained model's configs with the ids, the size of the vocabulary and the languages of the whole model."""
    for file, original in (("config.json", source.config), ("generation_config.json", source.generation)):
        config = read_config(str(trained), file)
        if config is None:
            continue
        new = with_ids(config, lambda index: record.kept[index], (len(record.kept), record.rows))
        new.pop(OWN_LANGUAGES, None)
        if OWN_LANGUAGES in (original or {}):
            new[OWN_LANGUAGES] = (original or {})[OWN_LANGUAGES]
        (folder / file).write_text(json.dumps(new, indent=2, ensure_ascii=False), encoding="utf-8")


class _WholeRows:
    """The tensors of the whole model that have a row for each token."""

    def __init__(self, source: Source, axes: VocabularyAxes) -> None:
        self._name = source.name
        self._places: dict[str, Path] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        for file in source.weights:
            for entry in read_entries(file)[0]:
                if entry.name in axes.of([entry]):
                    self._places[entry.name], self._shapes[entry.name] = file, entry.shape

    def find(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """The tensor called ``name``, with or without a prefix, or one that it is tied to. Raises TrimError."""
        same = [each for each, size in self._shapes.items() if size == shape]
        parts = [each for each in same if each == name or name.endswith(f".{each}") or each.endswith(f".{name}")]
        last = name.split(".")[-1]
        tied = [each for each in same if each.split(".")[-1] == last]
        if not (parts or tied):
            raise TrimError(f"{self._name} has no {name} of shape {shape}: it is not the model that was trained")
        chosen = (parts or tied)[0]
        with safe_open(self._places[chosen], "pt") as file:
            found: Tensor = file.get_tensor(chosen)
        return found


def _write_weights(file: Path, target: Path, axes: VocabularyAxes, whole: _WholeRows, record: TrimRecord) -> None:
    entries, about = read_entries(file)
    names = axes.of(entries, trimmed=True)
    new = [_larger(entry, names.get(entry.name), record.rows) for entry in entries]
    kept = torch.tensor(record.kept)
    with safe_open(file, "pt") as reading, file.open("rb") as raw, target.open("wb") as writing:
        write_header(writing, new, about)
        for entry, larger in zip(entries, new, strict=True):
            if entry.name not in names:
                raw.seek(entry.start)
                writing.write(raw.read(entry.size))
                continue
            rows: Tensor = reading.get_tensor(entry.name)
            if rows.dtype not in _NAMES:
                raise TrimError(f"{entry.name} in {file} holds {entry.dtype} values, and cannot be merged")
            merged = whole.find(entry.name, larger.shape).to(rows.dtype)
            merged.index_copy_(names[entry.name], kept, rows)
            _write_tensor(writing, merged)


def _larger(entry: TensorEntry, axis: int | None, rows: int) -> TensorEntry:
    if axis is None:
        return entry
    shape = tuple(rows if place == axis else length for place, length in enumerate(entry.shape))
    return replace(entry, shape=shape, size=entry.size // entry.shape[axis] * rows)


def _write_tensor(file: BinaryIO, tensor: Tensor) -> None:
    flat = tensor.contiguous().view(-1)
    step = 2**22
    for first in range(0, len(flat), step):
        file.write(flat[first : first + step].view(torch.uint8).numpy().tobytes())
