"""`mix_by: examples`: a rate is a share of the examples, however many a batch holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlgen.backbones import loading
from xlgen.core.config import Recipe, RecipeError, load_recipe
from xlgen.data.batches import BatchStream, Part
from xlgen.data.examples import EncodedExample
from xlgen.data.tasks import load_task
from xlgen.experiments.plan import load_study
from xlgen.training.mixture import build_stream


def part(name: str, tokens: int, size: int = 500, **settings: Any) -> Part:
    return Part(name, size, lambda i, epoch: EncodedExample((i,) * tokens, (epoch, 1), name), **settings)


def counted(stream: BatchStream, batches: int) -> Counter[str]:
    return Counter(example.language for batch in islice(stream, batches) for example in batch)


@pytest.mark.spread(1)
@pytest.mark.parametrize("rate", [0.15, 0.01, 0.5])
def test_the_share_of_examples_is_the_rate(rate: float) -> None:
    """Long labelled texts, 8 a batch, and short unlabelled ones, 40 a batch."""
    parts = [part("task", 500), part("text", 100, rate=rate)]
    found = counted(BatchStream(parts, 0, 4_000, mix_by="examples"), 4_000)
    assert found["text"] / found.total() == pytest.approx(rate, abs=0.002)


def test_fifteen_percent_of_the_batches_is_about_half_of_the_examples() -> None:
    """What `batches`, the default, means in the setting of Chirkova et al. (2023)."""
    parts = [part("task", 500), part("text", 100, rate=0.15)]
    found = counted(BatchStream(parts, 0, 4_000), 4_000)
    assert found["text"] / found.total() == pytest.approx(0.15 * 40 / (0.15 * 40 + 0.85 * 8), abs=0.02)


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 9)), min_size=1, max_size=4),
    st.integers(1, 300),
)
def test_a_part_is_never_far_from_its_share(sizes: list[tuple[int, int]], batches: int) -> None:
    parts = [part(str(i), tokens, 50, weight=weight) for i, (tokens, weight) in enumerate(sizes)]
    stream = BatchStream(parts, 0, 40, mix_by="examples")
    counts: Counter[str] = Counter()
    for batch in islice(stream, batches):
        counts.update(example.language for example in batch)
        for i, share in enumerate(stream.shares):
            assert abs(share * counts.total() - counts[str(i)]) <= 40 * len(parts)


def test_it_resumes_where_it_was() -> None:
    def fresh() -> BatchStream:
        return BatchStream([part("task", 13), part("text", 3, rate=0.3)], 1, 60, mix_by="examples")

    whole = list(islice(fresh(), 90))
    first = fresh()
    list(islice(first, 37))
    second = fresh()
    second.restore(first.state())
    assert list(islice(second, 53)) == whole[37:]


@pytest.mark.exhaustive
def test_a_recipe_counts_as_it_says(tiny_task: Callable[..., str], tiny_mt5: Path) -> None:
    task = tiny_task(["en", "th"], size=30)
    shares = {}
    for mix_by in ("batches", "examples"):
        recipe = Recipe.model_validate(
            {
                "name": "x",
                "backbone": str(tiny_mt5),
                "task": task,
                "unlabelled": [{"objective": {"name": "first_sentence"}, "languages": ["th"], "rate": 0.2}],
                "training": {"steps": 2, "batch_tokens": 400, "mix_by": mix_by},
            }
        )
        built = build_stream(recipe, recipe.stages[0], load_task(task, Path()), loading.load(str(tiny_mt5)))
        batches = list(islice(built.stream, 400))
        examples = [example for batch in batches for example in batch]
        of_text = [example for example in examples if example.task == "first_sentence"]
        shares[mix_by] = len(of_text) / len(examples)
    assert shares["examples"] == pytest.approx(0.2, abs=0.01)
    assert abs(shares["batches"] - 0.2) > 0.02


MIXING = ("c-figure-1", "c-figure-2", "c-intermediate", "c-table-2", "v-table-11", "v-preliminary")


@pytest.mark.parametrize("name", MIXING)
def test_the_papers_count_examples(name: str) -> None:
    mixing = [run.recipe.stages[-1] for run in load_study(name).runs if run.recipe.stages[-1].unlabelled]
    assert mixing
    assert {stage.training.mix_by for stage in mixing} == {"examples"}


def test_another_unit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("backbone: pocket-mt5\ntask: pocket-titles\ntraining: {mix_by: tokens}\n")
    with pytest.raises(RecipeError, match="mix_by"):
        load_recipe(str(tmp_path / "run.yaml"))
