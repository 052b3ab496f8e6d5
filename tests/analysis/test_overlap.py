"""Label overlap of tasks with known labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from xlgen.analysis.overlap import label_overlap, overlap
from xlgen.core.registry import InputError
from xlgen.data.tasks import load_task

DATA = Path(__file__).parents[3] / "shared" / "data"


def task(folder: Path, rows: dict[str, list[dict[str, Any]]], **changes: Any) -> Any:
    for code, found in rows.items():
        lines = [json.dumps({"text": f"{code} {place}", **row}) for place, row in enumerate(found)]
        (folder / f"{code}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    config = {
        "reader": {"name": "jsonl", "path": "{language}.jsonl"}, "languages": list(rows), "source": "{text}",
        "target": "label", "metrics": ["accuracy"], "main_metric": "accuracy", "parallel": True, **changes,
    }  # fmt: skip
    (folder / "task.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return load_task(str(folder / "task.yaml"), folder)


def rows(*labels: Any, first: int = 0) -> list[dict[str, Any]]:
    return [{"id": str(number), "label": label} for number, label in enumerate(labels, first)]


def test_it_is_the_share_of_equal_labels(tmp_path: Path) -> None:
    labels = {
        "en": rows("yes", "no", ["1912", "in 1912"], "Paris"),
        "fr": rows("yes", "no", "1912", "Paris"),
        "th": list(reversed(rows("yes", "yes", "1912", "ปารีส"))),
        "de": rows("Paris", "yes", first=3),
    }
    found = label_overlap(task(tmp_path, labels))
    assert [(each.language, each.value, each.n) for each in found] == [
        ("fr", 100, 4), ("th", 50, 4), ("de", 100, 1), ("average", pytest.approx(250 / 3), 9),
    ]  # fmt: skip
    one, mean = label_overlap(task(tmp_path, labels), "fr", ["en"], limit=3)
    assert (one.value, one.n, one.source) == (100, 3, "fr") and (mean.value, mean.n) == (100, 3)


def test_bad_input(tmp_path: Path) -> None:
    labels = {"en": rows("a"), "fr": rows("a", first=5)}
    with pytest.raises(InputError, match="no example in fr has the id of an example in en"):
        label_overlap(task(tmp_path, labels))
    assert label_overlap(task(tmp_path, labels, parallel=False))[0].value is None  # nothing says that they are parallel
    with pytest.raises(InputError, match="no language 'th'"):
        label_overlap(task(tmp_path, labels), languages=["th"])
    with pytest.raises(InputError, match="a language other than en"):
        label_overlap(task(tmp_path, labels), languages=["en"])
    with pytest.raises(InputError, match="not 2 and 1"):
        overlap(["a", "b"], ["a"])


def test_inputs_that_cannot_be_parallel(tmp_path: Path) -> None:
    """Rows without ids stand for one another by their number, which is no help where a language lacks some."""
    labels = {"en": [{"label": "a"}] * 12, "fr": [{"label": "a"}] * 9, "th": [{"label": "b"}] * 12}
    plain = task(tmp_path, labels)
    for limit in (None, 5):
        with pytest.raises(InputError, match="rows have no ids, and there are 12 of en, 9 of fr"):
            label_overlap(plain, languages=["fr"], limit=limit)
    assert label_overlap(plain, languages=["th"])[0].n == 12
    with pytest.raises(InputError, match=r"language fr: .*fr.jsonl, line 3 has the id '1' of .*fr.jsonl, line 2"):
        label_overlap(task(tmp_path, {"en": rows("a", "b", "c"), "fr": [*rows("a", "b"), *rows("c", first=1)]}))
    same = {code: [{"id": "1", "text": "x", "label": code}] for code in ("en", "fr")}
    with pytest.raises(InputError, match=r"texts of en and fr are all the same; .*path lack \{language\}"):
        label_overlap(task(tmp_path, same))


@pytest.mark.skipif(not (DATA / "xquad").is_dir(), reason=f"no XQuAD in {DATA}")
def test_answers_of_xquad_that_are_numbers_are_the_same(tmp_path: Path) -> None:
    found = {
        each.language: each for each in label_overlap(load_task("squad-xquad", DATA), languages=["es", "th", "ru"])
    }
    assert all(each.n == 1190 for each in found.values() if each.language != "average")
    assert 5 < found["th"].value < found["es"].value < 60
