"""What every registered metric keeps to."""

import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from xlgen.backbones.loading import embedded
from xlgen.metrics.base import Example, Metric, Scores, metrics
from xlgen.metrics.bleu import Bleu
from xlgen.metrics.score import score
from xlgen.metrics.sp_rouge import SpRouge

# fmt: off
FIGURES = {
    "rouge1", "rouge2", "rougeL", "rougeLsum", "sp_rougeL", "sp_rougeLsum", "squad_f1", "squad_em", "mlqa_f1",
    "sp_rouge1", "sp_rouge2", "chrf", "chrf_corpus", "bleu", "ter", "bertscore_f1", "comet",
    "mlqa_em", "correct_language_rate", "lid_confidence", "lid_confidence_en",
    "ascii_rate", "line_pass_rate", "word_pass_rate",
    "empty_rate", "leftover_rate", "prediction_length", "reference_length", "xlrs",
    "ok_rate", "wrong_language_rate", "code_switched_rate", "repeated_ending_rate", "loop_rate", "copied_rate",
    "truncated_rate", "wrong_script_rate", "script_rate", "unknown_rate", "reference_wrong_language_rate",
    "reference_unknown_rate", "reference_language_rate", "language_confusion_pass_rate", "short_language_rate",
    "cannot_tell_rate",
    "accuracy", "tag_accuracy", "mean_span_f1", "word_accuracy", "macro_f1", "span_f1", "span_precision", "span_recall",
    "ndcg", "xglue_ndcg", "label_f1",
}
# fmt: on
# Of outputs that pass by lines only: an empty one does not, and line_pass_rate says so. Of references that are numbers.
CONDITIONAL = {"word_pass_rate", "ndcg", "xglue_ndcg"}
# Twelve scripts: Latin, Cyrillic, Greek, Arabic, Hebrew, Devanagari, Bengali, Tamil, Thai, Han, kana, Hangul.
SENTENCES = {
    "en": "The children went to school in the morning and came home late.",
    "ru": "Дети утром пошли в школу и поздно вернулись домой.",
    "el": "Τα παιδιά πήγαν το πρωί στο σχολείο και γύρισαν αργά στο σπίτι.",
    "ar": "ذهب الأطفال إلى المدرسة في الصباح وعادوا إلى البيت متأخرين.",
    "he": "הילדים הלכו בבוקר לבית הספר וחזרו הביתה מאוחר.",
    "hi": "बच्चे सुबह स्कूल गए और देर से घर लौटे।",
    "bn": "শিশুরা সকালে স্কুলে গিয়েছিল এবং দেরিতে বাড়ি ফিরেছে।",
    "ta": "குழந்தைகள் காலையில் பள்ளிக்குச் சென்று தாமதமாக வீடு திரும்பினர்.",
    "th": "เด็ก ๆ ไปโรงเรียนตอนเช้าและกลับบ้านดึก",
    "zh": "孩子们早上去学校，很晚才回家。",
    "ja": "子どもたちは朝学校へ行って、遅くに家へ帰ってきました。",
    "ko": "아이들은 아침에 학교에 갔다가 늦게 집에 돌아왔다.",
}
EMPTY = [
    Example("hi", "", ("",), input="", raw_prediction=""),
    Example("hi", "", (SENTENCES["hi"],), input=SENTENCES["hi"], raw_prediction=""),
    Example("hi", SENTENCES["hi"], ("",), input="", raw_prediction=SENTENCES["hi"], truncated=False),
    Example("hi", " \n\t", (" ",), input=" ", raw_prediction="\n"),
    Example("hi", "", ()),
]


# Metrics whose default needs a model of the Hub, or MeCab for Japanese and Korean, with what is here.
LOCAL: dict[str, Metric] = {"sp_rouge": SpRouge(str(embedded()["pocket-mt5"])), "bleu": Bleu(tokenize="char")}
# Learned metrics need a checkpoint, and their scores are only about the same in another batch: tests of their own.
LEARNED = {"bertscore", "comet"}
METRICS = [name for name in metrics.names() if name not in LEARNED]


def one(name: str) -> Metric:
    return LOCAL.get(name) or metrics.get(name)()


