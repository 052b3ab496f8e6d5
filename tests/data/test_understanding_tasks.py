"""XGLUE's tasks on stand-ins for its released files, and tasks that cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xlgen.core.registry import InputError
from xlgen.core.shipped import shipped
from xlgen.data.readers import DataError
from xlgen.data.tasks import load_task

XGLUE = [name for name in shipped("tasks") if name.startswith("xglue-")]
# The end of the path of the release's file, and two lines of it or two sentences.
FILES: dict[str, tuple[str, str]] = {
    "xglue-nc": ("NC/xglue.nc.{}", 'Дождь "сегодня"\tШёл дождь.\tnews\nGoal\tA goal.\tsports\n'),
    "xglue-qadsm": ("QADSM/xglue.qadsm.{}", "Schuhe\tSchuhe kaufen\tHier.\tGood\nSchuhe\tAutos\t\tBad\n"),
    "xglue-qam": ("QAM/xglue.qam.{}", "qui\tC'est lui.\t1\nquand\tIl pleut.\t0\n"),
    "xglue-wpr": ("WPR/xglue.wpr.{}", "天气\t天气预报\t今天有雨\t4\n天气\t汽车\t新车\t0\n"),
    "xglue-ner": ("NER/{}", "Ada B-PER\nrust O\n\nIn O\nParijs B-LOC\n"),
    "xglue-pos": ("POS/{}", "बारिश NOUN\nहुई VERB\n। PUNCT\n\n"),
}
LAST = {
    "xglue-nc": "ru",
    "xglue-qadsm": "de",
    "xglue-qam": "fr",
    "xglue-wpr": "zh",
    "xglue-ner": "nl",
    "xglue-pos": "hi",
}


@pytest.fixture
def release(tmp_path: Path) -> Callable[[str], Path]:
    """The files of a task of XGLUE, English ones for training; the folder that they lie in."""

    def make(name: str) -> Path:
        pattern, text = FILES[name]
        for code, split in (("en", "train"), (LAST[name], "dev"), (LAST[name], "test")):
            path = tmp_path / "xglue_full_dataset" / pattern.format(f"{code}.{split}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return make


EXPECTED: dict[str, tuple[Any, ...]] = {
    "xglue-nc": ('Дождь "сегодня"', "Шёл дождь.", ("news",), ""),
    "xglue-qadsm": ("Schuhe", "Schuhe kaufen Hier.", ("Good",), ""),
    "xglue-qam": ("qui", "C'est lui.", ("1",), ""),
    "xglue-wpr": ("天气", "天气预报 今天有雨", ("4",), "天气"),
    "xglue-ner": ("Ada rust", None, ("B-PER O",), ""),
    "xglue-pos": ("बारिश हुई ।", None, ("NOUN VERB PUNCT",), ""),
}


@pytest.mark.parametrize("name", FILES)
def test_released_files(name: str, release: Callable[[str], Path]) -> None:
    task = load_task(name, release(name))
    for code, split in (("en", "train"), (LAST[name], "validation"), (LAST[name], "test")):
        first, *others = task.examples(code, split)
        assert (first.source, first.pair, first.targets, first.group) == EXPECTED[name]
        assert len(others) == (name != "xglue-pos")
    assert set(task.config.labels) >= {label for found in (first, *others) for label in (found.tags or found.targets)}


def test_a_test_file_without_labels_is_named(release: Callable[[str], Path]) -> None:
    """As XGLUE's test files were before November 2020."""
    folder = release("xglue-qam")
    (folder / "xglue_full_dataset/QAM/xglue.qam.fr.test").write_text("qui\tC'est lui.\n", encoding="utf-8")
    with pytest.raises(
        DataError, match=r"xglue\.qam\.fr\.test, line 1: it has 2 columns where 3 are expected: question"
    ):
        load_task("xglue-qam", folder).examples("fr", "test")
    with pytest.raises(DataError, match=r"no file .*/xglue\.qam\.fr\.train .*give its folder with data_dir"):
        load_task("xglue-qam", folder).examples("fr", "train")


def test_a_query_that_comes_again_is_another(release: Callable[[str], Path]) -> None:
    folder = release("xglue-wpr")
    path = folder / "xglue_full_dataset/WPR/xglue.wpr.zh.test"
    path.write_text("".join(f"{query}\tt\ts\t1\n" for query in ("雨", "雨", "雪", "雨", "雪")), encoding="utf-8")
    found = load_task("xglue-wpr", folder).examples("zh", "test")
    assert [example.group for example in found] == ["雨", "雨", "雪", "雨 (2)", "雪 (2)"]


def test_all_of_xglue_is_here() -> None:
    assert len(XGLUE) == 8
    assert {name for name in XGLUE if load_task(name, Path()).config.source_pair} == {
        f"xglue-{name}" for name in ("nc", "xnli", "paws-x", "qadsm", "wpr", "qam")
    }


def test_a_limit_leaves_the_last_query_whole() -> None:
    task = load_task("pocket-passages", Path())
    whole = task.examples("th", "test")
    for limit in range(1, 12):
        found = task.examples("th", "test", limit)
        assert found == whole[: len(found)]
        assert found[-1].group == found[limit - 1].group != whole[len(found)].group


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("kind: tagging", "source_pair requires kind classification or ranking"),
        ("crop: query", "cannot be used with crop"),
        ("group: null", "kind ranking needs a `group`"),
        ("labels: [bad, good]", "grades as labels: integers from 0"),
        ('source_pair: "{title:wrds}"', r"\{title:wrds\}: .*did you mean 'words'"),
    ],
)
def test_wrong_tasks(change: str, message: str, tmp_path: Path) -> None:
    lines = shipped("tasks")["xglue-wpr"].read_text(encoding="utf-8").splitlines()
    key = change.partition(":")[0]
    kept = [line for line in lines if not line.startswith(f"{key}:")]
    if key == "kind":
        kept = ['source: "{query:words}"' if line.startswith("source:") else line for line in kept]
    (tmp_path / "task.yaml").write_text("\n".join([*kept, change]), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_task(str(tmp_path / "task.yaml"), tmp_path)
