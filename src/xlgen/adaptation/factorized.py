"""Factorized prompts: one part for the language and one for the task (Vu et al. 2022, section 3.1, Figure 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from xlgen.adaptation.base import methods
from xlgen.adaptation.inserted import Inserted, PromptPlace
from xlgen.adaptation.language_task_modules import (
    LanguageTaskMethod,
    LanguageTaskModules,
    LanguageTaskOptions,
    names_of,
)
from xlgen.adaptation.prompt import initial_vectors
from xlgen.adaptation.virtual_tokens import VirtualTokens, insert_virtual_tokens
from xlgen.backbones.base import Backbone
from xlgen.backbones.checking import read_tensors


class FactorizedOptions(LanguageTaskOptions):
    """Vu et al. (2022) used 50 + 50 vectors, and 200,000 steps with seven unsupervised tasks in stage 1."""

    num_language_tokens: int = Field(default=50, ge=1, le=65_536)
    """Number of virtual tokens of a language."""
    num_task_tokens: int = Field(default=50, ge=1, le=65_536)
    """Number of virtual tokens of a task."""
    tasks: tuple[str, ...] = Field(
        default=(
            "prefix_lm",
            "span_corruption",
            "iid_denoising",
            "lm",
            "missing_prefix",
            "n_token_prefix",
            "missing_n_token_prefix",
        ),
        min_length=1,
    )
    """The objectives of stage 1, which must include every objective in the stage's ``unlabelled``."""
    init_task: str = "span_corruption"
    """The task of stage 1 whose part initializes the task part of stage 2."""
    init: Literal["uniform", "vocabulary"] = "uniform"
    """The initialization of stage 1, which is random in Vu et al. (2022)."""


class FactorizedPrompt(VirtualTokens, LanguageTaskModules):
    """``[language part ; task part]`` for each example. Each row of a table is a flattened part."""

    def __init__(self, languages: Tensor, tasks: Tensor) -> None:
        """``languages``: (languages, num_language_tokens, dim); ``tasks``: (tasks, num_task_tokens, dim)."""
        super().__init__()
        self.dim = languages.shape[-1]
        self.language = nn.Embedding.from_pretrained(languages.flatten(1), freeze=False)
        self.task = nn.Embedding.from_pretrained(tasks.flatten(1), freeze=False)

    def forward(self, batch: int) -> Tensor:
        """The vectors, of shape (batch, num_language_tokens + num_task_tokens, dim)."""
        language = self.language(self.language_rows).view(len(self.language_rows), -1, self.dim)
        task = self.task(self.task_rows).view(len(self.task_rows), -1, self.dim)
        return torch.cat([language.expand(batch, -1, -1), task.expand(batch, -1, -1)], dim=1)


@methods.register("factorized")
class FactorizedPrompts(LanguageTaskMethod[FactorizedOptions]):
    """Freeze the model and train a prompt with a language part and a task part."""

    Options = FactorizedOptions

    def task_names(self) -> tuple[str, ...]:
        """The objectives of stage 1."""
        return self.options.tasks

    def first_task(self) -> str | None:
        """The task of stage 1 that initializes the task part; span corruption in Vu et al. (2022)."""
        return self.options.init_task

    def insert_modules(self, backbone: Backbone, languages: int, tasks: int) -> None:
        """Insert the prompt into the encoder. Raises BackboneError if there are not enough positions."""
        options = self.options
        of_language, of_task = options.num_language_tokens, options.num_task_tokens
        vectors = initial_vectors(backbone, languages * of_language + tasks * of_task, options.init)
        first, rest = vectors[: languages * of_language], vectors[languages * of_language :]
        prompt = FactorizedPrompt(first.view(languages, of_language, -1), rest.view(tasks, of_task, -1))
        insert_virtual_tokens(backbone, prompt, of_language + of_task)

    def inserted(self, backbone: Backbone) -> Inserted:
        """One prompt per language: the language part, then the task part."""
        prompt = backbone.model.get_encoder().prompt
        languages, task = self.rows_in_use()
        first = prompt.language.weight[languages].unflatten(1, (-1, prompt.dim))
        rest = prompt.task.weight[[task]].unflatten(1, (-1, prompt.dim)).expand(len(first), -1, -1)
        whole = torch.cat([first, rest], dim=1)  # (languages, tokens, dim)
        return Inserted({"prompt": whole}, prompt=PromptPlace("prompt", prompt.skip), languages=self.spoken)

    def language_prompts(self, folder: Path, languages: Sequence[str]) -> Mapping[str, Tensor]:
        """The language parts."""
        tensors = read_tensors(folder / self.weights_file)
        (table,) = (tensor for name, tensor in tensors.items() if name.endswith("encoder.prompt.language.weight"))
        parts = table.unflatten(1, (self.options.num_language_tokens, -1))  # (languages, tokens, width)
        return dict(zip(names_of(folder)[0], parts, strict=True))
