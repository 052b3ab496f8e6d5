"""The documents that ``xlgen train --auto`` writes: a decision page, and a model card next to the checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from xlgen.core.languages import Language, language_name
from xlgen.core.tables import Column, Table, TableCell
from xlgen.core.version import VERSION
from xlgen.experiments.auto import Decision
from xlgen.experiments.criteria import best_step, unlabelled
from xlgen.report.choices import searches_table
from xlgen.report.formats import to_markdown
from xlgen.report.tables import LANGUAGE_RATE, REFERENCE_RATE, metric_name, relative
from xlgen.runs.files import CHOSEN, write_atomically
from xlgen.runs.rows import Results, Row, mean
from xlgen.runs.runs import Run, rate_text

_WATCHED = {"leftover_rate": "leftovers of pretraining", "empty_rate": "empty outputs"}
_RATE = (
    " The share of outputs in the right language is measured in every language, with its 95 % interval if the recipe "
    "sets one."
)
_FEW = 100
"""With fewer examples per language, scores are called uncertain: a rate's interval is then up to 20 points wide."""
_MANY = 2.0
"""A fault is listed if it affects at least this percentage of the outputs."""


def write_decision(decision: Decision, folder: Path) -> Path:
    """Write ``decision.md`` into ``folder`` and the model card into its chosen checkpoint; return the page's path."""
    write_atomically(folder / CHOSEN / "README.md", model_card(decision))
    return write_atomically(folder / "decision.md", decision_page(decision))


def decision_page(decision: Decision) -> str:
    """What was tried, what was chosen, what is known about each language, and what to watch, in Markdown."""
    run, step = decision.run, decision.choice.step
    threshold = decision.criterion.threshold
    parts = [
        f"# Decision for {run.task}",
        f"Chosen: **{run.method}** at learning rate **{rate_text(run.learning_rate or 0.0)}**, checkpoint of step "
        f"**{step}** of run `{run.name}`; it is in `{CHOSEN}/`.",
        _why(decision, threshold),
        "## What was tried",
        "No labels outside the source languages were read. Scores are those of the checkpoint that the same criterion "
        "selects in each run.",
        _markdown(tried_table(decision)),
        *_left(decision),
        "## What to expect in each language",
        f"{metric_name(run.main_metric)} is measured where there are labels. Elsewhere it is not known; it is seldom "
        f"above the source language's.{'' if _mean(decision.results, run, LANGUAGE_RATE, step) is None else _RATE}",
        _markdown(decision_table(decision.results, run, step)),
        "## What to watch",
        _bullets([*doubts(decision), *warnings(decision.results, run, step, threshold)]),
    ]
    return "\n\n".join(parts) + "\n"


def _why(decision: Decision, threshold: float) -> str:
    rate = _mean(decision.results, decision.run, LANGUAGE_RATE, decision.choice.step)
    if rate is None:
        return "The labels are not text, so the choice is the evaluation with the best source-language score."
    if decision.choice.score < 0:
        return (
            f"No run reached the required {threshold:g} % of outputs in the right language. This one has the most, "
            f"{_digits(rate)} %."
        )
    return (
        f"It has the best source-language score of the evaluations with at least {threshold:g} % of outputs in the "
        f"right language (mean over the languages without labels). It has {_digits(rate)} %."
    )


def tried_table(decision: Decision) -> Table:
    """The runs that were tried, one row each."""
    columns = (
        Column("run", "Run", number=False),
        Column("rate", "Learning rate", rate_text),
        Column("step", "Step"),
        Column("source", "Source language", _digits, interval=True),
        Column("n", "Examples"),
        Column("language", "Right language (%)", _digits),
        Column("lowest", "Lowest (%)", _digits),
        Column("chosen", "", number=False),
    )
    rows = []
    judge, results = decision.criterion.build(), decision.results
    for run in sorted(results.runs, key=lambda run: (run.method, run.learning_rate or 0.0)):
        step = best_step(judge, results, run).step
        rates = [results.value(run, code, LANGUAGE_RATE, step) for code in unlabelled(results, run)]
        source = results.at(run, run.source_languages[0], run.main_metric, step)
        rows.append(
            {
                "run": TableCell(run.name),
                "rate": TableCell(run.learning_rate),
                "step": TableCell(step or None),
                "source": _cell(source),
                "n": TableCell(source["n"] if source else None),
                "language": TableCell(_mean(results, run, LANGUAGE_RATE, step)),
                "lowest": TableCell(min((rate for rate in rates if rate is not None), default=None)),
                "chosen": TableCell("chosen" if run == decision.run else None),
            }
        )
    return Table("tried", "Runs", columns, tuple(rows))


def decision_table(results: Results, run: Run, step: int) -> Table:
    """The scores of ``run`` at ``step``, one row per language."""
    columns = (
        Column("run", "Language", number=False),
        Column("metric", metric_name(run.main_metric), _digits, interval=True),
        Column("rate", "Right language (%)", _digits, interval=True),
        Column("n", "Examples"),
        Column("length", "Length", _digits),
        Column("xlrs", "XLRS", lambda value: f"{value:.2f}"),
    )
    rows = []
    for code in results.languages([run]):
        metric, rate = results.at(run, code, run.main_metric, step), results.at(run, code, LANGUAGE_RATE, step)
        rows.append(
            {
                "run": TableCell(f"{language_name(code)} ({code})"),
                "metric": _cell(metric),
                "rate": _cell(rate),
                "n": TableCell(max((each["n"] or 0 for each in (metric, rate) if each), default=None)),
                "length": TableCell(results.value(run, code, "prediction_length", step)),
                "xlrs": TableCell(results.value(run, code, "xlrs", step)),
            }
        )
    return Table("expected", "Languages", columns, tuple(rows))


