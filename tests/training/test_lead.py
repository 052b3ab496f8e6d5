"""The lead: tokens of the backbone, or words as each script has them."""

import pytest

from xlgen.backbones.loading import load
from xlgen.core.registry import InputError
from xlgen.training.baselines import baselines
from xlgen.training.baselines.lead import lead, lead_words


@pytest.mark.spread(1)
@pytest.mark.parametrize(
    ("language", "text", "words", "expected"),
    [
        ("en", "The mayor, who opened it,  left early.", 4, "The mayor, who opened"),
        ("ar", "افتتح العمدة مكتبة جديدة", 2, "افتتح العمدة"),
        ("zh", "市长星期一开放了新的图书馆。", 2, "市长星期一"),
        ("ja", "市長は図書館を開いた。", 2, "市長は"),
        ("th", "นายกเทศมนตรีเปิดโรงเรียน", 2, "นายกเทศมนตรีเปิด"),
        ("en", "short", 10, "short"),
        ("en", "  ", 3, ""),
    ],
)
def test_words(language: str, text: str, words: int, expected: str) -> None:
    assert lead_words(text, language, words) == expected


def test_tokens_are_64_unless_asked_otherwise() -> None:
    backbone, text = load("pocket-mt5"), "The mayor opened the new library of the town. " * 20
    for options, count in (({}, 64), ({"tokens": 8}, 8)):
        baseline = baselines.build({"name": "lead", **options})
        assert (baseline.options.tokens or 64) == count
        assert len(backbone.tokenize(lead(text, backbone, count))) == count


def test_tokens_and_words_exclude_one_another() -> None:
    with pytest.raises(InputError, match="tokens or words, not both"):
        baselines.build({"name": "lead", "tokens": 3, "words": 3})
