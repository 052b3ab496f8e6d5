"""Objectives on long documents: up to 1,024 tokens at a time, all chunks of them, targets of their own limit."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from xlgen.backbones.base import Backbone, BackboneError
from xlgen.core.config import Recipe
from xlgen.core.registry import InputError
from xlgen.data.objectives import ObjectiveOptions, Passage, objectives
from xlgen.experiments.plan import load_study
from xlgen.training.mixture import build_stream

ANY_TOKENS = (
    "prefix_lm", "lm", "missing_prefix", "n_token_prefix", "missing_n_token_prefix", "iid_denoising", "span_corruption",
    "denoising",
)  # fmt: skip
TEXT = "".join(chr(0x4E00 + i) for i in range(25))


def build(name: str, **options: Any) -> Any:
    kind = objectives.get(name)
    return kind(kind.Options(**options))


def seen(name: str, letters: Any, text: str = TEXT, **options: Any) -> list[str]:
    """The characters that each example shows or asks for, sentinels and masks left out, sorted."""
    objective = build(name, **options)
    found = []
    for passage in objective.chunks_of(Passage(text, "zh"), letters):
        example = objective.make(passage, random.Random(0), letters)
        source, target = letters.inside(example)
        found.append("".join(sorted(set(letters.text([*source, *target])) - {"_"})))
    return found


@pytest.mark.parametrize("name", ANY_TOKENS)
def test_all_chunks_of_a_document(name: str, letters: Any) -> None:
    assert seen(name, letters, max_tokens=10, chunks="all") == [TEXT[:10], TEXT[10:20], TEXT[20:]]
    assert seen(name, letters, max_tokens=10) == [TEXT[:10]]
    assert seen(name, letters, max_tokens=25, chunks="all") == [TEXT]


@pytest.mark.parametrize(("length", "chunks"), [(3, 1), (10, 1), (13, 1), (14, 2), (20, 2), (23, 2), (24, 3)])
def test_a_last_chunk_needs_four_tokens(length: int, chunks: int, letters: Any) -> None:
    """But a document that is as short as that is there."""
    assert len(seen("lm", letters, TEXT[:length], max_tokens=10, chunks="all")) == chunks


@pytest.mark.parametrize("name", ANY_TOKENS)
def test_targets_have_a_limit_of_their_own(name: str, letters: Any) -> None:
    objective, free = (build(name, max_tokens=20, **limit) for limit in ({"max_target_tokens": 4}, {}))
    for seed in range(10):
        cut, whole = (each.make(Passage(TEXT, "zh"), random.Random(seed), letters) for each in (objective, free))
        assert cut.source == whole.source
        assert letters.inside(cut)[1] == letters.inside(whole)[1][:4]
        assert cut.target[-1] == whole.target[-1]  # the end is there all the same


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *(("first_sentence", {}), ("translation", {})),
        *(("span_corruption", {"unit": "sentences"}), ("denoising", {"permute_sentences": True})),
    ],
)
def test_objectives_of_whole_sentences_have_no_chunks(name: str, options: dict[str, Any]) -> None:
    build(name, **options)
    with pytest.raises(InputError, match="splits sentences"):
        build(name, chunks="all", **options)


class FewSentinels:
    """A codec as mT5's: 100 sentinels."""

    def __init__(self, letters: Any, count: int = 100) -> None:
        self._letters, self._count = letters, count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._letters, name)

    def sentinels(self, count: int) -> Sequence[int]:
        if count > self._count:
            raise BackboneError(f"fewer than {count} sentinels")
        return self._letters.sentinels(count)


def test_iid_denoising_of_1024_tokens_keeps_to_the_sentinels(letters: Any) -> None:
    """At 15 % a text of 1,024 tokens has about 130 runs of hidden tokens, and mT5 has 100 sentinels."""
    text = "".join(chr(0x4E00 + i) for i in range(1_024))
    objective, hidden = build("iid_denoising", max_tokens=1_024), Counter[bool]()
    for seed in range(20):
        example = objective.make(Passage(text, "zh"), random.Random(seed), FewSentinels(letters))
        source, target = letters.inside(example)
        assert sum(ids >= 2_000_000 for ids in source) == 99
        assert "".join(sorted(letters.text([*source, *target]).replace("_", ""))) == text
        hidden.update(chr in letters.text(target) for chr in (text[10], text[-10]))
    assert hidden[True] > 0  # drawn over the whole text
    with pytest.raises(BackboneError):
        objective.make(Passage(text, "zh"), random.Random(0), FewSentinels(letters, 0))
    short = build("iid_denoising").make(Passage(text[:99], "zh"), random.Random(0), FewSentinels(letters))
    assert short == build("iid_denoising").make(Passage(text[:99], "zh"), random.Random(0), letters)


def test_spans_of_1024_tokens_fit_into_the_sentinels(letters: Any) -> None:
    text = "".join(chr(0x4E00 + i) for i in range(1_024))
    objective = build("span_corruption", max_tokens=1_024)
    example = objective.make(Passage(text, "zh"), random.Random(0), FewSentinels(letters))
    assert len(letters.inside(example)[0]) < 1_024


def test_a_stage_trains_on_all_chunks(tmp_path: Path, backbone_of: Callable[[str], Backbone]) -> None:
    backbone = backbone_of("mt5")
    text = " ".join(f"word{n}" for n in range(200))
    (tmp_path / "en.jsonl").write_text(json.dumps({"text": text}), encoding="utf-8")
    count = len(backbone.tokenize(text))
    sizes = {}
    for chunks in ("first", "all"):
        unlabelled = {
            "objective": {"name": "lm", "max_tokens": 16, "chunks": chunks},
            "corpus": {"reader": "jsonl", "path": "{language}.jsonl"},
            "languages": ["en"],
        }
        recipe = Recipe.model_validate(
            {"name": "x", "backbone": backbone.name, "data_dir": str(tmp_path), "unlabelled": [unlabelled]}
        )
        (part,) = build_stream(recipe, recipe.stages[0], None, backbone).stream.parts
        sizes[chunks] = part.size
        examples = [part.make(i, 0).target for i in range(part.size)]
        assert [token for example in examples for token in example[:-1]] == backbone.tokenize(text)[: part.size * 16]
    assert sizes == {"first": 1, "all": -(-count // 16) if count % 16 >= 4 or count % 16 == 0 else count // 16}


def test_the_recipes_of_vu_et_al_read_whole_documents() -> None:
    """Inputs of 1,024 and targets of 512 tokens (section 2.2.2)."""
    for name in ("v-table-11", "v-preliminary", "v-unlabelled"):
        for run in load_study(name).runs:
            for stage in run.recipe.stages:
                for text in stage.unlabelled:
                    options = text.objective
                    assert isinstance(options, ObjectiveOptions) and options.chunks == "all", run.name
                    limits = options.max_tokens, options.max_target_tokens
                    assert limits == ((512, None) if options.name == "lm" else (1_024, 512)), run.name
