"""MAD-X: in each layer a language adapter, followed by a task adapter (Pfeiffer et al. 2020, section 3).

The paper's invertible adapters at the embeddings are left out: their inverse is applied to the output embeddings, which
mT5 does not share with the input.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from xlgen.adaptation.adapters import put_after
from xlgen.adaptation.base import methods
from xlgen.adaptation.inserted import AdapterPlace, Inserted, bottleneck
from xlgen.adaptation.language_task_modules import LanguageTaskMethod, LanguageTaskModules, LanguageTaskOptions
from xlgen.backbones.base import Backbone
from xlgen.kernels.model_types import ModelPart


class MadxOptions(LanguageTaskOptions):
    """Each language needs its own set of adapters, so set ``languages`` if the backbone knows many."""

    language_bottleneck_dim: int = Field(default=64, ge=1, le=65_536)
    """Inner width of a language's adapter."""
    task_bottleneck_dim: int = Field(default=64, ge=1, le=65_536)
    """Inner width of a task's adapter."""


class AdapterTable(nn.Module):
    """Bottleneck adapters ``h + W_up relu(W_down h)``, one per row of the tables. Initially ``W_up = 0``."""

    def __init__(self, rows: int, dim: int, bottleneck_dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.down = nn.Embedding(rows, bottleneck_dim * dim)
        self.down_bias = nn.Embedding(rows, bottleneck_dim)
        self.up = nn.Embedding(rows, dim * bottleneck_dim)
        self.up_bias = nn.Embedding(rows, dim)
        nn.init.normal_(self.down.weight, std=dim**-0.5)
        for table in (self.down_bias, self.up, self.up_bias):
            nn.init.zeros_(table.weight)

    def weights(self, rows: Sequence[int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """``W_down`` (rows, bottleneck, dim), its bias, ``W_up`` (rows, dim, bottleneck), its bias."""
        chosen = list(rows)
        down, up = (table.weight[chosen] for table in (self.down, self.up))
        return (
            down.unflatten(1, (-1, self.dim)),
            self.down_bias.weight[chosen],
            up.unflatten(1, (self.dim, -1)),
            self.up_bias.weight[chosen],
        )

    def forward(self, hidden: Tensor, rows: Tensor) -> Tensor:
        """Adapt states of shape (batch, length, dim). ``rows`` has the shape (batch,), or (1,) for one row."""
        down = self.down(rows).view(len(rows), -1, self.dim)  # (rows, bottleneck, dim)
        up = self.up(rows).view(len(rows), self.dim, -1)  # (rows, dim, bottleneck)
        inner = functional.relu(torch.matmul(hidden, down.mT) + self.down_bias(rows)[:, None])
        bias: Tensor = self.up_bias(rows)[:, None]
        return hidden + torch.matmul(inner, up.mT) + bias


class StackedAdapter(LanguageTaskModules):
    """A language adapter, followed in stage 2 by a task adapter."""

    def __init__(self, languages: int, tasks: int, dim: int, options: MadxOptions) -> None:
        super().__init__()
        self.language = AdapterTable(languages, dim, options.language_bottleneck_dim)
        self.task = AdapterTable(tasks, dim, options.task_bottleneck_dim) if tasks else None

    def forward(self, hidden: Tensor) -> Tensor:
        """Adapt states of shape (batch, length, dim)."""
        hidden = self.language(hidden, self.language_rows)
        states: Tensor = hidden if self.task is None else self.task(hidden, self.task_rows)
        return states


@methods.register("madx")
class MadX(LanguageTaskMethod[MadxOptions]):
    """Freeze the model; train language adapters on text, then a task adapter on top of the source language's."""

    Options = MadxOptions

    def inserted(self, backbone: Backbone) -> Inserted:
        """In each layer, the language adapters and the task adapter."""
        languages, task = self.rows_in_use()
        tensors: dict[str, Tensor] = {}
        places = []
        for number, (name, block) in enumerate(backbone.sublayers(attention=False)):
            adapter: ModelPart = block.adapter
            parts = {"language": (adapter.language, languages)}
            if adapter.task is not None:
                parts["task"] = (adapter.task, [task])
            for part, (table, rows) in parts.items():
                tensors |= bottleneck(f"{number}.{part}", table.weights(rows))
            places.append(AdapterPlace(name, tuple(f"{number}.{part}" for part in parts)))
        return Inserted(tensors, places, languages=self.spoken)

    def insert_modules(self, backbone: Backbone, languages: int, tasks: int) -> None:
        """Insert a pair of adapters after the feed-forward block of every layer."""
        dim = backbone.model.config.hidden_size
        for _, block in backbone.sublayers(attention=False):
            put_after(block, StackedAdapter(languages, tasks, dim, self.options))
