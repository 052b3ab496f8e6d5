"""The engine's searches against ``transformers``: the same tokens and scores, whatever else is in the batch."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xlgen.adaptation.base import methods
from xlgen.backbones import inference_modules, loading
from xlgen.backbones.base import Backbone
from xlgen.decoding.batch import Batch
from xlgen.decoding.decode import hypotheses
from xlgen.decoding.engine import Engine, Input, cache_columns
from xlgen.decoding.logits import TokenBias
from xlgen.decoding.settings import Decoding, Hypothesis
from xlgen.kernels import decoder_steps, lm_head, products
from xlgen.kernels.lm_head import top
from xlgen.pocket import world

LANGUAGES = ("en", "fr", "th", "ar")


def sources(backbone: Backbone, count: int, longest: int = 38) -> tuple[list[list[int]], list[str]]:
    """Documents of several languages and lengths."""
    codes = [code for code in LANGUAGES if code in backbone.languages]
    languages = [codes[i % len(codes)] for i in range(count)]
    found = []
    for number, (frame, code) in enumerate(zip(world.frames("validation", count), languages, strict=True)):
        ids = backbone.tokenize(world.render(frame, code).document)[: 5 + number * 7 % longest]
        found.append(list(backbone.source(ids, code)))
    return found, languages


def both(backbone: Backbone, given_sources: Any, count: int = 1, **options: Any) -> list[list[list[Hypothesis]]]:
    asked, languages = given_sources
    engines = ("xlgen", "transformers")
    return [hypotheses(backbone, asked, languages, Decoding(**options, engine=e), count) for e in engines]  # type: ignore[arg-type]


def assert_equal(ours: Sequence[Sequence[Hypothesis]], theirs: Sequence[Sequence[Hypothesis]]) -> None:
    for part in ("tokens", "text"):
        found, wanted = ([[getattr(each, part) for each in best] for best in all_] for all_ in (ours, theirs))
        assert found == wanted
    for mine, other in zip(ours, theirs, strict=True):
        assert [each.score for each in mine] == pytest.approx([each.score for each in other], abs=1e-4)


METHODS: tuple[dict[str, Any], ...] = (
    {"method": "full"},
    {"method": "adapters"},
    {"method": "adapters", "placement": "bapna"},
    {"method": "adapters", "placement": "parallel"},
    {"method": "prompt", "num_virtual_tokens": 7},
    {"method": "lora"},
    {"method": "ia3"},
    {"method": "prefix", "num_virtual_tokens": 3},
)


@pytest.mark.spread(8)
@pytest.mark.parametrize("beams", [1, 2, 4])
@pytest.mark.parametrize("config", METHODS, ids=lambda config: "-".join(map(str, config.values())))
def test_tokens_and_scores_are_the_librarys(any_backbone: Backbone, config: dict[str, Any], beams: int) -> None:
    methods.build(config).prepare(any_backbone)
    with torch.no_grad():
        for name, parameter in any_backbone.model.named_parameters():
            if parameter.requires_grad and config["method"] != "full":
                torch.manual_seed(len(name))
                parameter.add_(torch.randn_like(parameter) * 0.2)
    # Few inputs at a time, so that others enter while some are under way.
    ours, theirs = both(any_backbone, sources(any_backbone, 14), max_new_tokens=12, num_beams=beams, batch_tokens=200)
    assert_equal(ours, theirs)


@pytest.mark.spread(1)
@pytest.mark.parametrize("penalty", [0.0, 0.6, 1.0, 2.0])
def test_the_pretrained_pocket_backbone(penalty: float) -> None:
    backbone = loading.load("pocket-mt5")
    ours, theirs = both(
        backbone, sources(backbone, 12), 4, max_new_tokens=24, num_beams=4, length_penalty=penalty, batch_tokens=400
    )
    assert_equal(ours, theirs)


@pytest.mark.spread(1)
@pytest.mark.parametrize("rows", [1, 2, 5, 100])
def test_outputs_do_not_depend_on_the_rest_of_the_batch(rows: int) -> None:
    backbone = loading.load("pocket-mt5")
    asked, languages = sources(backbone, 8)
    for beams in (1, 3):
        found = hypotheses(backbone, asked, languages, Decoding(16, beams, batch_tokens=rows * beams * 16))
        alone = [hypotheses(backbone, [s], [c], Decoding(16, beams))[0] for s, c in zip(asked, languages, strict=True)]
        assert_equal(found, alone)


@pytest.mark.spread(1)
@pytest.mark.parametrize("name", ["pocket-mt5", "pocket-mbart", "pocket-nllb"])
@pytest.mark.parametrize("longest", [2, 3, 6])
@pytest.mark.parametrize("beams", [1, 2])
def test_a_long_stream_of_inputs_gives_the_librarys_outputs(name: str, longest: int, beams: int) -> None:
    """Many more inputs than fit, of which some end at once: the cache grows and is truncated again and again."""
    backbone = loading.load(name)

    def processors(language: str, source: tuple[int, ...]) -> list[TokenBias]:
        added = torch.zeros(backbone.model.config.vocab_size)
        added[backbone.tokenizer.eos_token_id] = 12.0 if len(source) % 3 else -3.0
        return [TokenBias(added)]

    asked, languages = sources(backbone, 40)
    ours = Decoding(longest, beams, batch_tokens=3 * beams * longest)
    theirs = Decoding(longest, beams, engine="transformers")
    assert_equal(*[hypotheses(backbone, asked, languages, each, processors=processors) for each in (ours, theirs)])


@pytest.mark.exhaustive
@pytest.mark.parametrize("beams", [1, 2])
def test_done_inputs_keep_no_columns_of_the_cache(beams: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inputs that are done are replaced in order, so the last of them may wait for as long as others arrive."""
    backbone, longest = loading.load("pocket-mt5"), 24
    original, columns = Engine.step, []

    def spy(self: Engine, batch: Batch) -> None:
        original(self, batch)
        columns.append(batch.cache.columns)
        if len(batch) == 16:
            batch.done[-1] = True
            batch.done[batch.column % 12 : batch.column % 12 + 2] = True

    monkeypatch.setattr(Engine, "step", spy)
    asked, languages = sources(backbone, 400, longest=6)
    found = hypotheses(backbone, asked, languages, Decoding(longest, beams, batch_tokens=16 * beams * longest))
    assert len(found) == 400 and len(columns) > 2 * longest
    assert max(columns) <= cache_columns(1, longest)