def _cell(row: Row | None) -> TableCell:
    return TableCell(row["value"], row["low"], row["high"]) if row else TableCell()


def doubts(decision: Decision) -> list[str]:
    """The reasons why the scores, or the choice between the runs, may be due to chance, one sentence each."""
    results, run, step = decision.results, decision.run, decision.choice.step
    found = []
    rows = {
        code: results.at(run, code, run.main_metric, step) or results.at(run, code, LANGUAGE_RATE, step)
        for code in results.languages([run])
    }
    counts = {code: row["n"] for code, row in rows.items() if row and row["n"] and row["n"] < _FEW}
    if counts:
        of = ", ".join(f"{language_name(code)} {count}" for code, count in counts.items())
        found.append(
            f"Few examples were scored ({of}): scores may be several points off. A larger `evaluation.examples` "
            "narrows the uncertainty."
        )
    source = results.at(run, run.source_languages[0], run.main_metric, step)
    if source is None:
        return found
    if source["low"] is None or source["high"] is None:
        return [*found, "There are no intervals (`evaluation.bootstrap: 0`), so the choice may be due to chance."]
    judge = decision.criterion.build()
    rivals = {}
    for other in results.runs:
        taken = best_step(judge, results, other) if other != run and other.figures else None
        # A run in the wrong language is not a rival of a chosen run in the right one, whatever its score.
        if taken is None or (taken.score < 0 <= decision.choice.score):
            continue
        value = results.value(other, other.source_languages[0], run.main_metric, taken.step)
        if value is not None and source["low"] <= value <= source["high"]:
            rivals[other.name] = value
    if rivals:
        named = ", ".join(f"`{name}` {_digits(value)}" for name, value in rivals.items())
        found.append(
            f"The choice between runs is not certain: the 95 % interval of the chosen one in the source language, "
            f"{_digits(source['low'])} to {_digits(source['high'])}, includes {named}."
        )
    return found


def warnings(results: Results, run: Run, step: int, threshold: float) -> list[str]:
    """Warnings for whoever serves the model, one sentence each."""
    found = []
    for code in results.languages([run]):
        name, rate = language_name(code), results.value(run, code, LANGUAGE_RATE, step)
        ceiling = results.value(run, code, REFERENCE_RATE, step)
        if rate is not None and relative(rate, ceiling) < threshold:
            of_references = "" if ceiling is None else f" (of references: {_digits(ceiling)} %)"
            found.append(
                f"{name}: {_digits(rate)} % of the outputs are in the right language{of_references}. Consider "
                "`--control retry`, or leave this language out."
            )
        for metric, what in _WATCHED.items():
            share = results.value(run, code, metric, step)
            if share is not None and share >= _MANY:
                found.append(f"{name}: {_digits(share)} % {what}.")
    if run.cropped_evaluation:
        found.append(f"{run.cropped_evaluation} inputs were cropped to the length limit.")
    found.append(
        "The language of short outputs, names and numbers cannot be identified. Have a speaker of each language read "
        "some outputs before serving it (`report.html` shows predictions)."
    )
    return found


def _left(decision: Decision) -> Iterator[str]:
    if decision.left_out:
        yield f"There was no time for: {', '.join(decision.left_out)}. Run the same command again to try them."
    if decision.failed:
        yield "Failed: " + "; ".join(decision.failed) + "."
    searched = searches_table(decision.results)
    if not searched.rows:
        yield "Too few learning rates were tried to compare."


def model_card(decision: Decision) -> str:
    """A model card in the format of the Hugging Face Hub."""
    run, step, results = decision.run, decision.choice.step, decision.results
    codes = results.languages([run])
    head: dict[str, object] = {
        "language": [Language.parse(code).code for code in codes],
        "base_model": run.backbone,
        "library_name": "xlgen",
        "tags": ["zero-shot-cross-lingual-generation", str(run.task), run.method],
    }
    return (
        "\n\n".join(
            [
                "---\n" + yaml.safe_dump(head, sort_keys=False, allow_unicode=True) + "---",
                f"# {run.task}, {run.method} on {run.backbone}",
                f"Finetuned with labels in {', '.join(map(language_name, run.source_languages))} only, by xlgen "
                f"{VERSION}: learning rate {rate_text(run.learning_rate or 0.0)}, {step} steps, seed {run.seed}. "
                "The method, the rate and the checkpoint were chosen without labels in other languages.",
                "Use: `xlgen predict FOLDER --language fr --input in.jsonl --output out.jsonl`.",
                "## Evaluation",
                _markdown(decision_table(results, run, step)),
                "## Limits",
                _bullets(warnings(results, run, step, decision.criterion.threshold)),
            ]
        )
        + "\n"
    )


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _markdown(table: Table) -> str:
    return to_markdown(table).strip()


def _mean(results: Results, run: Run, metric: str, step: int) -> float | None:
    return mean(results.value(run, code, metric, step) for code in unlabelled(results, run))


def _digits(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"
