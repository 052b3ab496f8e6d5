"""Methods with a module per language and a module per task, which are combined for each example.

Shared by factorized prompts (Vu et al. 2022, section 3.1) and MAD-X (Pfeiffer et al. 2020). Stage 1 (``learn:
languages``) trains a language part for every language on unlabelled text. Stage 2 (``learn: task``) trains a new task
part on labels, together with the frozen language part of the source language. To generate in another language, its
language part replaces that of the source language.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from typing_extensions import TypeVar

from xlgen.adaptation.base import Method, MethodOptions, checkpoint_to_start_from
from xlgen.backbones.base import Backbone, BackboneError
from xlgen.backbones.checking import read_tensors
from xlgen.core.languages import Language
from xlgen.core.untrusted import read_object
from xlgen.data.examples import EncodedExample

_NAMES = "halves.json"


class LanguageTaskOptions(MethodOptions):
    """The options that both methods share."""

    learn: Literal["languages", "task"] = "languages"
    """Stage 1 (``languages``) or stage 2 (``task``)."""
    languages: tuple[str, ...] = ()
    """The languages with a language part. If empty, all that the backbone knows."""
    start: str | None = None
    """For stage 2: the run or checkpoint of stage 1. If None, the previous stage of the same recipe."""
    source_language: str = "en"
    """The language of the labels in stage 2."""
    keep_source_language: bool = False
    """Generate with the source language's part in every language: the ablation FP-EN of Vu et al. (2022)."""


class LanguageTaskModules(nn.Module):
    """Base of the inserted modules: tables with a row per language or per task, and the rows in use.

    A subclass has the tables ``language`` and ``task``; each is an ``nn.Embedding``, or a module of several.
    """

    language_rows: Tensor
    """The row of each example, of shape (batch,), or one row for all, of shape (1,)."""
    task_rows: Tensor


def language_task_modules_of(backbone: Backbone) -> list[tuple[str, LanguageTaskModules]]:
    """The inserted modules, by name."""
    return [
        (name, module) for name, module in backbone.model.named_modules() if isinstance(module, LanguageTaskModules)
    ]


def names_of(folder: Path) -> tuple[list[str], list[str]]:
    """The languages and tasks of a checkpoint's rows. Raises OSError, ValueError, KeyError or TypeError if damaged."""
    names = read_object(folder / _NAMES)
    return list(names["languages"]), list(names["tasks"])


LanguageTaskOptionsT = TypeVar(
    "LanguageTaskOptionsT", bound=LanguageTaskOptions, default=LanguageTaskOptions, covariant=True
)


