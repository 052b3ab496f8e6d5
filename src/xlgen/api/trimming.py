"""Trim the vocabulary of a model, and merge a trained one into the whole vocabulary again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xlgen.api.arguments import codes_of
from xlgen.api.training import Run, folder_of
from xlgen.core.arguments import argument
from xlgen.core.extras import require
from xlgen.core.json_types import JsonMapping
from xlgen.core.registry import InputError

if TYPE_CHECKING:
    from xlgen.backbones.trimming.measure import Coverage, Speed
    from xlgen.backbones.trimming.trim import Size
    from xlgen.evaluation.export.untrimmed import Untrimmed

Corpora = str | Path | JsonMapping | Sequence[str | Path | JsonMapping]
"""One or several parts of a corpus."""


@dataclass(frozen=True)
class TrimmedModel:
    """The folder that :func:`trim` has written, and what trimming has changed."""

    folder: Path
    before: Size
    after: Size
    coverage: tuple[Coverage, ...]
    """By language: the kept tokens' share of all occurrences, the number of tokens, and unknown text."""
    speed: Mapping[str, Speed] | None
    """Of the models ``before`` and ``after``; None if it was not measured."""


def trim(
    model: str | Path,
    out: str | Path,
    *,
    corpus: Corpora,
    languages: Sequence[str] = (),
    keep: int | None = None,
    coverage: float | None = None,
    measure_on: Corpora = (),
    data_dir: str | Path = ".",
    speed: bool = True,
) -> TrimmedModel:
    """Write a pretrained model with only the tokens that texts of some languages use (arXiv 2305.15020).

    The result is an ordinary checkpoint. On text whose tokens are all kept, its tokens and its logits over kept tokens
    are those of the whole model. Outputs differ where the whole model would generate a dropped token, and with beam
    search possibly where dropped tokens are probable. Special tokens, language codes, sentinels, bytes, and all single
    characters of the corpus are always kept.

    Args:
        model: An embedded backbone, a folder, or an id on the Hub: mT5, umT5, mBART-50, NLLB-200, XLM-R, BERT, or a
            causal model.
        out: A new or empty folder.
        corpus: Texts whose tokens are counted: paths of files with a text per line or of JSONL files, which may contain
            ``{language}``, or readers as mappings.
        languages: Languages to read, and to use the trimmed model for. By default, all.
        keep: The size of the vocabulary, special tokens included.
        coverage: Instead, the share of all occurrences of tokens that the kept ones must have in every language; 0.9999
            by default.
        measure_on: Texts to measure the coverage on. By default, the corpus.
        data_dir: Folder that relative paths in the corpus start from.
        speed: Whether to load both models and measure a training step and decoding.

    Raises:
        InputError: for a model that cannot be trimmed, a wrong corpus, ``keep`` below the number of required tokens, or
            a folder that cannot be written. Nothing is then written to ``out``.
    """
    require("train", "trimming")
    if keep is not None and coverage is not None:
        raise InputError(f"{argument('keep')} and {argument('coverage')} exclude each other")
    if coverage is not None and not 0 < coverage <= 1:
        raise InputError(f"{argument('coverage')} is {coverage:g}, and must be a share above 0 and up to 1")
    from xlgen.backbones.loading import resolve
    from xlgen.backbones.trimming.corpus import read_corpus
    from xlgen.backbones.trimming.measure import measure_speed
    from xlgen.backbones.trimming.trim import trim as write

    folder, data, codes = Path(out), Path(data_dir), codes_of(languages)
    texts = read_corpus(_parts(corpus), codes, data)
    others = read_corpus(_parts(measure_on), codes, data) if _parts(measure_on) else None
    found = write(str(model), folder, texts, languages=codes, keep=keep, coverage=coverage, measured=others)
    times = measure_speed({"before": resolve(str(model)), "after": str(folder)}) if speed else None
    return TrimmedModel(found.folder, found.before, found.after, found.coverage, times)


def untrim(model: str | Path | Run, out: str | Path, *, into: str | None = None) -> Untrimmed:
    """Write a model that was trained with a trimmed vocabulary with the whole vocabulary again.

    Its weights are the trained ones. The rows of tokens that were dropped are those of the whole model, which are as
    they were before training.

    Args:
        model: A run (its newest checkpoint), a checkpoint, or a folder with ``trim.json``.
        out: A new or empty folder.
        into: The whole model; by default, the one whose vocabulary was trimmed.

    Raises:
        InputError: if the vocabulary is not trimmed, the method's modules cannot be merged, or ``into`` is another
            model. Nothing is then written to ``out``.
    """
    require("train", "untrimming")
    from xlgen.evaluation.export.untrimmed import untrim_trained

    return untrim_trained(folder_of(model), Path(out), into)


def _parts(corpus: Corpora) -> list[str | JsonMapping]:
    parts = [corpus] if isinstance(corpus, str | Path | Mapping) else list(corpus)
    return [part if isinstance(part, Mapping) else str(part) for part in parts]
