"""What a checkpoint says of itself (``checkpoint.json``) and what a run resumes from, typed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from xlgen.config import Cleanup
from xlgen.config_base import LARGEST_SEED
from xlgen.registry import InputError
from xlgen.results.files import FORMAT, check_format
from xlgen.results.records import LARGEST
from xlgen.untrusted import read_object

ABOUT = "checkpoint.json"
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
        return replace(found, source_languages=tuple(found.source_languages))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"{file} is damaged: {place}: {first['msg']}") from None
    except InputError as error:
        raise InputError(f"{file} is damaged: {error}") from None
