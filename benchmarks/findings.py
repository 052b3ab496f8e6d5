"""The tables of docs/results/findings.md on XLRS: what L found, on pocket backbones.

    xlgen study pocket-sources --out runs/pocket-sources
    python benchmarks/findings.py xlrs runs/pocket-sources [--figure docs/results/findings/xlrs.svg] [--learned 85]
    python benchmarks/findings.py parts pocket-mt5 runs/pocket-sources/runs/mt5-en-1e-3-seed=0

``xlrs`` reads any study of pocket summaries, such as pocket-search, from its files; ``--learned 85`` leaves out those
checkpoints whose English is below 85 % of the best of their backbone. ``parts MODEL ...`` says what XLRS is made of.
Markdown.
"""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from xlgen.analysis.correlation import spearman
from xlgen.analysis.open_model import open_model
from xlgen.core.config import ParallelText
from xlgen.evaluation.xlrs_tracking import read_parallel
from xlgen.experiments.choices import checkpoint_choices, rate_choices, searches
from xlgen.experiments.criteria import LANGUAGE_RATE
from xlgen.pocket.world import LANGUAGES
from xlgen.report.drawing import draw_figure, legend, name_axes, to_svg
from xlgen.representations.states import means
from xlgen.representations.xlrs import similarities
from xlgen.runs.files import write_atomically
from xlgen.runs.rows import Results, load_results, mean
from xlgen.runs.runs import Run, rate_text

INPUTS = ParallelText(corpus={"reader": "pocket", "size": 2000}, field="document", sentences=20, max_tokens=256)
"""What XLRS is measured on in a run of pocket-summaries with 20 examples."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("xlrs", "parts"))
    parser.add_argument(
        "folders", nargs="+", type=Path, help="a study's; of `parts` models as `xlgen analyze` takes them"
    )
    parser.add_argument("--figure", type=Path, help="write a figure to this SVG file")
    parser.add_argument("--learned", type=float, default=0.0, help="of the best English, in percent")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if chosen.what == "parts":
        print(parts([str(folder) for folder in chosen.folders]))
        return
    results = load_results(chosen.folders[0])
    codes = unlabelled(results)
    points = checkpoints(results, codes, chosen.learned)
    print(raised(points, codes), correlations(points), choices(results), within(results), sep="\n\n")
    if chosen.figure:
        write_atomically(chosen.figure, scatter(points, codes))


@dataclass(frozen=True)
class Point:
    """A checkpoint: means over the languages that no run of the study has labels for."""

    backbone: str
    method: str
    rate: str
    step: int
    xlrs: float
    score: float
    language: float
    english: float


def unlabelled(results: Results) -> tuple[str, ...]:
    """The languages that no run of a study has labels for."""
    labelled = {code for run in results.runs for code in run.source_languages}
    return tuple(code for code in LANGUAGES if code not in labelled)


def checkpoints(results: Results, codes: Sequence[str], learned: float) -> list[Point]:
    """Every evaluation of summaries; ``learned`` percent of the best English of its backbone, at least."""
    runs = [run for run in results.runs if run.figures and run.task == "pocket-summaries"]
    points = [_point(results, run, step, codes) for run in runs for step in _steps(run)]
    best = {point.backbone: max(each.english for each in points if each.backbone == point.backbone) for point in points}
    return [point for point in points if point.english >= learned / 100 * best[point.backbone]]


def _steps(run: Run) -> list[int]:
    return sorted({figure["step"] for figure in run.figures})


def _point(results: Results, run: Run, step: int, codes: Sequence[str]) -> Point:
    def over(metric: str) -> float:
        found = mean(results.value(run, code, metric, step) for code in codes)
        return float("nan") if found is None else found

    english = results.value(run, "en", run.main_metric, step) or 0.0
    method = _labelled(run)
    rate = rate_text(run.learning_rate or 0.0)
    return Point(run.backbone, method, rate, step, over("xlrs"), over(run.main_metric), over(LANGUAGE_RATE), english)


def raised(points: Sequence[Point], codes: tuple[str, ...]) -> str:
    """A line a setting: XLRS before, at each evaluation (mean over seeds), and at the last one from the lowest of the
    seeds to the highest; and what was reached there."""
    groups: dict[tuple[str, str, str], dict[int, list[Point]]] = defaultdict(lambda: defaultdict(list))
    for point in points:
        groups[point.backbone, point.method, point.rate][point.step].append(point)
    before = {name: _pretrained(name, codes) for name in {key[0] for key in groups}}
    columns = "XLRS before | during training | seeds, at the end | ROUGE-L | right language | English"
    lines = [f"| backbone | method, labels | rate | {columns} |", "|---|---|---|---:|---:|---:|---:|---:|---:|"]
    for (backbone, method, rate), steps in groups.items():
        last = steps[max(steps)]
        course = ", ".join(f"{_mean(each.xlrs for each in steps[step]):.2f}" for step in sorted(steps))
        figures = (f"{_mean(getattr(each, name) for each in last):.1f}" for name in ("score", "language", "english"))
        spread = f"{min(each.xlrs for each in last):.2f} to {max(each.xlrs for each in last):.2f}"
        cells = (backbone, method, rate, f"{before[backbone]:.2f}", course, spread, *figures)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


@cache
def _pretrained(name: str, codes: tuple[str, ...]) -> float:
    backbone, method = open_model(name)
    texts = read_parallel(INPUTS, backbone, codes, "en", Path())
    return _mean(row.value for row in texts.measure(backbone, method, "fp32", 0).values() if row.value is not None)


def correlations(points: Sequence[Point]) -> str:
    """Spearman's rho over the checkpoints of each method: of XLRS with the metric, and with the language rate."""
    groups: dict[tuple[str, str], list[Point]] = defaultdict(list)
    for point in points:
        groups[point.backbone, point.method].append(point)
    lines = ["| backbone | method, labels | checkpoints | with ROUGE-L | p | with right language | p |"]
    lines.append("|---|---|---:|---:|---:|---:|---:|")
    for (backbone, method), found in groups.items():
        numbers = []
        for name in ("score", "language"):
            rho, p = spearman([(point.xlrs, getattr(point, name)) for point in found])
            numbers += ["–", "–"] if rho is None or p is None else [f"{rho:.2f}", f"{p:.2g}"]
        lines.append(f"| {backbone} | {method} | {len(found)} | " + " | ".join(numbers) + " |")
    return "\n".join(lines)