@pytest.fixture(params=METRICS)
def metric(request: pytest.FixtureRequest) -> Metric:
    return one(request.param)


def identical(code: str) -> Example:
    text = SENTENCES[code]
    return Example(code, text, (text,), input="0", raw_prediction=text, truncated=False, similarity=1.0)


def in_bounds(metric: Metric, scores: dict[str, Scores]) -> bool:
    shares = {figure.name for figure in metric.figures if figure.unit == "percent" and not figure.of_sums}
    high = {figure.name: 1.0 if figure.name in shares else np.inf for figure in metric.figures}
    return all(((row >= 0) & (row <= high[name]) | np.isnan(row)).all() for name, row in scores.items())


def test_every_figure_has_one_metric_and_a_name_from_the_design() -> None:
    counts = Counter(figure.name for name in metrics.names() for figure in metrics.get(name).figures)
    assert set(counts) <= FIGURES
    assert set(counts.values()) == {1}


@pytest.mark.spread(75)
@pytest.mark.parametrize("code", SENTENCES)
def test_identity_is_best_in_every_script(metric: Metric, code: str) -> None:
    scores = metric.per_example([identical(code)])
    assert in_bounds(metric, scores)
    for figure in metric.figures:
        if figure.best is not None:
            assert figure.of(scores[figure.name]) == pytest.approx(figure.best), figure.name


def test_empty_text_is_defined(metric: Metric) -> None:
    scores = metric.per_example(EMPTY)
    assert set(scores) == {figure.name for figure in metric.figures}
    sums = {figure.name for figure in metric.figures if figure.of_sums}
    assert all(len(row) == len(EMPTY) and row.dtype == float for row in scores.values())
    assert {name for name, row in scores.items() if row.ndim == 2} == sums
    assert in_bounds(metric, scores)
    for figure in metric.figures:
        if (
            figure.higher_is_better is not None and figure.name not in CONDITIONAL
        ):  # the rest may leave empty text out, if they say so
            assert np.isfinite(scores[figure.name][:4]).all(), figure.name


def test_empty_text_is_never_the_best_of_a_score(metric: Metric) -> None:
    scores = metric.per_example([EMPTY[1]])
    for figure in metric.figures:
        if figure.higher_is_better and figure.name not in CONDITIONAL:
            assert figure.of(scores[figure.name]) == 0, figure.name


def test_no_examples_give_no_scores(metric: Metric) -> None:
    assert {len(row) for row in metric.per_example([]).values()} == {0}


def test_the_order_and_company_of_examples_do_not_matter(metric: Metric) -> None:
    codes = list(SENTENCES)
    pairs = zip(codes, codes[1:] + codes[:1], strict=True)
    examples = [*map(identical, codes), *EMPTY]
    examples += [Example(code, SENTENCES[code] + " 7", (SENTENCES[code], SENTENCES[other])) for code, other in pairs]
    order = list(range(len(examples)))
    random.Random(0).shuffle(order)
    together = metric.per_example(examples)
    shuffled = metric.per_example([examples[i] for i in order])
    alone = [metric.per_example([example]) for example in examples]
    for name, row in together.items():
        np.testing.assert_array_equal(shuffled[name], row[order])
        np.testing.assert_array_equal([one[name][0] for one in alone], row)


def test_a_signature_is_stable_and_names_no_machine(metric: Metric) -> None:
    signature = metric.signature("th")
    assert signature == replace(metric).signature("th")  # type: ignore[type-var]
    assert not set(signature) & set(" \n/\\")


def test_options_have_defaults_and_metrics_are_frozen(metric: Metric) -> None:
    assert hash(metric) == hash(replace(metric))  # type: ignore[type-var]
    assert type(metric)() == type(metric)()


def test_rows_of_every_metric_fit_one_table() -> None:
    rows = score([identical("th")] * 3, [one(name) for name in METRICS], "th", bootstrap=10)
    names = [figure.name for name in METRICS for figure in metrics.get(name).figures]
    assert [row.metric for row in rows] == names
    assert all(row.n == 3 or row.metric in CONDITIONAL for row in rows)
    assert all(row.signature.startswith(f"{row.metric}|") for row in rows)
