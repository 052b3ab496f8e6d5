"""Corpus BLEU: equal to sacreBLEU on real text in many scripts, with its tokenizers and its signature."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sacrebleu

import xlgen
from xlgen.core.registry import InputError
from xlgen.metrics.base import Example
from xlgen.metrics.bleu import Bleu
from xlgen.metrics.score import score
from xlgen.metrics.significance import paired_bootstrap

LANGUAGES = {"en": "eng", "ru": "rus", "ar": "arb", "hi": "hin", "th": "tha", "zh": "zho-CN", "ja": "jpn", "ko": "kor"}
SPACED = {"en", "ru", "ar", "hi", "th"}


def real(shared: Callable[[str], Path], code: str, name: str, references: int = 2) -> list[Example]:
    """Sentences of news, each damaged in a way of its own, against itself and the sentence before it."""
    lines = shared(f"ntrex128/{name}.txt").read_text(encoding="utf-8").split("\n")[:41]
    pairs = list(zip(lines[1:], lines, strict=False))
    return [
        Example(code, text[: len(text) - row % 7] + before[: row % 5], (text, before)[:references])
        for row, (text, before) in enumerate(pairs)
    ]


def theirs(examples: list[Example], **options: Any) -> tuple[float, str]:
    scorer = sacrebleu.metrics.BLEU(force=True, **options)
    streams = [list(stream) for stream in zip(*(example.references for example in examples), strict=True)]
    found = scorer.corpus_score([example.prediction for example in examples], streams)
    return found.score, str(scorer.get_signature())


@pytest.mark.spread(20)
@pytest.mark.parametrize("references", [1, 2])
@pytest.mark.parametrize("tokenize", [None, "intl", "char", "none"])
@pytest.mark.parametrize("code", ["en", "ru", "ar", "hi", "th", "zh"])
def test_real_text_has_sacrebleus_score_and_signature(
    shared: Callable[[str], Path], code: str, tokenize: str | None, references: int
) -> None:
    examples = real(shared, code, LANGUAGES[code], references)
    value, signature = theirs(examples, tokenize=tokenize or ("zh" if code == "zh" else "13a"))
    [row] = score(examples, [Bleu(tokenize=tokenize)], code, bootstrap=100)
    assert row.value == pytest.approx(value, abs=1e-9)
    assert row.signature == f"bleu|{signature}|bs:100|seed:0|xlgen:{xlgen.__version__}"
    assert row.low is not None and row.high is not None and row.low < row.value < row.high
    assert 1 < row.value < 99


@pytest.mark.parametrize(
    "options",
    [
        {"lowercase": True},
        {"smooth_method": "floor", "smooth_value": 0.2},
        {"smooth_method": "add-k"},
        {"smooth_method": "none"},
        {"max_ngram_order": 2},
        {"effective_order": True},
    ],
)
def test_options_are_sacrebleus(shared: Callable[[str], Path], options: dict[str, Any]) -> None:
    examples = real(shared, "ru", "rus")
    [row] = xlgen.score(
        [{"language": "ru", "prediction": e.prediction, "references": list(e.references)} for e in examples],
        [{"name": "bleu", **options}],
        bootstrap=0,
    )
    value, signature = theirs(examples, **options)
    assert row["value"] == pytest.approx(value, abs=1e-9)
    assert signature in row["signature"]


def test_numbers_of_references_may_differ() -> None:
    examples = [Example("ru", "а б в г д", ("а б в г д",)), Example("ru", "е ж з и", ("е ж з к", "е ж з и", "л"))]
    [row] = score([*examples, Example("ru", "x")], ["bleu"], "ru", bootstrap=0)
    streams = [["а б в г д", "е ж з к"], [None, "е ж з и"], [None, "л"]]
    scorer = sacrebleu.metrics.BLEU()
    assert row.value == pytest.approx(scorer.corpus_score([e.prediction for e in examples], streams).score, abs=1e-9)
    assert row.n == 2
    assert row.signature.startswith(f"bleu|{scorer.get_signature()}|")


@pytest.mark.exhaustive
def test_examples_are_drawn_as_a_whole_and_their_order_does_not_show(shared: Callable[[str], Path]) -> None:
    """The interval is that of drawing examples one by one, and scoring each draw with sacreBLEU."""
    examples = real(shared, "en", "eng", 1)
    [row] = score(examples, ["bleu"], "en", bootstrap=400)
    assert score(examples[::-1], ["bleu"], "en", bootstrap=400) == [row]
    random = np.random.default_rng(1)
    drawn = [theirs([examples[i] for i in random.integers(0, len(examples), len(examples))])[0] for _ in range(400)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    assert row.low == pytest.approx(low, abs=1.5) and row.high == pytest.approx(high, abs=1.5)


def test_two_systems_are_compared_by_the_figure_of_all_examples(shared: Callable[[str], Path]) -> None:
    examples = real(shared, "hi", "hin")
    worse = [Example("hi", each.prediction[:-9], each.references) for each in examples]
    first, second = (Bleu().per_example(group)["bleu"] for group in (examples, worse))
    found = paired_bootstrap(first, second, 200, of_sums=lambda sums: Bleu().of_sums("bleu", sums))
    assert found is not None and found.p is not None and found.low is not None
    assert (found.first * 100, found.second * 100) == pytest.approx((theirs(examples)[0], theirs(worse)[0]), abs=1e-9)
    assert found.p < 0.05 and found.low > 0
    again = paired_bootstrap(first[::-1], second[::-1], 200, of_sums=lambda sums: Bleu().of_sums("bleu", sums))
    assert again == found


@pytest.mark.parametrize("code", ["ja", "ko"])
def test_japanese_and_korean_need_mecab(shared: Callable[[str], Path], code: str) -> None:
    examples = real(shared, code, LANGUAGES[code])
    try:
        value, signature = theirs(examples, tokenize=f"{code}-mecab")
    except (RuntimeError, ImportError):
        with pytest.raises(InputError, match=rf"pip install 'sacrebleu\[{code}\]', or set the option tokenize"):
            score(examples, ["bleu"], code)
        [row] = score(examples, [{"name": "bleu", "tokenize": "char"}], code, bootstrap=0)
        assert row.value == pytest.approx(theirs(examples, tokenize="char")[0], abs=1e-9)
        return
    [row] = score(examples, ["bleu"], code, bootstrap=0)
    assert row.value == pytest.approx(value, abs=1e-9)
    assert signature in row.signature


def test_nothing_is_downloaded_for_a_tokenizer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sacrebleu import utils

    monkeypatch.setattr(utils, "SACREBLEU_DIR", str(tmp_path))
    monkeypatch.setattr(utils, "download_file", lambda *_: pytest.fail("it was downloaded"))
    for name in ("flores200", "flores101"):
        with pytest.raises(InputError, match=f"tokenizer '{name}' needs its model at {tmp_path}"):
            score([Example("th", "เด็ก", ("เด็ก",))], [{"name": "bleu", "tokenize": name}], "th")
    with pytest.raises(InputError, match="unknown tokenizer 'flores20' of bleu: did you mean 'flores200'"):
        Bleu("flores20").signature("th")


@pytest.mark.parametrize("text", ["", " ", "x", "\ud800", "\x00", "เด็ก"])
def test_hostile_text_is_scored(text: str) -> None:
    [row] = score([Example("th", text, (text, ""))], ["bleu"], "th", bootstrap=10)
    assert row.value is not None and 0 <= row.value <= 100
