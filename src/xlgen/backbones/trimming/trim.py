"""Trim the vocabulary of a model: choose tokens, and write a checkpoint that has no others.

Published: mT5-small with the 30,000 most frequent tokens of French texts has 75 M instead of 300 M parameters, and
keeps its quality after finetuning (Ushio et al. 2023, arXiv 2305.15020).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from xlgen.backbones.configs import OWN_LANGUAGES
from xlgen.backbones.finding import read_config
from xlgen.backbones.loading import load_tokenizer
from xlgen.backbones.source_files import WEIGHTS_INDEX
from xlgen.backbones.trimming.axes import VocabularyAxes
from xlgen.backbones.trimming.config_ids import with_ids
from xlgen.backbones.trimming.measure import Coverage, measure
from xlgen.backbones.trimming.record import TrimRecord, write_record
from xlgen.backbones.trimming.selection import Counts, select
from xlgen.backbones.trimming.source import Corpus, Source, backend_state, open_source
from xlgen.backbones.trimming.tensors import parameters, read_entries, select_rows, total_bytes, write_index
from xlgen.backbones.trimming.tokenizer_files import KeptTokens, write_tokenizer
from xlgen.backbones.trimming.vocabulary import TrimError
from xlgen.core.outputs import check_new_folder, new_folder
from xlgen.kernels.model_types import TransformersTokenizer

_COMPARED = 200
"""Number of texts of the corpus that are tokenized by both vocabularies before a trimmed model is accepted."""


@dataclass(frozen=True)
class Size:
    """The size of a checkpoint."""

    tokens: int
    """Number of rows of the embeddings."""
    parameters: int
    bytes: int
    """Of the weights on disk."""


@dataclass(frozen=True)
class Trimmed:
    """What :func:`trim` has written."""

    folder: Path
    before: Size
    after: Size
    coverage: tuple[Coverage, ...]
    """One for each language, measured on the corpus or on other texts."""


def trim(
    name: str,
    folder: Path,
    corpus: Corpus,
    *,
    languages: Sequence[str] = (),
    keep: int | None = None,
    coverage: float | None = None,
    measured: Corpus | None = None,
) -> Trimmed:
    """Write the model ``name`` with a smaller vocabulary into ``folder``.

    Args:
        name: An embedded backbone, a folder, or an id on the Hub.
        folder: A new or empty folder. It stays empty after an error.
        corpus: Texts whose tokens are counted.
        languages: The languages that the trimmed model is for. If empty, those of the whole model.
        keep: The size of the new vocabulary, special tokens included.
        coverage: Instead, the share of all occurrences that the kept tokens have in every language.
        measured: Texts to measure the coverage on; by default the corpus.

    Raises:
        BackboneError: if the model cannot be trimmed, or as few tokens do not suffice.
        InputError: if the corpus or the folder is wrong.
    """
    check_new_folder(folder)
    source = open_source(name)
    codes = source.check_languages(languages)
    counts, texts = source.count(corpus(), codes)
    kept = select(source.vocabulary, counts, keep=keep, coverage=coverage, also=source.config_ids)
    with new_folder(folder) as temporary:
        write_trimmed(source, kept, temporary, codes)
        trimmed = load_tokenizer(str(temporary))
        check_same_tokens(source, kept, trimmed, [text for _, text in islice(corpus(), _COMPARED)])
        found = tuple(measure(source, kept, trimmed, measured or corpus, None if measured else counts))
        before, after = _size(source.weights, source.rows), _size(sorted(temporary.glob("*.safetensors")), len(kept))
        more = {
            "coverage": [each.as_json() for each in found],
            "texts": texts,
            "counts": _counts(counts, kept),
        }
        write_record(temporary, record_of_choice(source, kept, codes), more)
    return Trimmed(folder, before, after, found)


def write_trimmed(source: Source, kept: list[int], folder: Path, languages: Sequence[str] = ()) -> None:
    """Write a model with only the ``kept`` tokens into ``folder``: config, tokenizer, weights and ``trim.json``.

    Args:
        source: The whole model.
        kept: Ids in ascending order; those of special tokens must be among them.
        folder: An empty folder.
        languages: The languages that the trimmed model knows. If empty, those of the whole model.

    Raises:
        TrimError: if a file cannot be trimmed, or the library would not read it as it should.
    """
    tokens = KeptTokens(source.vocabulary.names, kept)
    sizes = (source.rows, len(kept))
    own = {OWN_LANGUAGES: list(languages)} if languages and source.family is not None else {}
    for file, config in (("config.json", {**source.config, **own}), ("generation_config.json", source.generation)):
        if config is not None:
            new = with_ids(config, tokens.new_id, sizes)
            (folder / file).write_text(json.dumps(new, indent=2, ensure_ascii=False), encoding="utf-8")
    state = backend_state(source.tokenizer) if source.repaired else None
    write_tokenizer(source.folder, folder, tokens, state)
    _check_ids(source, kept, load_tokenizer(str(folder)))
    _write_weights(source, kept, folder)
    write_record(folder, record_of_choice(source, kept, languages))


def record_of_choice(source: Source, kept: Sequence[int], languages: Sequence[str]) -> TrimRecord:
    """The record of a model with the ``kept`` tokens of ``source``."""
    return TrimRecord(source.name, source.rows, source.digest, tuple(kept), tuple(languages), files=source.files)


def _write_weights(source: Source, kept: list[int], folder: Path) -> None:
    axes, rows = VocabularyAxes(source.folder, str(folder)), np.array(kept)
    found = {file: axes.of(read_entries(file)[0]) for file in source.weights}
    if not any(found.values()):
        raise TrimError(
            f"the weights of {source.name} have no embeddings with {source.rows:,} rows, as its config says: "
            "these are files of different models"
        )
    for file, names in found.items():
        axes.check(select_rows(file, folder / file.name, names, rows), file.name)
    write_index(read_config(source.folder, WEIGHTS_INDEX), folder)


def _check_ids(source: Source, kept: list[int], trimmed: TransformersTokenizer) -> None:
    """Raise TrimError if the library reads the new files with other tokens or ids."""
    expected = {source.vocabulary.names[old]: new for new, old in enumerate(kept)}
    found = trimmed.get_vocab()
    if found != expected:
        odd = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))[0]
        raise TrimError(
            f"the tokenizer of {source.name} cannot be trimmed: the library reads {odd!r} with the id "
            f"{found.get(odd)} instead of {expected.get(odd)} from the new files"
        )


def check_same_tokens(source: Source, kept: list[int], trimmed: TransformersTokenizer, texts: list[str]) -> None:
    """Raise TrimError if a text whose tokens are all kept has other tokens in the trimmed model."""
    new = {old: index for index, old in enumerate(kept)}
    other = replace(source, tokenizer=trimmed)
    for text, before, after in zip(texts, source.tokenize(texts), other.tokenize(texts), strict=True):
        if all(index in new for index in before) and [new[index] for index in before] != after:
            raise TrimError(
                f"the tokenizer of {source.name} cannot be trimmed: {text[:60]!r} has other tokens afterwards, "
                "although all of its tokens are kept"
            )


def _size(files: Sequence[Path], rows: int) -> Size:
    shapes = {entry.name: entry.shape for file in files for entry in read_entries(file)[0]}
    return Size(rows, parameters(shapes), total_bytes(list(files)))


def _counts(counts: Counts, kept: list[int]) -> dict[str, list[int]]:
    """The occurrences of each kept token, by language."""
    return {code: [int(count) for count in each[kept]] for code, each in counts.items()}