def choices(results: Results) -> str:
    """Of each search for a rate: what en-dev, the lowest XLRS and target labels take, and what that is worth."""
    lines = ["| backbone | method, labels | seed | source | XLRS | target |", "|---|---|---:|---:|---:|---:|"]
    for group in searches(results):
        if group[0].task != "pocket-summaries":
            continue
        found = {each.criterion: each for each in rate_choices(results, group)}
        cells = []
        for name in ("source", "xlrs", "target"):
            run = next(iter(found[name].runs.values()))
            step = next(iter(found[name].steps.values()))
            cells.append(f"{found[name].mean:.1f} ({rate_text(run.learning_rate or 0.0)}, {step})")
        lines.append(f"| {group[0].backbone} | {_labelled(group[0])} | {group[0].seed} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def within(results: Results) -> str:
    """What each criterion's checkpoints of one run are worth, mean over the runs of a method (L, Table 7)."""
    groups: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    for run in results.runs:
        if run.figures and run.task == "pocket-summaries":
            found = {each.criterion: each.mean or 0.0 for each in checkpoint_choices(results, run)}
            groups[run.backbone, _labelled(run)].append(found)
    lines = ["| backbone | method, labels | runs | source | XLRS | target |", "|---|---|---:|---:|---:|---:|"]
    for (backbone, method), every in groups.items():
        figures = (f"{_mean(each[name] for each in every):.1f}" for name in ("source", "xlrs", "target"))
        lines.append(f"| {backbone} | {method} | {len(every)} | " + " | ".join(figures) + " |")
    return "\n".join(lines)


def _labelled(run: Run) -> str:
    return f"{run.method}, {' and '.join(run.source_languages)}"


def scatter(points: Sequence[Point], codes: tuple[str, ...]) -> str:
    """ROUGE-L against XLRS, a panel a backbone, a mark a checkpoint."""
    names = list(dict.fromkeys(point.backbone for point in points))
    with draw_figure(1, len(names), (4.1 * len(names), 3.4)) as (figure, axes):
        for axis, name in zip(axes, names, strict=True):
            mine = [point for point in points if point.backbone == name]
            for number, method in enumerate(dict.fromkeys(point.method for point in points)):
                found = [point for point in mine if point.method == method]
                axis.plot(
                    [point.xlrs for point in found],
                    [point.score for point in found],
                    "osD^v"[number % 5],
                    label=method,
                    alpha=0.7,
                )
            before = _pretrained(name, codes)
            axis.axvline(before, color="#888888", linestyle=":", label="XLRS of the pretrained model")
            axis.set_title(name)
            name_axes(axis, "XLRS", "ROUGE-L (%)")
        legend(figure, axes[0])
        svg = to_svg(figure, "ROUGE-L against XLRS, checkpoint by checkpoint")
    return svg.replace(
        "<svg ", '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ', 1
    )


def parts(names: Sequence[str]) -> str:
    """XLRS beside the cosine of texts that are no translations, and that of states less the mean of their language."""
    lines = ["| model | XLRS | unrelated texts | after subtracting each language's mean |", "|---|---:|---:|---:|"]
    for name in names:
        backbone, method = open_model(name)
        texts = read_parallel(ParallelText(sentences=64), backbone, LANGUAGES, "en", Path())
        states = {}
        for code, inputs in texts.inputs.items():
            method.set_language(backbone, code)
            states[code] = means(backbone, inputs)  # (texts, width)
        english = states.pop("en")
        centred = english - english.mean(0)
        cosines = [
            (
                similarities(own, english),
                similarities(own, english.roll(1, 0)),
                similarities(own - own.mean(0), centred),
            )
            for own in states.values()
        ]
        figures = (f"{_mean(float(each.mean()) for each in column):.2f}" for column in zip(*cosines, strict=True))
        lines.append(f"| {Path(name).name} | " + " | ".join(figures) + " |")
    return "\n".join(lines)


def _mean(values: Iterable[float]) -> float:
    return statistics.fmean(values)


if __name__ == "__main__":
    main()
