"""Encoders under a head: token classification and sequence classification."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, NoReturn

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from xlgen.core.json_types import JsonMapping
from xlgen.core.registry import InputError
from xlgen.kernels.model_types import TransformersConfig

HEAD_FILE = "head.json"
"""What tells a saved encoder with a head from a model of its family."""


NO_PROMPTS = "prompts cannot stand before an encoder under a head; take a method without virtual tokens"

_KINDS = ("tagging", "classification", "ranking")


@dataclass(frozen=True)
class HeadSpec:
    """What a head tells."""

    kind: Literal["tagging", "classification", "ranking"]
    """A label for each word, or for each input; or a grade for each input, which is a label too: XGLUE ranks web pages
    by the class of relevance that is most probable."""
    labels: tuple[str, ...]
    """In the order of their ids."""

    @property
    def by_word(self) -> bool:
        """Whether words have labels, and not inputs."""
        return self.kind == "tagging"


def head_of(about: JsonMapping | None) -> HeadSpec | None:
    """The head in ``{kind, labels}``, as JSON keeps it; None of None. Raises InputError for anything else."""
    if about is None:
        return None
    kind, labels = (about.get(key) for key in ("kind", "labels")) if isinstance(about, Mapping) else (None, None)
    texts = isinstance(labels, list | tuple) and all(isinstance(label, str) for label in labels)
    if kind not in _KINDS or not texts or not labels or len(set(labels)) != len(labels):
        raise InputError(f"a head has a kind of {', '.join(_KINDS)} and labels, each once; not {str(about)[:80]}")
    return HeadSpec(kind, tuple(labels))


class EncoderWithHead(nn.Module):
    """An encoder and a head of few classes.

    - tagging: ``W dropout(h_t) + b`` at every position, as the library's ``*ForTokenClassification``.
    - else: ``W dropout(tanh(V dropout(h) + c)) + b``, as its ``XLMRobertaForSequenceClassification`` (and BERT's, whose
      pretrained ``V`` is not taken over); ``h`` is the first state where the family begins with a token for that
      (``[CLS]``), and the mean of all states of an input elsewhere (Ni et al. 2022, for T5's encoder).

    Args:
        encoder: ``(input_ids, attention_mask)`` to states of (batch, length, dim) as the first of its outputs.
        config: Of the whole pretrained model.
        head: What to tell.
        first_state: Whether the first state stands for the input.
    """

    def __init__(self, encoder: nn.Module, config: TransformersConfig, head: HeadSpec, first_state: bool) -> None:
        super().__init__()
        self.config, self.about, self.first_state = config, head, first_state
        self.encoder = encoder
        self.head = _Layers(config.hidden_size, len(head.labels), not head.by_word, _dropout(config))

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **more: Tensor) -> Tensor:
        """Logits, (batch, length, labels) of tagging and (batch, labels) else; of (batch, length) each.

        ``more`` is what else the family's encoder takes: segments.
        """
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **more)[0]  # (batch, length, dim)
        if not self.about.by_word:
            mask = attention_mask.unsqueeze(-1).to(states.dtype)
            mean = (states * mask).sum(1) / mask.sum(1)
            states = states[:, 0] if self.first_state else mean  # (batch, dim)
        logits: Tensor = self.head(states)
        return logits

    def get_encoder(self) -> NoReturn:
        """What puts virtual tokens before an input asks for it; words would move. Raises InputError."""
        raise InputError(NO_PROMPTS)

    def save_pretrained(self, folder: Path | str) -> None:
        """Weights in safetensors, the pretrained model's config, and what the head is, in JSON."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: t.contiguous() for name, t in self.state_dict().items()}, folder / "model.safetensors")
        self.config.save_pretrained(folder)
        (folder / HEAD_FILE).write_text(json.dumps(asdict(self.about), ensure_ascii=False), encoding="utf-8")


class _Layers(nn.Module):
    """The head alone: (..., dim) to (..., labels)."""

    def __init__(self, dim: int, labels: int, deep: bool, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(dim, dim) if deep else None
        self.classifier = nn.Linear(dim, labels)
        for linear in filter(None, (self.dense, self.classifier)):
            nn.init.normal_(linear.weight, std=0.02)  # BERT's and XLM-R's
            nn.init.zeros_(linear.bias)

    def forward(self, states: Tensor) -> Tensor:
        if self.dense is not None:
            states = torch.tanh(self.dense(self.dropout(states)))
        logits: Tensor = self.classifier(self.dropout(states))
        return logits


def _dropout(config: TransformersConfig) -> float:
    """What the family calls its dropout: BERT, mBART and NLLB, T5."""
    names = ("hidden_dropout_prob", "dropout", "dropout_rate")
    return next((float(getattr(config, name)) for name in names if getattr(config, name, None) is not None), 0.1)


def head_loss(logits: Tensor, labels: Tensor, ignored: int, label_smoothing: float = 0.0) -> Tensor:
    """Cross entropy summed over what has a label, in fp32.

    Args:
        logits: (batch, length, labels) or (batch, labels).
        labels: (batch, length) or (batch,), ``ignored`` where there is none.
        ignored: The label that does not count.
        label_smoothing: Share of the target that is spread over all labels.
    """
    flat = logits.reshape(-1, logits.shape[-1]).float()
    return functional.cross_entropy(
        flat, labels.flatten(), ignore_index=ignored, reduction="sum", label_smoothing=label_smoothing
    )
