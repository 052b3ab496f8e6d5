"""What a checkpoint says of itself (``checkpoint.json``) and what a run resumes from, typed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from xlgen.core.config import Cleanup
from xlgen.core.config_base import LARGEST_SEED
from xlgen.core.registry import InputError
from xlgen.runs.digests import Digests, changes, digests
from xlgen.runs.files import FORMAT, check_format, step_in
from xlgen.runs.records import LARGEST
from xlgen.core.untrusted import read_object, safe_join

ABOUT = "checkpoint.json"
RESUME = "resume"
"""The folder in a checkpoint of what only resuming needs. It may be removed."""
_Text = Annotated[str, Field(min_length=1, max_length=4_096)]


@dataclass(frozen=True)
class About:
    """What a checkpoint says of itself."""

    step: Annotated[int, Field(ge=0, lt=LARGEST)]
    backbone: _Text
    adaptation: Mapping[str, Any]
    task: _Text | None
    data_dir: _Text
    allow_unknown: bool = False
    """Whether languages that the backbone does not know are let through."""
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED)] = 0
    """From which inserted modules were drawn."""
    head: Mapping[str, Any] | None = None
    """Of a task of labels, what its head tells: ``{kind, labels}``."""
    init: Literal["pretrained", "random"] = "pretrained"
    """``random`` where the backbone's own weights were drawn from ``seed`` too."""
    task_config: Mapping[str, Any] | None = None
    """The task as it was in training: template, languages, limits, metrics. None in folders of earlier versions."""
    cleanup: Cleanup = "phrases"
    """How the recipe's evaluation cleans outputs up, and so does ``xlgen predict``."""
    source_languages: Sequence[str] = ()
    """Which had labels in training; none in folders of earlier versions."""
    limits: Mapping[str, Annotated[int, Field(ge=1, lt=LARGEST)]] = field(default_factory=dict)
    """Lengths that the recipe gives instead of the task's."""
    tokenizer: _Text | None = field(default=None, compare=False)
    """A digest of the vocabulary of the tokenizer that it was trained with. None in folders of earlier versions."""

    files: Mapping[str, str] | None = field(default=None, compare=False)
    """Digests of the checkpoint's other files. None in folders of earlier versions."""
    backbone_files: Mapping[str, str] | None = field(default=None, compare=False)
    """Digests of the files that the backbone was loaded from. None in folders of earlier versions."""

    # What pydantic is told of a dataclass that it has not made.
    __pydantic_config__ = ConfigDict(strict=True)

    def as_json(self) -> dict[str, Any]:
        """What ``checkpoint.json`` holds, but for the version of xlgen."""
        return {"format": FORMAT, **asdict(self)}


_ADAPTER = TypeAdapter(About)


def _check_parts(about: About) -> None:
    if any("\0" in text for text in (about.backbone, about.task or "", about.data_dir)):
        raise InputError("a path holds a NUL")
    if not isinstance(about.adaptation.get("method"), str):
        raise InputError("adaptation: it needs a `method`")
    if about.head is None:
        return
    labels = about.head.get("labels")
    if not isinstance(labels, list) or not labels or not all(isinstance(each, str) for each in labels):
        raise InputError("head: it needs `labels`, a list of texts")
    if about.head.get("kind") not in ("tagging", "classification", "ranking") or len(set(labels)) != len(labels):
        raise InputError("head: its kind is none that is known, or a label occurs twice")


def read_about(folder: Path) -> About:
    """What a checkpoint says of itself. Raises InputError where ``folder`` is none, or its file is damaged."""
    file = folder / ABOUT
    if not file.exists():
        raise InputError(f"{folder} is no checkpoint of xlgen: it has no {ABOUT}")
    try:
        data = read_object(file)
        check_format(data, str(file))
        known = {key: data[key] for key in About.__dataclass_fields__ if key in data}
        found = _ADAPTER.validate_json(json.dumps(known))  # from Python, strictness would want an instance
        _check_parts(found)
        if step_in(folder.name) not in (None, found.step):
            raise InputError(f"step is {found.step}, and the folder is called {folder.name}")
        return replace(found, source_languages=tuple(found.source_languages))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"{file} is damaged: {place}: {first['msg']}") from None
    except InputError as error:
        raise InputError(f"{file} is damaged: {error}") from None


def check_own_files(folder: Path, about: About, known: Digests | None = None, resume: bool = False) -> None:
    """Raise InputError where a file of a checkpoint is not what was saved.

    Args:
        folder: The checkpoint's.
        about: What it says of itself.
        known: Digests that were computed already; a file that only they name is an error.
        resume: Whether the files that only resuming needs are checked; else all others are.
    """
    if about.files is None:
        return
    before = {name: value for name, value in about.files.items() if name.startswith(f"{RESUME}/") == resume}
    for name in before:
        safe_join(folder, name, f"{folder / ABOUT}: files names")
    now = {**digests(folder, before.keys() - (known or {}).keys()), **(known or {})}
    if changed := changes(before, now):
        raise InputError(
            f"{folder} is not what was saved: {changed}. It is damaged, or was changed later; use a copy of it, or "
            f"another checkpoint. If the change is intended, remove `files` from its {ABOUT}"
        )
