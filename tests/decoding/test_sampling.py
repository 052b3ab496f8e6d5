"""Sampling: the tokens that ``transformers`` would keep are drawn as often as they are probable."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats
from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from xlgen.backbones.base import Backbone
from xlgen.core.config import Sampling
from xlgen.decoding.decode import hypotheses
from xlgen.decoding.search import draw, uniforms, warpers
from xlgen.decoding.settings import Decoding


@given(
    st.integers(0, 1_000),
    st.floats(0.2, 3),
    st.one_of(st.none(), st.integers(1, 60)),
    st.one_of(st.floats(0.05, 0.999), st.just(1.0)),  # nearer to 1 it is rounding that decides about the last tokens
)
@settings(max_examples=60)
def test_what_may_be_drawn_is_what_the_library_leaves(seed: int, temperature: float, top_k: Any, top_p: float) -> None:
    logits = torch.randn((5, 50), generator=torch.Generator().manual_seed(seed))
    ids: Any = None
    theirs = TemperatureLogitsWarper(temperature)(ids, logits.clone())
    if top_k is not None:
        theirs = TopKLogitsWarper(top_k)(ids, theirs)
    if top_p < 1:
        theirs = TopPLogitsWarper(top_p)(ids, theirs)
    steps = LogitsProcessorList(warpers(Sampling(temperature=temperature, top_k=top_k, top_p=top_p)))
    ours = steps(ids, logits.clone())
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_tokens_are_drawn_as_often_as_they_are_probable() -> None:
    logits = torch.tensor([2.0, -torch.inf, 1.0, 0.0, -1.0, 1.5])
    count = 20_000
    uniform = uniforms(7, [0], 1, count)[0, 0]
    found = draw(logits.expand(count, -1), uniform).bincount(minlength=6)
    assert found[1] == 0
    kept = logits > -torch.inf
    expected = logits.softmax(-1)[kept] * count
    assert (
        stats.chisquare(found[kept].numpy(), expected.double().numpy() * count / expected.double().sum().item()).pvalue
        > 0.001
    )


def test_the_ends_of_the_interval() -> None:
    logits = torch.tensor([[-torch.inf, 0.0, 0.0, -torch.inf]])
    assert draw(logits, torch.tensor([0.0])).item() == 1
    assert draw(logits, torch.tensor([1.0 - 2**-24])).item() == 2


def asked(backbone: Backbone, count: int) -> tuple[list[tuple[int, ...]], list[str]]:
    code = backbone.languages[0]
    return [backbone.source(list(range(20, 24 + i % 9)), code) for i in range(count)], [code] * count


@pytest.mark.spread(1)
def test_a_sample_does_not_depend_on_who_shares_its_batch(any_backbone: Backbone) -> None:
    sources, languages = asked(any_backbone, 12)
    sampling = Sampling(temperature=0.8, top_p=0.95, seed=3)
    found = [
        hypotheses(any_backbone, sources, languages, Decoding(9, 3, batch_tokens=tokens, sampling=sampling), 3)
        for tokens in (60, 4_000)
    ]
    few, many = ([[each.tokens for each in best] for best in all_] for all_ in found)
    assert few == many
    again = hypotheses(
        any_backbone, sources, languages, Decoding(9, 3, sampling=Sampling(temperature=0.8, top_p=0.95, seed=4)), 3
    )
    assert [[each.tokens for each in best] for best in again] != many


def test_scores_are_the_models_log_probabilities_best_first(any_backbone: Backbone) -> None:
    sources, languages = asked(any_backbone, 4)
    decoding = Decoding(7, 4, length_penalty=1.0, sampling=Sampling(temperature=1.3, top_k=20))
    start = any_backbone.decoder_start(languages[:1])
    for source, best in zip(sources, hypotheses(any_backbone, sources, languages, decoding, 4), strict=True):
        assert [each.score for each in best] == sorted((each.score for each in best), reverse=True)
        for each in best:
            inputs = torch.cat([start, torch.tensor([each.tokens[:-1]], dtype=torch.long)], dim=1)
            with torch.no_grad():
                logits = any_backbone.model(input_ids=torch.tensor([source]), decoder_input_ids=inputs).logits
            chances = logits[0, start.shape[1] - 1 :].log_softmax(-1)
            total = sum(float(row[token]) for row, token in zip(chances, each.tokens, strict=True))
            assert each.score == pytest.approx(total / len(each.tokens), abs=1e-4)


def test_almost_no_temperature_is_greedy(any_backbone: Backbone) -> None:
    sources, languages = asked(any_backbone, 6)
    cold = hypotheses(any_backbone, sources, languages, Decoding(9, 1, sampling=Sampling(temperature=1e-4)))
    greedy = hypotheses(any_backbone, sources, languages, Decoding(9))
    assert [best[0].tokens for best in cold] == [best[0].tokens for best in greedy]


@pytest.mark.parametrize("options", [{"temperature": 0.0}, {"top_k": 0}, {"top_p": 0.0}, {"top_p": 1.5}])
def test_wrong_settings(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Sampling(**options)
