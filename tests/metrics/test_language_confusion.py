import gzip
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from xlgen.core.registry import InputError
from xlgen.metrics.base import Example
from xlgen.metrics.language_confusion import FAILS, LINES_PASS, PASSES, LanguageConfusion, harmonic_mean
from xlgen.metrics.score import score

RUSSIAN = "Мэр города открыл в понедельник новую библиотеку для детей."
ENGLISH = "The mayor of the city opened a new library on Monday."
# output, language, level
TABLE = [
    (RUSSIAN, "ru", PASSES),
    (f"{RUSSIAN}\n{ENGLISH}", "ru", FAILS),
    (f"{RUSSIAN}\nhello there", "ru", PASSES),  # too short a line to count
    (RUSSIAN.replace("новую", "library"), "ru", LINES_PASS),
    (RUSSIAN.replace("новую", "Library"), "ru", PASSES),
    (f"{RUSSIAN}\nQ: {ENGLISH}", "ru", PASSES),
    ("Да", "ru", np.nan),
    ("", "ru", FAILS),
    ("孩子们早上去学校，很晚才回家。", "zh", PASSES),
    ("เด็ก ๆ ไปโรงเรียนตอนเช้าและกลับบ้านดึก", "th", PASSES),
]


@pytest.mark.parametrize(("text", "code", "level"), TABLE)
def test_table(text: str, code: str, level: float) -> None:
    found = LanguageConfusion().per_example([Example(code, text)])["language_confusion_pass_rate"]
    np.testing.assert_array_equal(found, [level])


def test_words_are_not_measured_in_latin_script() -> None:
    found = LanguageConfusion().per_example([Example("en", ENGLISH)])
    assert found["line_pass_rate"].tolist() == [1]
    assert np.isnan([found["word_pass_rate"][0], found["language_confusion_pass_rate"][0]]).all()


def test_lcpr_is_the_harmonic_mean_of_the_figures() -> None:
    assert harmonic_mean(np.array([0.0])) == 0
    examples = [Example("ru", text) for text, code, _ in TABLE if code == "ru"]
    lines, words, both = (row.value for row in score(examples, [LanguageConfusion()], "ru", bootstrap=50))
    assert lines is not None and words is not None
    assert both == pytest.approx(2 * lines * words / (lines + words))


def test_a_word_list_is_read_and_named(tmp_path: Path) -> None:
    path = tmp_path / "words.gz"
    path.write_bytes(gzip.compress(b"Monday\nlibrary\nthe\n"))
    metric = LanguageConfusion(words=str(path))
    texts = [RUSSIAN.replace("новую", word) for word in ("library", "mayor", "the")]
    found = metric.per_example([Example("ru", text) for text in texts])["word_pass_rate"]
    assert found.tolist() == [0, 1, 1]
    assert "words:words.gz@" in metric.signature("ru")
    assert "words:a-z{4,}" in LanguageConfusion().signature("ru")
    with pytest.raises(InputError, match="cannot read the word list"):
        LanguageConfusion(words=str(tmp_path / "absent")).signature("ru")


def benchmark() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "language_confusion.py"
    spec = importlib.util.spec_from_file_location("language_confusion_benchmark", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.exhaustive
def test_command_r_has_the_figures_of_the_reference(shared: Callable[[str], Path]) -> None:
    for package in ("jieba", "fugashi", "unidic_lite"):
        pytest.importorskip(package)
    data, script = shared("language_confusion"), benchmark()
    found = script.figures(data / "outputs.command-r.jsonl.gz", str(data / "words.gz"))
    expected = script.reference(data / "REFERENCE.command-r.tsv")
    assert len(expected) > 100
    assert script.largest_difference(found, expected) <= 0.01
