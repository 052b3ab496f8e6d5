"""Encoders with a head: token classification and sequence classification."""

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
"""The file that marks a saved encoder with a head, unlike a plain model of its family."""

NO_PROMPTS = "prompts cannot be inserted before an encoder with a head; use a method without virtual tokens"

_KINDS = ("tagging", "classification", "ranking")


@dataclass(frozen=True)
class HeadSpec:
    """The outputs of a head."""

    kind: Literal["tagging", "classification", "ranking"]
    """A label for each word, a label for each input, or a grade for each input. A grade is a label too: XGLUE ranks web
    pages by their most probable class of relevance."""
    labels: tuple[str, ...]
    """The labels in the order of their ids."""

    @property
    def by_word(self) -> bool:
        """Whether each word has a label, rather than each input."""
        return self.kind == "tagging"


def head_of(about: JsonMapping | None) -> HeadSpec | None:
    """The head of a JSON object ``{kind, labels}``, or None for None. Raises InputError for anything else."""
    if about is None:
        return None
    kind, labels = (about.get(key) for key in ("kind", "labels")) if isinstance(about, Mapping) else (None, None)
    texts = isinstance(labels, list | tuple) and all(isinstance(label, str) for label in labels)
    if kind not in _KINDS or not texts or not labels or len(set(labels)) != len(labels):
        raise InputError(f"a head needs a kind ({', '.join(_KINDS)}) and distinct labels, not {str(about)[:80]}")
    return HeadSpec(kind, tuple(labels))


class EncoderWithHead(nn.Module):
    """An encoder with a classification head.

    - tagging: ``W dropout(h_t) + b`` at every position, as in the library's ``*ForTokenClassification``.
    - other kinds: ``W dropout(tanh(V dropout(h) + c)) + b``, as in its ``XLMRobertaForSequenceClassification`` (and
      BERT's, whose pretrained ``V`` is not used). ``h`` is the first state if inputs of the family begin with a token
      for it (``[CLS]``), and else the mean of an input's states (Ni et al. 2022, for T5's encoder).

    Args:
        encoder: Maps ``(input_ids, attention_mask)`` to a tuple whose first item is the states, (batch, length, dim).
        config: The config of the whole pretrained model.
        head: The head's kind and labels.
        first_state: Whether the first state represents the input.
    """

    def __init__(self, encoder: nn.Module, config: TransformersConfig, head: HeadSpec, first_state: bool) -> None:
        super().__init__()
        self.config, self.about, self.first_state = config, head, first_state
        self.encoder = encoder
        self.head = _Layers(config.hidden_size, len(head.labels), not head.by_word, _dropout(config))

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **more: Tensor) -> Tensor:
        """Logits of inputs and masks of (batch, length): (batch, length, labels) in tagging, else (batch, labels).

        ``more`` are other inputs of the family's encoder, such as segments.
        """
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **more)[0]  # (batch, length, dim)
        if not self.about.by_word:
            mask = attention_mask.unsqueeze(-1).to(states.dtype)
            mean = (states * mask).sum(1) / mask.sum(1)
            states = states[:, 0] if self.first_state else mean  # (batch, dim)
        logits: Tensor = self.head(states)
        return logits

    def get_encoder(self) -> NoReturn:
        """Methods with virtual tokens call this; they would shift the positions of words. Raises InputError."""
        raise InputError(NO_PROMPTS)

    def save_pretrained(self, folder: Path | str) -> None:
        """Save weights in safetensors, and the pretrained model's config and the head's kind and labels in JSON."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: t.contiguous() for name, t in self.state_dict().items()}, folder / "model.safetensors")
        self.config.save_pretrained(folder)
        (folder / HEAD_FILE).write_text(json.dumps(asdict(self.about), ensure_ascii=False), encoding="utf-8")


class _Layers(nn.Module):
    """The head's layers: (..., dim) to (..., labels)."""

    def __init__(self, dim: int, labels: int, deep: bool, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(dim, dim) if deep else None
        self.classifier = nn.Linear(dim, labels)
        for linear in filter(None, (self.dense, self.classifier)):
            nn.init.normal_(linear.weight, std=0.02)  # as in BERT and XLM-R
            nn.init.zeros_(linear.bias)

    def forward(self, states: Tensor) -> Tensor:
        if self.dense is not None:
            states = torch.tanh(self.dense(self.dropout(states)))
        logits: Tensor = self.classifier(self.dropout(states))
        return logits


def _dropout(config: TransformersConfig) -> float:
    """The dropout probability of a config; the names are those of BERT, of mBART and NLLB, and of T5."""
    names = ("hidden_dropout_prob", "dropout", "dropout_rate")
    return next((float(getattr(config, name)) for name in names if getattr(config, name, None) is not None), 0.1)


def head_loss(logits: Tensor, labels: Tensor, ignored: int, label_smoothing: float = 0.0) -> Tensor:
    """Cross entropy summed over positions or inputs with a label, in fp32.

    Args:
        logits: (batch, length, labels) or (batch, labels).
        labels: (batch, length) or (batch,).
        ignored: The label of positions without one.
        label_smoothing: Share of the probability that is spread over all labels.
    """
    flat = logits.reshape(-1, logits.shape[-1]).float()
    return functional.cross_entropy(
        flat, labels.flatten(), ignore_index=ignored, reduction="sum", label_smoothing=label_smoothing
    )
