"""T5X's beam search against an implementation of its own, in NumPy, that decodes one input at a time without a cache.

It follows ``beam_search`` of t5x/decoding.py (Roberts et al. 2022) step by step: 2K candidates, K live and K finished
sequences, ((5 + length) / 6) ** alpha, and what it does at the limit.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from xlgen.backbones import loading
from xlgen.backbones.base import Backbone
from xlgen.core.config import Evaluation
from xlgen.core.registry import InputError
from xlgen.data.tasks import load_task
from xlgen.decoding.decode import hypotheses
from xlgen.decoding.settings import Decoding
from xlgen.evaluation.generator import decoding_of
from xlgen.experiments.plan import load_study
from xlgen.kernels import decoder_steps
from xlgen.kernels.beam_rules import beam_rules
from xlgen.pocket import world

LOW = -1.0e7
Scored = list[tuple[tuple[int, ...], float]]


def t5x(backbone: Backbone, source: list[int], language: str, beams: int, alpha: float, longest: int) -> Scored:
    """The finished sequences, best first, with their scores; the live ones where none has finished."""
    end, start = backbone.tokenizer.eos_token_id, backbone.decoder_start([language])[0]
    inputs = torch.tensor([source])

    def log_probs(written: list[tuple[int, ...]]) -> np.ndarray:
        ids = torch.stack([torch.cat([start, torch.tensor(ids, dtype=torch.long)]) for ids in written])
        with torch.inference_mode():
            logits = backbone.model(input_ids=inputs.expand(len(ids), -1), decoder_input_ids=ids).logits[:, -1]
        return logits.float().log_softmax(-1).numpy()

    def penalty(length: int) -> float:
        return float(((5.0 + length) / 6.0) ** alpha)

    live: Scored = [((), 0.0)] + [((), LOW)] * (beams - 1)
    finished: list[tuple[tuple[int, ...], float, bool]] = [((), LOW, False)] * beams
    for length in range(1, longest + 1):
        worst = min(score for _, score, _ in finished)
        if all(flag for *_, flag in finished) and worst > max(s for _, s in live) / penalty(longest + 1):
            break
        table = log_probs([ids for ids, _ in live]) + np.array([score for _, score in live])[:, None]
        flat = np.argsort(-table.ravel(), kind="stable")[: 2 * beams]
        size = table.shape[1]
        candidates = [((*live[f // size][0], int(f % size)), float(table.ravel()[f])) for f in flat]
        ended = [ids[-1] == end for ids, _ in candidates]
        fresh = [
            (ids, score / penalty(length), True) for (ids, score), over in zip(candidates, ended, strict=True) if over
        ]
        finished = sorted([*finished, *fresh], key=lambda each: -each[1])[:beams]
        still = [(ids, score + (LOW if over else 0.0)) for (ids, score), over in zip(candidates, ended, strict=True)]
        live = sorted(still, key=lambda each: -each[1])[:beams]
    done = [(ids, score) for ids, score, flag in finished if flag]
    return done or sorted(live, key=lambda each: -each[1])


def inputs(backbone: Backbone, count: int) -> list[tuple[list[int], str]]:
    codes = [code for code in ("en", "fr", "th", "ar") if code in backbone.languages]
    found = []
    for number, frame in enumerate(islice(world.frames("validation", count), count)):
        code = codes[number % len(codes)]
        ids = backbone.tokenize(world.render(frame, code).document)[: 6 + number * 5 % 23]
        found.append((list(backbone.source(ids, code)), code))
    return found


def compare(backbone: Backbone, given: list[tuple[list[int], str]], beams: int, alpha: float, longest: int) -> int:
    """Assert equality; how many inputs had fewer finished sequences than beams."""
    decoding = Decoding(longest, beams, alpha, batch_tokens=5 * beams * longest, beam_search="t5x")
    ours = hypotheses(backbone, [source for source, _ in given], [code for _, code in given], decoding, beams)
    short = 0
    for (source, code), found in zip(given, ours, strict=True):
        wanted = t5x(backbone, source, code, beams, alpha, longest)
        short += len(wanted) < beams or wanted[0][0][-1] != backbone.tokenizer.eos_token_id
        assert [each.tokens for each in found][: len(wanted)] == [ids for ids, _ in wanted]
        scores = [each.score for each in found][: len(wanted)]
        assert scores == pytest.approx([score for _, score in wanted], abs=2e-4)
    return short


@pytest.mark.exhaustive
@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.5])
@pytest.mark.parametrize("beams", [2, 4])
def test_tokens_and_scores_are_t5x_s(beams: int, alpha: float) -> None:
    compare(loading.load("pocket-mt5"), inputs(loading.load("pocket-mt5"), 8), beams, alpha, 20)


@pytest.mark.spread(1)
def test_every_family(any_backbone: Backbone) -> None:
    compare(any_backbone, inputs(any_backbone, 6), 3, 0.6, 9)


@pytest.mark.exhaustive
def test_inputs_that_do_not_finish_within_the_limit() -> None:
    """Where some hypotheses have ended, the open ones come after them; where none has, they are the output."""
    backbone = loading.load("pocket-mt5")
    assert compare(backbone, inputs(backbone, 8), 4, 0.6, 3) > 0


@pytest.mark.exhaustive
def test_without_compiled_code_the_outputs_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = loading.load("pocket-mt5")
    for longest in (3, 14):
        compare(backbone, inputs(backbone, 6), 4, 0.6, longest)
        with monkeypatch.context() as patch:
            patch.setattr(decoder_steps, "_kernels", lambda: None)
            compare(backbone, inputs(backbone, 6), 4, 0.6, longest)


def test_the_two_penalties() -> None:
    library, t5 = beam_rules("transformers", 4, 10, 0.6), beam_rules("t5x", 4, 10, 0.6)
    assert library.divisors[7].item() == pytest.approx(7**0.6)
    assert t5.divisors[7].item() == pytest.approx((12 / 6) ** 0.6)
    assert t5.divisors[1].item() == pytest.approx(1.0)
    assert t5.hopes[3].item() == pytest.approx((16 / 6) ** 0.6)


@pytest.mark.exhaustive
def test_they_rank_hypotheses_differently() -> None:
    backbone = loading.load("pocket-mt5")
    given = inputs(backbone, 24)
    asked = [source for source, _ in given], [code for _, code in given]
    found: dict[Any, list[tuple[int, ...]]] = {}
    for rules in ("transformers", "t5x"):
        best = hypotheses(backbone, *asked, Decoding(20, 4, 0.6, beam_search=rules))
        found[rules] = [each[0].tokens for each in best]
    assert found["transformers"] != found["t5x"]


def test_the_library_s_engine_has_no_t5x(backbone_of: Callable[[str], Backbone]) -> None:
    backbone = backbone_of("mt5")
    (source, code), *_ = inputs(backbone, 1)
    with pytest.raises(InputError, match="leave `engine` at xlgen"):
        hypotheses(backbone, [source], [code], Decoding(4, 2, engine="transformers", beam_search="t5x"))


def test_the_recipes_of_vu_et_al_use_it(tmp_path: Path) -> None:
    for name in ("v-table-8", "v-table-10", "v-table-11", "v-preliminary"):
        for run in load_study(name).runs:
            evaluation = run.recipe.stages[-1].evaluation
            assert (evaluation.num_beams, evaluation.length_penalty, evaluation.beam_search) == (4, 0.6, "t5x")
    task = load_task("pocket-titles", tmp_path)
    assert decoding_of(task, Evaluation(num_beams=4, beam_search="t5x")).beam_search == "t5x"
