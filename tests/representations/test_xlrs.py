"""XLRS that comes with decoding is that of an encoder pass of its own."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from xlgen.adaptation.base import methods
from xlgen.backbones.base import Backbone
from xlgen.core.config import Evaluation
from xlgen.data.tasks import load_task
from xlgen.evaluation.evaluate import evaluate, evaluation_examples, score_rows
from xlgen.metrics.base import Example
from xlgen.metrics.score import score
from xlgen.representations.xlrs import mean_states, similarities

LANGUAGES = ("en", "th", "ar", "fr")


def test_padding_does_not_count() -> None:
    states = torch.randn(3, 5, 4)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0]])
    wanted = torch.stack([states[0].mean(0), states[1, :2].mean(0), states[2, 0]])
    torch.testing.assert_close(mean_states(states, mask), wanted)
    other = torch.randn(3, 4)
    pairs = zip(wanted.numpy(), other.numpy(), strict=True)
    cosines = [float(np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b)) for a, b in pairs]
    torch.testing.assert_close(similarities(wanted, other), torch.tensor(cosines))


def alone(backbone: Backbone, text: str, language: str, limit: int) -> Any:
    """What one input is to the encoder."""
    ids = backbone.source(backbone.tokenize(text), language)
    with torch.inference_mode():
        states = backbone.model.get_encoder()(
            input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids))
        ).last_hidden_state
    return states[0, -len(ids) :].mean(0).numpy()


@pytest.mark.spread(2)
@pytest.mark.parametrize("config", [{"method": "full"}, {"method": "prompt", "num_virtual_tokens": 5}])
@pytest.mark.parametrize("control", [None, {"name": "retry"}])
def test_it_is_the_cosine_of_mean_encoder_states(
    any_backbone: Backbone, config: Any, control: Any, tmp_path: Any
) -> None:
    task = load_task("pocket-titles", tmp_path)
    evaluation = Evaluation(examples=4, languages=LANGUAGES, split="test", max_new_tokens=3, control=control)
    method = methods.build(config)
    method.prepare(any_backbone)
    examples = evaluation_examples(task, evaluation)
    found = evaluate(any_backbone, method, task, evaluation, examples)
    for language in LANGUAGES:
        for row, english in zip(found[language], found["en"], strict=True):
            assert row["id"] == english["id"] and row["cropped_tokens"] == 0
            if language == "en":
                assert "similarity" not in row
                continue
            a = alone(any_backbone, row["input"], language, 256)
            b = alone(any_backbone, english["input"], "en", 256)
            wanted = np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b)
            assert row["similarity"] == pytest.approx(wanted, abs=1e-5)
    figures = {row.metric: row for row in score_rows(found["th"], task, "th", 0)}
    values = [row["similarity"] for row in found["th"]]
    assert figures["xlrs"].value == pytest.approx(np.mean(values)) and figures["xlrs"].n == 4
    assert "xlrs" not in {row.metric for row in score_rows(found["en"], task, "en", 0)}
    others = evaluate(any_backbone, method, task, evaluation, examples, source_language="fr")
    assert others["fr"][0].keys() == found["en"][0].keys()
    assert others["en"][0]["similarity"] == pytest.approx(found["fr"][0]["similarity"], abs=1e-5)


def test_inputs_that_nobody_calls_parallel_have_none(backbone_of: Callable[[str], Backbone], tmp_path: Any) -> None:
    task = load_task("pocket-titles", tmp_path)
    task = copy.copy(task)
    object.__setattr__(task, "config", task.config.model_copy(update={"parallel": False}))
    evaluation = Evaluation(examples=3, languages=LANGUAGES, split="test", max_new_tokens=3)
    backbone, method = backbone_of("mt5"), methods.build({"method": "full"})
    found = evaluate(backbone, method, task, evaluation, evaluation_examples(task, evaluation))
    assert all("similarity" not in row for rows in found.values() for row in rows)


def test_an_input_without_a_translation_does_not_count() -> None:
    examples = [Example("th", "x", similarity=value) for value in (0.5, None, 0.7)]
    (row,) = score(examples, ["xlrs"], "th", bootstrap=0)
    assert row.value == pytest.approx(0.6) and row.n == 2
