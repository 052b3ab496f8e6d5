"""No objective makes an example whose target is empty, however a text is cut: such texts are left out."""

from __future__ import annotations

import random
from typing import Any

import pytest

from xlgen.backbones import loading
from xlgen.backbones.base import Backbone
from xlgen.core.config import Recipe
from xlgen.data.objectives import Passage, objectives
from xlgen.pocket import world
from xlgen.training.mixture import build_stream

CASES: list[dict[str, Any]] = [
    {"name": "span_corruption", "unit": "sentences"},
    {"name": "span_corruption", "unit": "sentences", "principal": True},
    {"name": "span_corruption", "unit": "sentences", "sentinels": False},
    {"name": "span_corruption"},
    {"name": "span_corruption", "sentinels": False},
    {"name": "first_sentence"},
    {"name": "iid_denoising"},
    {"name": "missing_prefix"},
    {"name": "missing_n_token_prefix"},
    {"name": "n_token_prefix"},
    {"name": "prefix_lm"},
    {"name": "lm"},
    {"name": "denoising"},
    {"name": "denoising", "permute_sentences": True},
    {"name": "translation"},
]
ODD = [
    "",
    " ",
    "x",
    "\u200b",
    "a.",
    "a. b.",
    "。",
    "。。",
    "雨",
    "ฝ น",
    "Well. " * 3,
    "One sentence of some length that has no end",
]


@pytest.fixture(scope="module")
def backbones() -> dict[str, Backbone]:
    return {name: loading.load(name) for name in ("pocket-mt5", "pocket-mbart")}


def passages() -> list[Passage]:
    stories = [world.render(frame, code) for code in ("fr", "th", "zh", "ar") for frame in world.frames("train", 12)]
    codes = [code for code in ("fr", "th", "zh", "ar") for _ in range(12)]
    told = [Passage(s.document, c, s.document, c, tuple(s.sentences)) for s, c in zip(stories, codes, strict=True)]
    marked = [Passage(each.text, each.language, each.text, each.language) for each in told]
    return [*told, *marked, *(Passage(text, "fr", text, "fr") for text in ODD)]


@pytest.mark.spread(10)
@pytest.mark.parametrize("tokens", [4, 16, 40, 80, 512])
@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case.values())))
def test_a_text_that_fits_has_a_target(case: dict[str, Any], tokens: int, backbones: dict[str, Backbone]) -> None:
    kind = objectives.get(case["name"])
    options = {key: value for key, value in case.items() if key != "name"}
    objective = kind(kind.Options(max_tokens=tokens, **options))
    masks = case["name"] == "denoising"
    backbone = backbones["pocket-mbart" if masks else "pocket-mt5"]
    left_out = 0
    for number, passage in enumerate(passages()):
        if not objective.fits(passage, backbone):
            left_out += 1
            continue
        example = objective.make(passage, random.Random(number), backbone)
        nothing = backbone.target([], passage.language)
        assert len(example.target) > len(nothing), f"{passage.text!r} gives an empty target"
    assert left_out > 0, "of an empty text there is none"
    if tokens == 512:
        assert left_out <= len(ODD), "whole texts fit"


@pytest.mark.exhaustive
def test_a_text_whose_second_sentence_is_cut_is_left_out(backbones: dict[str, Backbone], tmp_path: Any) -> None:
    """In training: no batch holds an example without a target."""
    objective = {"name": "span_corruption", "unit": "sentences", "max_tokens": 40}
    corpus = {"reader": "pocket", "size": 60}
    stage = {"unlabelled": [{"objective": objective, "corpus": corpus, "languages": ["fr", "de", "th"]}]}
    training = {"batch_tokens": 800}
    recipe = Recipe.model_validate({"name": "r", "backbone": "pocket-mt5", "stages": [{**stage, "training": training}]})
    backbone = backbones["pocket-mt5"]
    stream, *_ = build_stream(recipe, recipe.stages[0], None, backbone)
    for _ in range(60):
        for example in next(stream):
            assert len(example.target) > len(backbone.target([], example.language)), "the target is empty"
