"""Generation through ``transformers``: length-sorted batches, greedy or beams, the target code forced per example."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor

from xlgen.backbones.base import Backbone
from xlgen.data.batches import budget_batches
from xlgen.data.examples import EncodedExample

# Published checkpoints bring settings of their own (mbart-large-50: 5 beams, a forced end), which must not decide here.
_PLAIN: dict[str, Any] = {
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
}


@dataclass(frozen=True)
class Decoding:
    """How to decode. ``max_new_tokens`` counts what comes after the forced language code."""

    max_new_tokens: int
    num_beams: int = 1
    length_penalty: float = 0.6
    batch_tokens: int = 16_000


@dataclass(frozen=True)
class Hypothesis:
    """One generated text; leftovers of pretraining are still in it."""

    text: str
    score: float
    """Sum of log-probabilities over length ** length_penalty; 0 for greedy decoding, where nothing is compared."""


Bias = Callable[[str, Sequence[int]], Tensor]
"""(target language, source ids) to what is added to the log-probabilities: (vocabulary,)."""


def generate(
    backbone: Backbone,
    sources: Sequence[Sequence[int]],
    languages: Sequence[str],
    decoding: Decoding,
    progress: Callable[[int], None] = lambda count: None,
) -> list[str]:
    """Raw text for each source, in order; leftovers of pretraining are still in it.

    ``sources`` are ids as ``Backbone.encode_source`` gives them, ``languages`` the target language of each; one batch
    may mix languages.
    """
    return [found[0].text for found in hypotheses(backbone, sources, languages, decoding, progress=progress)]


@torch.inference_mode()
def hypotheses(
    backbone: Backbone,
    sources: Sequence[Sequence[int]],
    languages: Sequence[str],
    decoding: Decoding,
    count: int = 1,
    bias: Bias | None = None,
    progress: Callable[[int], None] = lambda count: None,
) -> list[list[Hypothesis]]:
    """The ``count`` best of each source's beams, best first. ``count`` is at most ``num_beams``."""
    model = backbone.model
    was_training = model.training
    model.eval()
    found: list[list[Hypothesis]] = [[] for _ in sources]
    cost = decoding.num_beams
    lengths = [(len(source) * cost, decoding.max_new_tokens * cost) for source in sources]
    budget = max([decoding.batch_tokens, *(max(pair) for pair in lengths)])
    for indices in budget_batches(lengths, budget):
        batch = [EncodedExample(tuple(sources[i]), (0,), languages[i]) for i in indices]
        for index, best in zip(indices, _decode_batch(backbone, batch, decoding, count, bias), strict=True):
            found[index] = best
        progress(len(indices))
    model.train(was_training)
    return found


def _decode_batch(
    backbone: Backbone, batch: Sequence[EncodedExample], decoding: Decoding, count: int, bias: Bias | None
) -> list[list[Hypothesis]]:
    device = next(backbone.model.parameters()).device
    tensors = backbone.collate(batch)
    start = backbone.decoder_start([example.language for example in batch]).to(device)  # (batch, 1 + forced)
    beams: dict[str, Any] = {"length_penalty": decoding.length_penalty} if decoding.num_beams > 1 else {}
    if bias is not None:
        rows = torch.stack([bias(example.language, example.source) for example in batch]).to(device)
        beams["logits_processor"] = [_Biased(rows.repeat_interleave(decoding.num_beams, dim=0))]
    output = backbone.model.generate(
        input_ids=tensors["input_ids"].to(device),
        attention_mask=tensors["attention_mask"].to(device),
        decoder_input_ids=start,
        decoder_start_token_id=int(start[0, 0]),
        max_new_tokens=backbone.new_tokens_limit(decoding.max_new_tokens, start.shape[1]),
        num_beams=decoding.num_beams,
        num_return_sequences=count,
        return_dict_in_generate=True,
        output_scores=decoding.num_beams > 1,
        **_PLAIN,
        **beams,
    )
    texts = [backbone.decode(row) for row in output.sequences[:, start.shape[1] :].tolist()]
    scores = output.sequences_scores.tolist() if decoding.num_beams > 1 else [0.0] * len(texts)
    ranked = [Hypothesis(text, score) for text, score in zip(texts, scores, strict=True)]
    return [ranked[first : first + count] for first in range(0, len(ranked), count)]


class _Biased(LogitsProcessor):
    """Adds a row of biases to each row of log-probabilities."""

    def __init__(self, bias: Tensor) -> None:
        self._bias = bias  # (batch * beams, vocabulary)

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        return scores + self._bias
