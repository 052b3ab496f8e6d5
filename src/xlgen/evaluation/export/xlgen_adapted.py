"""Loads a model that xlgen exported with adapters or prompts. It needs transformers, but not xlgen.

    from xlgen_adapted import load, set_language

    model, tokenizer = load("exported")
    set_language(model, "th")              # for methods with modules for each language; a code, or a code for each text
    tokens = tokenizer(["..."], return_tensors="pt", padding=True)
    model.generate(**tokens, num_beams=4)

Next to this file are ``base/`` (the pretrained model and its tokenizer), ``adapted.safetensors`` (the trained
tensors) and ``adapted.json`` (where to insert them).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Model: TypeAlias = Any
"""A model of transformers. Its parts are attributes that depend on the architecture."""
Arguments: TypeAlias = tuple[Any, ...]
"""Positional arguments of a module, as a hook receives them: tensors, caches and flags."""
Keywords: TypeAlias = dict[str, Any]
"""Keyword arguments of a module."""
BlockOutput: TypeAlias = Tensor | tuple[Any, ...]
"""Hidden states, which attention weights and caches may follow."""


def load(folder: str | Path) -> tuple[Model, PreTrainedTokenizerBase]:
    """The adapted model, ready to generate, and its tokenizer."""
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    base = Path(folder) / "base"
    model = AutoModelForSeq2SeqLM.from_pretrained(base, torch_dtype=torch.float32)
    return adapt(model, folder).eval(), AutoTokenizer.from_pretrained(base)


def adapt(model: Model, folder: str | Path) -> Model:
    """Insert the trained tensors into ``model``, the plain model in ``base/``."""
    about = json.loads((Path(folder) / "adapted.json").read_text(encoding="utf-8"))
    tensors = load_file(Path(folder) / "adapted.safetensors")
    rows = model.adapted_rows = Rows(about["languages"])
    blocks = dict(model.named_modules())
    for place in about["adapters"]:
        stack = [Bottleneck(tensors, prefix, rows) for prefix in place["stack"]]
        block, entrance = blocks[place["block"]], blocks.get(place["entrance"])
        if entrance is None:
            block.register_forward_hook(_After(stack))
        else:
            parallel = _Parallel(stack)
            entrance.register_forward_pre_hook(parallel.enter, with_kwargs=True)
            block.register_forward_hook(parallel.leave)
    if about["prompt"] is not None:
        prompt = _Prompt(model, tensors[about["prompt"]["tensor"]], about["prompt"]["skip"], rows)
        model.get_encoder().register_forward_pre_hook(prompt.encoder, with_kwargs=True)
        model.get_decoder().register_forward_pre_hook(prompt.decoder, with_kwargs=True)
    return model


def set_language(model: Model, language: str | Sequence[str]) -> None:
    """Generate in ``language`` from now on: a code of ``adapted.json``, or one for each text of a batch."""
    model.adapted_rows.choose(language)


class Rows:
    """Selects the row of a tensor: its only row, or that of the language."""

    def __init__(self, languages: Sequence[str]) -> None:
        self.languages = list(languages)
        self._chosen: list[int] | None = None

    def choose(self, language: str | Sequence[str]) -> None:
        """Use the rows of one language, or of a language for each text. Raises ValueError for an unknown language."""
        codes = [language] if isinstance(language, str) else list(language)
        if self.languages and (unknown := sorted(set(codes) - set(self.languages))):
            raise ValueError(f"nothing was trained for {', '.join(unknown)}; there are {', '.join(self.languages)}")
        self._chosen = [self.languages.index(code) for code in codes] if self.languages else None

    def of(self, tensor: Tensor, batch: int) -> Tensor:
        """(rows, ...) to (1, ...), or to (batch, ...) if a batch is in several languages."""
        if len(tensor) == 1:
            return tensor
        if self._chosen is None:
            raise ValueError(f"call set_language first; there are {', '.join(self.languages)}")
        chosen = tensor[torch.tensor(self._chosen, device=tensor.device)]
        # The beams of a text are consecutive rows.
        return chosen if len(chosen) == 1 else chosen.repeat_interleave(batch // len(chosen), dim=0)


class Bottleneck(nn.Module):
    """``W_up relu(W_down h + b) + c``."""

    def __init__(self, tensors: dict[str, Tensor], prefix: str, rows: Rows) -> None:
        super().__init__()
        self.rows = rows
        for name in ("down", "down_bias", "up", "up_bias"):
            self.register_buffer(name, tensors[f"{prefix}.{name}"])

    def forward(self, hidden: Tensor) -> Tensor:
        """(batch, length, dim) to the same."""
        self.to(hidden.device)
        down, down_bias, up, up_bias = (
            self.rows.of(getattr(self, name), len(hidden)).to(hidden.dtype)
            for name in ("down", "down_bias", "up", "up_bias")
        )
        inner = torch.relu(hidden @ down.mT + down_bias[:, None])
        return inner @ up.mT + up_bias[:, None]


class _After:
    """Applies adapters to a block's output, one after another."""

    def __init__(self, stack: Sequence[Bottleneck]) -> None:
        self._stack = stack

    def __call__(self, block: nn.Module, inputs: Arguments, output: BlockOutput) -> BlockOutput:
        hidden = output[0] if isinstance(output, tuple) else output
        for adapter in self._stack:
            hidden = hidden + adapter(hidden)
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden


