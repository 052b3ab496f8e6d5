"""Decoding with ``transformers``, the reference that xlgen's search must equal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor
from transformers import LogitsProcessor

from xlgen.backbones.base import Backbone
from xlgen.backbones.checking import check_states
from xlgen.core.registry import InputError
from xlgen.data.examples import EncodedExample
from xlgen.decoding.settings import Allowed, Bias, Decoding, Hypothesis

# Overrides of the generation settings in published checkpoints (mbart-large-50: 5 beams, a forced end).
_PLAIN: dict[str, object] = {
    "do_sample": False,
    "early_stopping": False,
    "min_length": 0,
    "min_new_tokens": None,
    "no_repeat_ngram_size": 0,
    "encoder_no_repeat_ngram_size": 0,
    "repetition_penalty": 1.0,
    "bad_words_ids": None,
    "suppress_tokens": None,
    "begin_suppress_tokens": None,
    "forced_bos_token_id": None,
    "forced_eos_token_id": None,
    "stop_strings": None,
    "penalty_alpha": None,
    "guidance_scale": None,
    "prompt_lookup_num_tokens": None,
    "output_hidden_states": False,
    "output_attentions": False,
}


_Scores: TypeAlias = Any
"""Scores of all tokens, (batch * beams, vocabulary). The library declares ``torch.FloatTensor``, and PyTorch
declares ``Tensor`` for the results of operations."""


def hypotheses(
    backbone: Backbone,
    batch: Sequence[EncodedExample],
    decoding: Decoding,
    count: int,
    bias: Bias | None,
    allowed: Allowed | None = None,
) -> list[list[Hypothesis]]:
    """The ``count`` best hypotheses of each source, best first.

    Raises InputError for sampling and for other beam search rules, which only xlgen's search supports.
    """
    if decoding.sampling is not None:
        raise InputError("the transformers engine does not support sampling; leave `engine` at xlgen")
    if decoding.beam_search != "transformers":
        raise InputError(
            f"the transformers engine does not support the rules of {decoding.beam_search}; leave `engine` at xlgen"
        )
    device = next(backbone.model.parameters()).device
    tensors = backbone.collate(batch)
    start = backbone.decoder_start([example.language for example in batch]).to(device)  # (batch, 1 + forced)
    beams: dict[str, float] = {"length_penalty": decoding.length_penalty} if decoding.num_beams > 1 else {}
    processors: list[LogitsProcessor] = [_Checked(backbone.name)]
    if bias is not None:
        rows = torch.stack([bias(example.language, example.source) for example in batch]).to(device)
        processors.append(_Biased(rows.repeat_interleave(decoding.num_beams, dim=0)))
    if allowed is not None:
        processors.append(_Allowed(allowed, start.shape[1]))
    output = backbone.model.generate(
        input_ids=tensors["input_ids"].to(device),
        attention_mask=tensors["attention_mask"].to(device),
        decoder_input_ids=start,
        decoder_start_token_id=int(start[0, 0]),
        eos_token_id=backbone.tokenizer.eos_token_id,
        pad_token_id=backbone.tokenizer.pad_token_id,
        max_new_tokens=backbone.new_tokens_limit(decoding.max_new_tokens, start.shape[1]),
        num_beams=decoding.num_beams,
        num_return_sequences=count,
        return_dict_in_generate=True,
        output_scores=decoding.num_beams > 1,
        logits_processor=processors,
        **_PLAIN,
        **beams,
    )
    outputs = [_to_the_end(row, backbone) for row in output.sequences[:, start.shape[1] :].tolist()]
    scores = output.sequences_scores.tolist() if decoding.num_beams > 1 else [0.0] * len(outputs)
    ranked = [Hypothesis(backbone.decode(ids), score, tuple(ids)) for ids, score in zip(outputs, scores, strict=True)]
    return [ranked[first : first + count] for first in range(0, len(ranked), count)]


def _to_the_end(ids: list[int], backbone: Backbone) -> list[int]:
    end = backbone.tokenizer.eos_token_id
    return ids[: ids.index(end) + 1] if end in ids else ids


class _Checked(LogitsProcessor):
    """Raises WeightsError for scores that cannot rank tokens, for example from damaged weights."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, input_ids: Tensor, scores: _Scores) -> _Scores:
        check_states(scores - scores[:, :1], self._name)  # equal scores give zeros
        return scores


class _Biased(LogitsProcessor):
    """Adds a row of biases to each row of log-probabilities."""

    def __init__(self, bias: Tensor) -> None:
        self._bias = bias  # (batch * beams, vocabulary)

    def __call__(self, input_ids: Tensor, scores: _Scores) -> _Scores:
        return scores + self._bias


class _Allowed(LogitsProcessor):
    """Adds the row of ``allowed`` for the ids after the first ``prompt`` ids to each row of scores."""

    def __init__(self, allowed: Allowed, prompt: int) -> None:
        self._allowed, self._prompt = allowed, prompt

    def __call__(self, input_ids: Tensor, scores: _Scores) -> _Scores:
        rows = [self._allowed(tuple(row[self._prompt :])) for row in input_ids.tolist()]
        return scores + torch.stack(rows).to(scores.device)
