"""Decoding with ``transformers``, the reference that xlgen's search must equal."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from transformers import LogitsProcessor

from xlgen.backbones.base import Backbone
from xlgen.backbones.checking import check_states
from xlgen.core.registry import InputError
from xlgen.data.examples import EncodedExample
from xlgen.decoding.logits import PerInput, Processors, Scores
from xlgen.decoding.settings import Decoding, Hypothesis

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


def hypotheses(
    backbone: Backbone,
    batch: Sequence[EncodedExample],
    decoding: Decoding,
    count: int,
    processors: Processors | None = None,
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
    steps: list[LogitsProcessor] = [_Checked(backbone.name)]
    if processors is not None:
        steps.append(PerInput([processors(example.language, example.source) for example in batch]))
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
        logits_processor=steps,
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

    def __call__(self, input_ids: Tensor, scores: Scores) -> Scores:
        check_states(scores - scores[:, :1], self._name)  # equal scores give zeros
        return scores
