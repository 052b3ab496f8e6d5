"""Trimmed models that a recipe asks for, in a cache: made once from their source, and then loaded like any folder.

Only the kept tokens decide what a trimmed model is, so that a checkpoint that records them can be loaded where the
model is not in the cache, or the corpus has changed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from xlgen.backbones import loading
from xlgen.backbones.base import Backbone
from xlgen.backbones.heads import HeadSpec
from xlgen.backbones.trimming.record import TrimRecord, read_record
from xlgen.backbones.trimming.source import open_source
from xlgen.backbones.trimming.trim import write_trimmed
from xlgen.backbones.trimming.vocabulary import TrimError
from xlgen.core.outputs import new_folder
from xlgen.core.registry import InputError
from xlgen.core.version import VERSION
from xlgen.data.token_cache import cache_folder, check_private


def load_trimmed(
    record: TrimRecord,
    *,
    languages: tuple[str, ...] = (),
    allow_unknown: bool = False,
    precision: str = "fp32",
    init: str = "pretrained",
    seed: int = 0,
    weights: str = "fp32",
    head: HeadSpec | None = None,
) -> Backbone:
    """Load the backbone ``record.source`` with only the kept tokens, from the cache if it is there.

    The other arguments are those of :func:`xlgen.backbones.loading.load`. The backbone has the name of the whole one,
    and the digests of its files.

    Raises:
        BackboneError: if the backbone cannot be trimmed or loaded, or has another vocabulary than the recorded one.
    """
    folder, files = trimmed_folder(record)
    backbone = loading.load(
        str(folder),
        languages=languages,
        allow_unknown=allow_unknown,
        precision=precision,
        init=init,
        seed=seed,
        weights=weights,
        head=head,
        called=record.source,
    )
    backbone.files = files
    backbone.trim = replace(record, by="recipe", files=files)
    return backbone


def trimmed_folder(record: TrimRecord) -> tuple[Path, dict[str, str]]:
    """The folder of a trimmed model in the cache, which is written if it is not there, and the source's digests."""
    source = open_source(record.source)
    if source.digest != record.vocabulary:
        raise TrimError(
            f"{source.name} is not the model whose vocabulary was trimmed: it has other tokens. Put its files back"
        )
    deciding = [source.name, source.files, record.digest, record.languages, VERSION]
    key = hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()[:32]
    root = cache_folder() / "trimmed"
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_private(root)
    except (OSError, ValueError) as error:
        raise InputError(f"no trimmed model can be written to {root}: {error}") from None
    folder = root / key
    with FileLock(root / f"{key}.lock"):
        if not (folder.is_dir() and read_record(str(folder))):
            with new_folder(folder) as temporary:
                write_trimmed(source, list(record.kept), temporary, record.languages)
    return folder, source.files
