"""Generation through ``transformers``: length-sorted batches, greedy or beams, the target code forced per example."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

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


@torch.inference_mode()
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
    model = backbone.model
    was_training = model.training
    model.eval()
    texts = [""] * len(sources)
    cost = decoding.num_beams
    lengths = [(len(source) * cost, decoding.max_new_tokens * cost) for source in sources]
    budget = max([decoding.batch_tokens, *(max(pair) for pair in lengths)])
    for indices in budget_batches(lengths, budget):
        batch = [EncodedExample(tuple(sources[i]), (0,), languages[i]) for i in indices]
        for index, text in zip(indices, _generate_batch(backbone, batch, decoding), strict=True):
            texts[index] = text
        progress(len(indices))
    model.train(was_training)
    return texts


def _generate_batch(backbone: Backbone, batch: Sequence[EncodedExample], decoding: Decoding) -> list[str]:
    device = next(backbone.model.parameters()).device
    tensors = backbone.collate(batch)
    start = backbone.decoder_start([example.language for example in batch]).to(device)  # (batch, 1 + forced)
    beams = {"length_penalty": decoding.length_penalty} if decoding.num_beams > 1 else {}
    ids = backbone.model.generate(
        input_ids=tensors["input_ids"].to(device),
        attention_mask=tensors["attention_mask"].to(device),
        decoder_input_ids=start,
        decoder_start_token_id=int(start[0, 0]),
        max_new_tokens=backbone.new_tokens_limit(decoding.max_new_tokens, start.shape[1]),
        num_beams=decoding.num_beams,
        **_PLAIN,
        **beams,
    )
    return [backbone.decode(row) for row in ids[:, start.shape[1] :].tolist()]
