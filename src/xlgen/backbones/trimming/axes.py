"""The tensors of a checkpoint that have a row for each token of the vocabulary.

No names are listed: the library builds the model for two sizes of the vocabulary, without storage, and the tensors
whose shapes differ are these. A checkpoint may have them under names with or without the prefix of the whole model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import torch

from xlgen.backbones.configs import load_config
from xlgen.backbones.trimming.tensors import TensorEntry
from xlgen.backbones.trimming.vocabulary import TrimError
from xlgen.kernels.model_types import TransformersConfig

if TYPE_CHECKING:
    from xlgen.backbones.library_classes import AutoClass

Shapes = Mapping[str, tuple[int, ...]]
_ALSO = {"final_logits_bias": -1}
"""Tensors of published checkpoints that some versions of the library ignore, and the dimension of their rows."""


class VocabularyAxes:
    """The dimension of the vocabulary in a model's tensors.

    Args:
        source: A folder, or an id on the Hub, with the config.
        trimmed: A folder with the config of the trimmed model.
    """

    def __init__(self, source: str, trimmed: str) -> None:
        config = load_config(source)
        before, self._prefix = _shapes(config)
        after_config = load_config(trimmed)
        self._after, _ = _shapes(after_config)
        self._rows = config.get_text_config().vocab_size
        self._rows_after = after_config.get_text_config().vocab_size
        self._axes = {
            self._bare(name): next(
                place for place, pair in enumerate(zip(shape, after, strict=True)) if len({*pair}) > 1
            )
            for name, shape in before.items()
            if (after := self._after[name]) != shape
        }

    def of(self, entries: Iterable[TensorEntry], trimmed: bool = False) -> dict[str, int]:
        """The dimension of the vocabulary, for each tensor of the whole or of the trimmed model that has one."""
        found, rows = {}, self._rows_after if trimmed else self._rows
        for entry in entries:
            name = next((each for each in self._axes if f".{entry.name}".endswith(f".{each}")), None)
            known = next((each for each in _ALSO if entry.name.endswith(each)), None)
            axis = self._axes[name] if name else _ALSO[known] % len(entry.shape) if known and entry.shape else None
            if axis is not None and axis < len(entry.shape) and entry.shape[axis] == rows:
                found[entry.name] = axis
        return found

    def check(self, shapes: Shapes, where: str) -> None:
        """Raise TrimError if a trimmed tensor has not the shape that the library expects."""
        for name, shape in shapes.items():
            expected = self._after.get(name) or self._after.get(f"{self._prefix}.{name}")
            if expected is not None and expected != shape:
                raise TrimError(
                    f"{name} in {where} would be {shape}, and its model expects {expected}: the weights do not fit "
                    "config.json, or have rows for the vocabulary that xlgen does not know"
                )

    def _bare(self, name: str) -> str:
        return name.removeprefix(f"{self._prefix}.")


def _shapes(config: TransformersConfig) -> tuple[dict[str, tuple[int, ...]], str]:
    """The shapes of a model's tensors, under all names of tied ones, and the prefix of its names."""
    try:
        with torch.device("meta"):
            model = model_class(config).from_config(config)
    except Exception as error:  # the library does not check the config's values
        raise TrimError(f"no model can be built from the config of {config.name_or_path}: {error}") from None
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}, str(model.base_model_prefix)


def model_class(config: TransformersConfig) -> AutoClass:
    """The library's class for a config: with a decoder, for causal language modelling, or for masked tokens."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING as CAUSAL
    from transformers import MODEL_FOR_MASKED_LM_MAPPING as MASKED
    from transformers import AutoModel, AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM

    if config.is_encoder_decoder:
        return AutoModelForSeq2SeqLM
    causal = any(str(name).endswith(("CausalLM", "LMHeadModel")) for name in config.architectures or ())
    if type(config) in CAUSAL and (causal or type(config) not in MASKED):
        return AutoModelForCausalLM
    return AutoModelForMaskedLM if type(config) in MASKED else AutoModel