@pytest.mark.exhaustive
def test_the_budget_bounds_what_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Source tokens with their padding stay near the budget; one input may be longer by itself."""
    backbone, held = loading.load("pocket-mt5"), []
    original = Engine.step

    def spy(self: Engine, batch: Batch) -> None:
        held.append(len(batch) * batch.source_columns)
        original(self, batch)

    monkeypatch.setattr(Engine, "step", spy)
    asked, languages = sources(backbone, 60)
    for budget in (10, 100, 400):
        held.clear()
        hypotheses(backbone, asked, languages, Decoding(2, batch_tokens=budget))
        assert max(held) <= max(2 * budget, max(map(len, asked)) * 2), (budget, max(held))


def test_the_first_batch_is_filled_before_the_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone, entered, sizes = loading.load("pocket-mt5"), [], []
    prefill, step = Engine.prefill, Engine.step

    def counted(engine: Engine, groups: Sequence[Sequence[Input]]) -> Batch:
        entered.append(sum(map(len, groups)))
        return prefill(engine, groups)

    def seen(engine: Engine, batch: Batch) -> None:
        sizes.append(len(batch))
        step(engine, batch)

    monkeypatch.setattr(Engine, "prefill", counted)
    monkeypatch.setattr(Engine, "step", seen)
    monkeypatch.setattr("xlgen.decoding.decode.engines_for", lambda *_: 1)
    hypotheses(backbone, *sources(backbone, 40, longest=3), Decoding(12, 2, batch_tokens=12 * 2 * 32))
    assert entered[0] == max(sizes) == 32
    assert sum(entered) == 40


@pytest.mark.exhaustive
def test_limits(checkpoint: Callable[[str], Path]) -> None:
    """One token, and as many as there are positions."""
    for name in ("mt5", "mbart", "nllb"):
        backbone = loading.load(str(checkpoint(name)))
        for longest in (1, 2, 70):
            ours, theirs = both(backbone, sources(backbone, 5, 20), 1, max_new_tokens=longest, num_beams=2)
            assert_equal(ours, theirs)


@pytest.mark.exhaustive
def test_a_bias_is_added_to_the_log_probabilities() -> None:
    backbone = loading.load("pocket-mt5")
    asked, languages = sources(backbone, 6)
    torch.manual_seed(0)
    added = torch.randn(backbone.model.config.vocab_size) * 2

    def processors(language: str, source: tuple[int, ...]) -> list[TokenBias]:
        return [TokenBias(added if language == "fr" else -added)]

    for beams in (1, 3):
        found = [
            hypotheses(backbone, asked, languages, Decoding(10, beams, engine=engine), processors=processors)  # type: ignore[arg-type]
            for engine in ("xlgen", "transformers")
        ]
        assert_equal(*found)
        assert found[0] != hypotheses(backbone, asked, languages, Decoding(10, beams))


@pytest.mark.spread(1)
@pytest.mark.parametrize("beams", [1, 2, 4])
def test_without_compiled_code_the_outputs_are_the_same(
    any_backbone: Backbone, beams: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU, or without Numba."""
    asked = sources(any_backbone, 24)
    decoding = Decoding(12, beams, batch_tokens=12 * beams * 7)
    compiled = hypotheses(any_backbone, *asked, decoding, beams)
    monkeypatch.setattr(decoder_steps, "_kernels", lambda: None)
    assert_equal(compiled, hypotheses(any_backbone, *asked, decoding, beams))