class LanguageTaskMethod(Method[LanguageTaskOptionsT]):
    """Base of the two methods. A subclass inserts :class:`LanguageTaskModules`."""

    Options = LanguageTaskOptions
    continues: ClassVar[bool] = True

    def task_names(self) -> tuple[str, ...]:
        """The tasks of stage 1 that have their own part; empty if only languages are learned."""
        return ()

    def first_task(self) -> str | None:
        """The task of stage 1 whose part initializes that of stage 2; None if there is none."""
        return None

    @abstractmethod
    def insert_modules(self, backbone: Backbone, languages: int, tasks: int) -> None:
        """Insert modules with tables of ``languages`` and ``tasks`` rows."""

    # -- the interface of methods

    def insert(self, backbone: Backbone) -> None:
        """Insert tables for the languages, and for the tasks of stage 1 or the new task of stage 2."""
        named = tuple(Language.parse(text).code for text in self.options.languages)
        backbone.check_languages(named)
        self._languages = named or backbone.languages
        self._tasks = self.task_names() if self.options.learn == "languages" else ("task",)
        self.insert_modules(backbone, len(self._languages), len(self._tasks))
        prefixes = tuple(f"{name}." for name, _ in language_task_modules_of(backbone))
        self._names = {name for name, _ in backbone.model.named_parameters() if name.startswith(prefixes)}
        self._use(backbone, [0], [0])

    def trains(self, name: str, backbone: Backbone) -> bool:
        """Whether ``name`` is trained: all parts in stage 1, the task's part in stage 2."""
        return name in self._names and (self.options.learn == "languages" or ".task." in name)

    def saves(self, name: str, backbone: Backbone) -> bool:
        """Whether ``name`` belongs to a part. Frozen parts are saved too, because the other languages need them."""
        return name in self._names

    def save(self, backbone: Backbone, folder: Path) -> None:
        """Save the tables, and the languages and tasks of their rows."""
        super().save(backbone, folder)
        text = json.dumps({"languages": self._languages, "tasks": self._tasks}, indent=1)
        (folder / _NAMES).write_text(text, encoding="utf-8")

    def check_data(self, task: str, languages: Sequence[str]) -> None:
        """Raise BackboneError if a language or the task has no part."""
        self._rows(languages)
        self._task_row(task)

    def select(self, backbone: Backbone, examples: Sequence[EncodedExample]) -> None:
        """Select the parts of each example's language and task. A batch may have several of both."""
        languages = self._rows([example.language for example in examples])
        self._use(backbone, languages, [self._task_row(example.task) for example in examples])

    def set_language(self, backbone: Backbone, language: str) -> None:
        """Select the language's part or, with ``keep_source_language``, that of the source language."""
        options = self.options
        code = Language.parse(options.source_language).code if options.keep_source_language else language
        self._use(backbone, self._rows([code]), [self._task_row(self.first_task() or "")])

    def begin(self, backbone: Backbone, earlier: Path | None) -> None:
        """In stage 2, copy the parts of stage 1. Raises BackboneError if they are missing or do not fit."""
        if self.options.learn == "languages":
            return
        folder = self._stage_1(earlier, backbone)
        try:
            learned, tasks = names_of(folder)
            theirs = read_tensors(folder / self.weights_file)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise BackboneError(f"the checkpoint of stage 1 in {folder} is damaged: {error}") from None
        missing = [code for code in self._languages if code not in learned]
        if missing:
            raise BackboneError(
                f"stage 1 in {folder} has no language part for {', '.join(missing)}; name fewer `languages`"
            )
        languages = [learned.index(code) for code in self._languages]
        first = self.first_task()
        if first is not None and first not in tasks:
            raise BackboneError(f"stage 1 in {folder} learned no task {first!r}; it has {', '.join(tasks)}")
        for name, tensor in self.state(backbone).items():
            if ".task." in name and first is None:
                continue
            rows = [tasks.index(str(first))] if ".task." in name else languages
            found = theirs[name][rows] if name in theirs else tensor.new_empty(0)
            if found.shape != tensor.shape:
                raise BackboneError(f"stage 1 in {folder} had another backbone or other sizes: {name} does not fit")
            tensor.copy_(found)

    @property
    def spoken(self) -> tuple[str, ...]:
        """The languages that have their own part in generation; empty if all use that of the source language."""
        return () if self.options.keep_source_language else self._languages

    def rows_in_use(self) -> tuple[list[int], int]:
        """The language rows used in generation, one per language in ``spoken`` or one for all; the task's row."""
        codes = self.spoken or (Language.parse(self.options.source_language).code,)
        return self._rows(codes), self._task_row(self.first_task() or "")

    # -- rows

    def _stage_1(self, earlier: Path | None, backbone: Backbone) -> Path:
        """The folder of the checkpoint to start from."""
        start = self.options.start
        if start is None and earlier is None:
            raise BackboneError(
                "`learn: task` starts from the language parts of a stage with `learn: languages`: put such a stage "
                "before this one, or name its run or checkpoint with adaptation.start=..."
            )
        folder = earlier if start is None else Path(start)
        assert folder is not None
        folder = checkpoint_to_start_from(folder, backbone)
        if not (folder / _NAMES).exists():
            raise BackboneError(f"no checkpoint of a stage with `learn: languages` in {folder}; train that stage first")
        return folder

    def _rows(self, languages: Sequence[str]) -> list[int]:
        missing = sorted({code for code in languages if code not in self._languages})
        if missing:
            raise BackboneError(f"no language part for {', '.join(missing)}; there are {', '.join(self._languages)}")
        return [self._languages.index(code) for code in languages]

    def _task_row(self, task: str) -> int:
        """The row of a task. In stage 2 there is only the new task."""
        if self.options.learn == "task" or not self._tasks:
            return 0
        if task not in self._tasks:
            raise BackboneError(f"no task part for {task!r}; stage 1 learns {', '.join(self._tasks)}")
        return self._tasks.index(task)

    def _use(self, backbone: Backbone, languages: Sequence[int], tasks: Sequence[int]) -> None:
        device: torch.device = next(backbone.model.parameters()).device
        for _, module in language_task_modules_of(backbone):
            module.language_rows = torch.tensor(languages, device=device)
            module.task_rows = torch.tensor(tasks, device=device)
