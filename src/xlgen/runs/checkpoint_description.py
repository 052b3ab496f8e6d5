"""The description of a checkpoint (``checkpoint.json``): its type, and checks of the checkpoint's files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from xlgen.core.config import Cleanup
from xlgen.core.config_base import LARGEST_SEED
from xlgen.core.json_types import JsonMapping, JsonObject
from xlgen.core.registry import InputError
from xlgen.core.run_layout import ABOUT, RESUME
from xlgen.core.untrusted import read_object, safe_join
from xlgen.core.version import VERSION
from xlgen.core.yaml_config import with_name
from xlgen.runs.digests import Digests, changes, digests
from xlgen.runs.files import FORMAT, check_format, step_in
from xlgen.runs.records import LARGEST

_Text = Annotated[str, Field(min_length=1, max_length=4_096)]


@dataclass(frozen=True)
class About:
    """The contents of ``checkpoint.json``."""

    step: Annotated[int, Field(ge=0, lt=LARGEST)]
    backbone: _Text
    adaptation: JsonMapping
    task: _Text | None
    data_dir: _Text
    allow_unknown: bool = False
    """Whether languages that the backbone does not know are allowed."""
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED)] = 0
    """The seed that inserted modules were initialized with."""
    head: JsonMapping | None = None
    """The kind and the labels of a classification head: ``{kind, labels}``. None for tasks that generate text."""
    init: Literal["pretrained", "random"] = "pretrained"
    """``random`` if the backbone's own weights were also initialized from ``seed``."""
    task_config: JsonMapping | None = None
    """The task during training: template, languages, limits, metrics. None in folders of earlier versions."""
    cleanup: Cleanup = "phrases"
    """The clean-up of outputs in the recipe's evaluation and in ``xlgen predict``."""
    source_languages: Sequence[str] = ()
    """The languages with labels in training; empty in folders of earlier versions."""
    limits: Mapping[str, Annotated[int, Field(ge=1, lt=LARGEST)]] = field(default_factory=dict)
    """Length limits in the recipe that replace the task's."""
    tokenizer: _Text | None = field(default=None, compare=False)
    """A digest of the vocabulary of the tokenizer used in training. None in folders of earlier versions."""

    files: Mapping[str, str] | None = field(default=None, compare=False)
    """Digests of the checkpoint's other files. None in folders of earlier versions."""
    backbone_files: Mapping[str, str] | None = field(default=None, compare=False)
    """Digests of the files that the backbone was loaded from. None in folders of earlier versions."""
    trim: JsonMapping | None = field(default=None, compare=False)
    """The kept tokens, if the backbone has a trimmed vocabulary (``xlgen.backbones.trimming.record``)."""

    # Pydantic reads its configuration of a standard dataclass from this attribute.
    __pydantic_config__ = ConfigDict(strict=True)

    def as_json(self) -> JsonObject:
        """The contents of ``checkpoint.json``, without the version of xlgen."""
        return {"format": FORMAT, **asdict(self)}


_ADAPTER = TypeAdapter(About)


def _check_parts(about: About) -> None:
    if any("\0" in text for text in (about.backbone, about.task or "", about.data_dir)):
        raise InputError("a path contains a NUL character")
    if not isinstance(about.adaptation.get("name"), str):
        raise InputError("adaptation: `name` is missing")
    if about.head is None:
        return
    labels = about.head.get("labels")
    if not isinstance(labels, list) or not labels or not all(isinstance(each, str) for each in labels):
        raise InputError("head: `labels` must be a list of strings")
    if about.head.get("kind") not in ("tagging", "classification", "ranking") or len(set(labels)) != len(labels):
        raise InputError("head: unknown `kind`, or duplicate labels")


def read_about(folder: Path) -> About:
    """Read a checkpoint's description. Raises InputError if ``folder`` is not a checkpoint, or the file is damaged."""
    file = folder / ABOUT
    if not file.exists():
        raise InputError(f"{folder} is not an xlgen checkpoint: it has no {ABOUT}")
    try:
        data = read_object(file)
        check_format(data, str(file))
        known = {key: with_name(key, data[key]) for key in About.__dataclass_fields__ if key in data}
        found = _ADAPTER.validate_json(json.dumps(known))  # in Python mode, strict validation needs an instance
        _check_parts(found)
        if step_in(folder.name) not in (None, found.step):
            raise InputError(f"step is {found.step}, but the folder is called {folder.name}")
        return replace(found, source_languages=tuple(found.source_languages))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"{file} is damaged: {place}: {first['msg']}") from None
    except InputError as error:
        raise InputError(f"{file} is damaged: {error}") from None


def write_about(folder: Path, about: About) -> None:
    """Write a checkpoint's description, with the digests of all other files in its folder."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    text = {**replace(about, files=digests(folder, names)).as_json(), "xlgen": VERSION}
    (folder / ABOUT).write_text(json.dumps(text, indent=1, ensure_ascii=False), encoding="utf-8")


def check_own_files(folder: Path, about: About, known: Digests | None = None, resume: bool = False) -> None:
    """Raise InputError if a file of a checkpoint differs from what was saved.

    Args:
        folder: The checkpoint's folder.
        about: The checkpoint's description.
        known: Digests that are already computed. A file that only they name is an error.
        resume: If true, check the files that only resuming needs; otherwise, check all others.
    """
    if about.files is None:
        return
    before = {name: value for name, value in about.files.items() if name.startswith(f"{RESUME}/") == resume}
    for name in before:
        safe_join(folder, name, f"{folder / ABOUT}: files names")
    now = {**digests(folder, before.keys() - (known or {}).keys()), **(known or {})}
    if changed := changes(before, now):
        raise InputError(
            f"{folder} differs from what was saved: {changed}. It is damaged, or was changed later; use a backup or "
            f"another checkpoint. If the change is intended, remove `files` from its {ABOUT}"
        )