class _Parallel:
    """Adds an adapter's output for a block's input to the block's output."""

    def __init__(self, stack: Sequence[Bottleneck]) -> None:
        (self._adapter,) = stack
        self._change: Tensor | None = None

    def enter(self, entrance: nn.Module, args: Arguments, kwargs: Keywords) -> None:
        """Compute the adapter's output."""
        self._change = self._adapter(args[0] if args else kwargs["hidden_states"])

    def leave(self, block: nn.Module, inputs: Arguments, output: BlockOutput) -> BlockOutput:
        """Add it to the block's output."""
        assert self._change is not None
        return (output[0] + self._change, *output[1:]) if isinstance(output, tuple) else output + self._change


class _Prompt:
    """Inserts vectors into the encoder's input embeddings, after ``skip`` tokens."""

    def __init__(self, model: Model, vectors: Tensor, skip: int, rows: Rows) -> None:
        self._embed, self._vectors, self._skip, self._rows = model.get_encoder().embed_tokens, vectors, skip, rows

    def encoder(self, encoder: nn.Module, args: Arguments, kwargs: Keywords) -> tuple[Arguments, Keywords]:
        """Embed the ids, insert the prompt and extend the mask."""
        given = dict(kwargs)
        ids = args[0] if args else given.pop("input_ids", None)
        embedded = given.get("inputs_embeds")
        embedded = self._embed(ids) if embedded is None else embedded
        prompt = self._rows.of(self._vectors.to(embedded), len(embedded)).expand(len(embedded), -1, -1)
        given["inputs_embeds"] = torch.cat([embedded[:, : self._skip], prompt, embedded[:, self._skip :]], dim=1)
        if given.get("attention_mask") is not None:
            given["attention_mask"] = self._longer(given["attention_mask"], prompt.shape[1])
        return (), given

    def decoder(self, decoder: nn.Module, args: Arguments, kwargs: Keywords) -> tuple[Arguments, Keywords]:
        """Extend the mask that the decoder receives, which covers only the text."""
        hidden, mask = kwargs.get("encoder_hidden_states"), kwargs.get("encoder_attention_mask")
        if hidden is None or mask is None:
            return args, kwargs
        return args, {**kwargs, "encoder_attention_mask": self._longer(mask, hidden.shape[1] - mask.shape[1])}

    @staticmethod
    def _longer(mask: Tensor, count: int) -> Tensor:
        return torch.cat([mask.new_ones(len(mask), count), mask], dim=1)
