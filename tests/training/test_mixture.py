"""What a stage trains on: unlabelled languages drawn by temperature, and what is refused."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlgen.backbones import loading
from xlgen.core.config import Recipe
from xlgen.data.readers import DataError
from xlgen.training import mixture
from xlgen.training.mixture import build_stream, temperature_quotas

SIZES = st.lists(st.integers(1, 500), min_size=1, max_size=8)


@given(SIZES)
def test_temperature_one_takes_every_text_once(sizes: list[int]) -> None:
    assert temperature_quotas(sizes, 1) == sizes


@given(SIZES, st.floats(0.2, 50) | st.just(float("inf")))
def test_quotas(sizes: list[int], temperature: float) -> None:
    quotas = temperature_quotas(sizes, temperature)
    assert min(quotas) >= 1
    # The total is kept but for languages that are lifted to one text.
    assert sum(sizes) <= sum(quotas) <= sum(sizes) + len(sizes)
    # A larger language never has fewer draws.
    by_size = sorted(range(len(sizes)), key=lambda i: sizes[i])
    assert all(quotas[a] <= quotas[b] + 1 for a, b in pairwise(by_size))


@pytest.mark.parametrize(
    ("sizes", "temperature", "expected"),
    [
        ([90, 10], float("inf"), [50, 50]),
        ([90, 10], 2, [75, 25]),
        # 900 ** 0.3 : 100 ** 0.3 = 7.70 : 3.98
        ([900, 100], 1 / 0.3, [659, 341]),
        ([900, 100], 0.5, [988, 12]),
    ],
)
def test_quotas_by_hand(sizes: list[int], temperature: float, expected: list[int]) -> None:
    assert temperature_quotas(sizes, temperature) == expected


def recipe(folder: Path, sizes: dict[str, int], **unlabelled: object) -> Recipe:
    """A stage on unlabelled lines of our own."""
    words = {"th": "\u0e01", "ru": "\u0434\u0430", "en": "yes"}
    for code, size in sizes.items():
        lines = [f'{{"text": "{" ".join([words[code]] * 9)} {number} ."}}' for number in range(size)]
        (folder / f"{code}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    corpus = {"reader": "jsonl", "path": "{language}.jsonl"}
    part = {"objective": {"name": "span_corruption"}, "corpus": corpus, "languages": list(sizes), **unlabelled}
    return Recipe.model_validate(
        {"name": "t", "backbone": "pocket-mt5", "data_dir": str(folder), "unlabelled": [part], "training": {"steps": 1}}
    )


def test_languages_are_drawn_by_temperature(tmp_path: Path) -> None:
    mixed = recipe(tmp_path, {"th": 45, "ru": 5}, temperature=float("inf"))
    backbone = loading.load("pocket-mt5")
    stream, *_ = build_stream(mixed, mixed.stages[0], None, backbone)
    drawn: Counter[str] = Counter()
    while sum(drawn.values()) < 500:
        drawn.update(example.language for example in next(stream))
    assert abs(drawn["th"] - drawn["ru"]) <= 60, drawn


def test_a_language_without_text_is_named(tmp_path: Path) -> None:
    empty = recipe(tmp_path, {"th": 3, "ru": 0})
    with pytest.raises(DataError, match="has no text that fits it in ru"):
        build_stream(empty, empty.stages[0], None, loading.load("pocket-mt5"))


def test_text_that_several_objectives_share_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = recipe(tmp_path, {"th": 4, "ru": 3})
    part = one.stages[0].unlabelled[0].model_dump()
    lm = {**part, "objective": {"name": "lm"}}
    both = Recipe.model_validate({**one.model_dump(), "stages": [{"unlabelled": [part, lm], "training": {"steps": 1}}]})
    read: list[str] = []
    whole = mixture.read_passages
    monkeypatch.setattr(mixture, "read_passages", lambda reader, code: read.append(code) or whole(reader, code))
    stream, *_ = build_stream(both, both.stages[0], None, loading.load("pocket-mt5"))
    assert sorted(read) == ["ru", "th"]
    assert [part.size for part in stream.parts] == [7, 7]