def test_a_source_that_is_longer_than_the_budget() -> None:
    backbone = loading.load("pocket-mt5")
    asked, languages = sources(backbone, 5)
    small = hypotheses(backbone, asked, languages, Decoding(4, batch_tokens=4))
    assert_equal(small, hypotheses(backbone, asked, languages, Decoding(4)))


@given(st.integers(1, 4), st.integers(1, 3000), st.integers(1, 12), st.integers(0, 2**31))
@settings(max_examples=60)
def test_top_is_topk(rows: int, size: int, count: int, seed: int) -> None:
    logits = torch.randn(rows, size, generator=torch.Generator().manual_seed(seed))
    count = min(count, size)
    values, places = top(logits, count)
    expected, where = logits.topk(count)
    assert torch.equal(values, expected)
    assert torch.equal(places, where)


@given(
    st.integers(0, 99), st.integers(1, 6), st.integers(2, 300), st.integers(1, 4), st.integers(1, 2_000), st.booleans()
)
@settings(max_examples=80)
def test_the_best_of_a_head_are_those_of_all_its_logits(
    seed: int, rows: int, vocabulary: int, count: int, elements: int, added: bool
) -> None:
    torch.manual_seed(seed)
    count = min(count, vocabulary)
    hidden, weight = torch.randn(rows, 8, dtype=torch.float64), torch.randn(vocabulary, 8, dtype=torch.float64)
    bias = torch.randn(vocabulary, dtype=torch.float64)
    extra = torch.randn(rows, vocabulary) if added else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lm_head, "CHUNK_ELEMENTS", elements)
        values, ids, sums = lm_head.ChunkedLMHead(weight, bias).best(hidden, extra, count, True)
    logits = (hidden @ weight.T + bias).float()
    wanted, where = (logits if extra is None else logits + extra).topk(count)
    torch.testing.assert_close(values, wanted)
    assert torch.equal(ids, where)
    torch.testing.assert_close(sums, logits.logsumexp(-1))


def test_fast_products_are_products() -> None:
    torch.manual_seed(0)
    inputs, map_ = torch.randn(3, 5, 24), torch.nn.Linear(24, 40)
    wanted = map_(inputs).detach()
    with torch.inference_mode():
        torch.testing.assert_close(products.linear(inputs, map_.weight, map_.bias), wanted)
        with inference_modules.fast_modules(map_):
            torch.testing.assert_close(map_(inputs), wanted)
    with inference_modules.fast_modules(map_):
        map_(inputs).sum().backward()  # where gradients are asked for, they are there
    assert map_.weight.grad is not None and "forward" not in vars(map_)
