"""The logits pipeline: processors of ``transformers`` in the engine, and processors of controls in ``generate``."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch
from transformers import (
    EncoderRepetitionPenaltyLogitsProcessor,
    LogitsProcessor,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    SuppressTokensLogitsProcessor,
)

import xlgen
from xlgen.backbones import loading
from xlgen.backbones.base import Backbone
from xlgen.core.config import Sampling
from xlgen.decoding.control import Decoder, LanguageControl, Request, controls
from xlgen.decoding.control.labels import PrefixTree
from xlgen.decoding.control.vocabulary_mask import VocabularyMask
from xlgen.decoding.decode import hypotheses
from xlgen.decoding.logits import PerInput, Processors
from xlgen.decoding.settings import Decoding
from xlgen.pocket import world

CODES = ("en", "fr", "th", "ar")


@pytest.fixture(scope="module", params=["pocket-mt5", "pocket-mbart"])
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return loading.load(request.param)


def requests(backbone: Backbone, count: int = 9) -> list[Request]:
    """Documents of several languages and lengths."""
    found = []
    for number, frame in enumerate(world.frames("validation", count)):
        code = CODES[number % len(CODES)]
        ids = backbone.tokenize(world.render(frame, code).document)[: 5 + number * 7 % 38]
        found.append(Request(backbone.source(ids, code), code))
    return found


def decoded(backbone: Backbone, processors: Processors | None, decoding: Decoding) -> list[tuple[int, ...]]:
    asked = requests(backbone)
    sources, languages = [each.source for each in asked], [each.language for each in asked]
    return [best[0].tokens for best in hypotheses(backbone, sources, languages, decoding, processors=processors)]


def generated(backbone: Backbone, request: Request, beams: int, processors: list[LogitsProcessor]) -> tuple[int, ...]:
    """The output of ``generate`` of ``transformers`` for one input, after its prompt."""
    start = backbone.decoder_start([request.language])
    more: dict[str, Any] = {"length_penalty": 0.6, "early_stopping": False} if beams > 1 else {}
    output = backbone.model.generate(
        input_ids=torch.tensor([request.source]),
        decoder_input_ids=start,
        decoder_start_token_id=int(start[0, 0]),
        max_new_tokens=16,
        num_beams=beams,
        forced_bos_token_id=None,
        forced_eos_token_id=None,
        logits_processor=processors,
        **more,
    )
    ids, end = output[0, start.shape[1] :].tolist(), backbone.tokenizer.eos_token_id
    return tuple(ids[: ids.index(end) + 1] if end in ids else ids)


def no_repetition(backbone: Backbone, request: Request) -> list[LogitsProcessor]:
    return [NoRepeatNGramLogitsProcessor(1)]


def suppression(backbone: Backbone, request: Request) -> list[LogitsProcessor]:
    frequent = [token for each in requests(backbone) for token in each.source[1:9:2]]
    return [SuppressTokensLogitsProcessor([*set(frequent) - {backbone.tokenizer.eos_token_id}])]


def of_the_source(backbone: Backbone, request: Request) -> list[LogitsProcessor]:
    """Processors that know their input, or need log-probabilities and not only their order."""
    source = torch.tensor([request.source])
    return [RepetitionPenaltyLogitsProcessor(1.5), EncoderRepetitionPenaltyLogitsProcessor(0.5, source)]


@pytest.mark.spread(1)
@pytest.mark.parametrize("make", [no_repetition, suppression, of_the_source])
@pytest.mark.parametrize("beams", [1, 3])
def test_processors_of_transformers_work_in_the_engine(
    backbone: Backbone, make: Callable[[Backbone, Request], list[LogitsProcessor]], beams: int
) -> None:
    def processors(language: str, source: tuple[int, ...]) -> list[LogitsProcessor]:
        return make(backbone, Request(source, language))

    expected = [generated(backbone, each, beams, make(backbone, each)) for each in requests(backbone)]
    decoding = Decoding(16, beams, batch_tokens=16 * beams * 4)  # inputs enter while others are decoded
    assert decoded(backbone, processors, decoding) == expected
    assert decoded(backbone, processors, Decoding(16, beams, engine="transformers")) == expected
    assert decoded(backbone, None, decoding) != expected


@pytest.mark.spread(1)
@pytest.mark.parametrize("beams", [1, 3])
def test_processors_of_controls_work_in_generate(backbone: Backbone, beams: int) -> None:
    decode = Decoder(backbone, Decoding(16, beams))
    control = controls.build({"name": "vocabulary_mask", "strength": 9.0, "allow_source": False})
    tree = PrefixTree(backbone, ["ใช่", "да", "はい"])
    assert isinstance(control, VocabularyMask)
    labels = controls.build({"name": "labels", "labels": ["ใช่", "да", "はい"]})
    for mine, of in ((control, control.processors), (labels, lambda decode, request: [tree])):
        outputs = mine.generate(decode, requests(backbone))
        expected = [generated(backbone, each, beams, list(of(decode, each))) for each in requests(backbone)]
        assert outputs == [backbone.decode(ids) for ids in expected]


@pytest.mark.exhaustive
def test_a_control_may_consist_of_processors_of_transformers(backbone: Backbone) -> None:
    class NoRepetition(LanguageControl):
        def processors(self, decode: Decoder, request: Request) -> Sequence[LogitsProcessor]:
            return no_repetition(decode.backbone, request)

    outputs = NoRepetition(NoRepetition.Options()).generate(Decoder(backbone, Decoding(16)), requests(backbone))
    expected = [generated(backbone, each, 1, no_repetition(backbone, each)) for each in requests(backbone)]
    assert outputs == [backbone.decode(ids) for ids in expected]


@pytest.mark.exhaustive
def test_additive_and_other_processors_of_different_inputs(backbone: Backbone) -> None:
    """Inputs of one batch may have no processors, additive ones, which need only the best logits, and others."""
    mask = controls.build({"name": "vocabulary_mask", "strength": 9.0})

    def processors(language: str, source: tuple[int, ...]) -> Sequence[LogitsProcessor]:
        request = Request(source, language)
        of = {"en": (), "fr": mask.processors(decode, request), "th": no_repetition(backbone, request)}
        return of.get(language, [*of["fr"], *of["th"]])

    for beams in (1, 3):
        decode = Decoder(backbone, Decoding(16, beams))
        expected = [generated(backbone, e, beams, list(processors(e.language, e.source))) for e in requests(backbone)]
        assert decoded(backbone, processors, Decoding(16, beams)) == expected


@pytest.mark.spread(1)
def test_processors_precede_the_warpers_of_sampling(backbone: Backbone) -> None:
    banned = [token for each in requests(backbone) for token in each.source]
    decoding = Decoding(16, 3, sampling=Sampling(seed=1, top_p=0.9))
    end = backbone.tokenizer.eos_token_id
    suppressed = SuppressTokensLogitsProcessor([*set(banned) - {end}])
    found = decoded(backbone, lambda language, source: [suppressed], decoding)
    assert not {*banned} & {token for tokens in found for token in tokens} - {end}


def test_rows_of_an_input_are_consecutive() -> None:
    class Add(LogitsProcessor):
        def __init__(self, value: float) -> None:
            self.value = value

        def __call__(self, input_ids: Any, scores: Any) -> Any:
            return scores + self.value

    scores = PerInput([[Add(1.0)], [], [Add(2.0), Add(3.0)]])(torch.zeros(6, 1), torch.zeros(6, 1))
    assert scores.flatten().tolist() == [1, 1, 0, 0, 5, 5]


ENGINE = {"decoding/decode.py", "decoding/engine.py", "decoding/batch.py", "decoding/search.py"}


@pytest.mark.spread(1)
@pytest.mark.parametrize("settings", [{}, {"num_beams": 3}, {"num_beams": 2, "sampling": Sampling(top_k=9, top_p=0.9)}])
def test_a_batch_passes_four_files(backbone: Backbone, settings: dict[str, Any]) -> None:
    """Besides the model family, the kernels and the batching of data, which are not specific to decoding."""
    package = Path(xlgen.__file__).parent
    visited: set[str] = set()

    def profile(frame: FrameType, event: str, argument: object) -> None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(package):
            visited.add(path.relative_to(package).as_posix())

    asked = requests(backbone)
    sources, languages = [each.source for each in asked], [each.language for each in asked]
    decoding = Decoding(8, batch_tokens=8 * 3 * 4, **settings)
    sys.setprofile(profile)
    try:
        hypotheses(backbone, sources, languages, decoding)
    finally:
        sys.setprofile(None)
    assert {path for path in visited if path.split("/")[0] not in ("backbones", "kernels", "data")} == ENGINE
