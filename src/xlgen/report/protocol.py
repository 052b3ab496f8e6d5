"""The differences in protocol between one of our runs and a published one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from xlgen.core.json_types import JsonMapping, JsonObject
from xlgen.experiments.as_published import Reported, rule_of
from xlgen.experiments.published.names import published_task
from xlgen.experiments.published.schema import Fact, Paper, PublishedCell
from xlgen.runs.files import finite
from xlgen.runs.runs import Run, rate_text

NOT_SAID = "not stated"
UNKNOWN = "not known"
"""Shown for a key that the recipe of an old run lacks."""


@dataclass(frozen=True)
class Point:
    """One point in which a run differs from a published one."""

    name: str
    ours: str
    theirs: str
    where: str = ""
    """Where the paper states it."""


def differences(
    runs: tuple[Run, ...], cell: PublishedCell, paper: Paper, selected: Reported | None = None
) -> list[Point]:
    """The points in which ``runs``, which differ only in their seed, differ from the run that ``cell`` reports.

    ``selected`` describes how the checkpoint of ``runs`` was selected; if None, it is the last one. Points on which
    both agree are left out. A point that the paper does not state is included as a possible difference.
    """
    run = runs[0]
    found = [
        *_setting(run, cell, paper),
        *_protocol(run, cell, paper),
        *_selection(len(runs), run, cell, paper, selected),
    ]
    return [point for point in found if point.ours != point.theirs]


def same_backbone(name: str, cell: PublishedCell, paper: Paper) -> bool:
    """Whether ``name`` is the backbone of ``cell``, under this or another id."""
    if cell.backbone is None:
        return False
    return name == cell.backbone or name in paper.about.backbones[cell.backbone].names


def _setting(run: Run, cell: PublishedCell, paper: Paper) -> Iterator[Point]:
    """The differences in backbone, data, split and metric."""
    if cell.backbone is not None and not same_backbone(run.backbone, cell, paper):
        parameters = paper.about.backbones[cell.backbone].parameters
        ours = _sized(Path(run.backbone).name, finite(run.start.get("parameters")))
        yield Point("backbone", ours, _sized(cell.backbone, parameters))
    task = paper.about.tasks[cell.task or ""]
    theirs = f"{task.data}; {task.note}" if task.note else task.data
    ours = task.data if published_task(run.task or "") == cell.task else run.task or UNKNOWN
    yield Point("data", ours, theirs)
    yield Point("split", str((run.stage.get("evaluation") or {}).get("split", UNKNOWN)), cell.split or NOT_SAID)
    measured = (figure.get("signature") for figure in run.figures if figure["metric"] == cell.metric)
    yield Point("metric", str(next(measured, None) or cell.metric), paper.about.metrics[cell.metric])


def _protocol(run: Run, cell: PublishedCell, paper: Paper) -> Iterator[Point]:
    """The differences in training and decoding; for a baseline without training, only in decoding."""
    for key, value in _settings(run, cell).items():
        fact = paper.fact(key, cell.task)
        if key == "learning_rate" and cell.learning_rate is not None:
            yield Point("learning rate", rate_text(value), rate_text(cell.learning_rate), cell.where)
        elif fact is not None:
            yield _point(key.replace("_", " "), _text(value, UNKNOWN), fact)
    if run.learning_rate is not None:
        yield _batch(run.stage.get("training") or {}, cell, paper)
        if (epochs := paper.fact("epochs", cell.task)) is not None:
            yield _point("epochs", "counted in steps", epochs)


def _settings(run: Run, cell: PublishedCell) -> JsonObject:
    """The run's values for the keys of a paper's protocol; None if its recipe does not set one."""
    training, evaluation = run.stage.get("training") or {}, run.stage.get("evaluation") or {}
    ours: JsonObject = {"evaluation_examples": evaluation.get("examples", UNKNOWN) or "all"}
    if cell.method != "lead":
        ours["num_beams"] = evaluation.get("num_beams")
    if (ours.get("num_beams") or 1) > 1:
        ours["length_penalty"] = evaluation.get("length_penalty")
        ours["beam_search"] = evaluation.get("beam_search", "transformers")
    if run.learning_rate is not None:
        ours |= {key: training.get(key) for key in ("optimizer", "schedule", "warmup_steps")}
        ours |= {"steps": run.planned_steps, "learning_rate": run.learning_rate}
        ours["train_examples"] = training.get("train_examples", UNKNOWN) or "all"
    if cell.method == "mixing":
        ours["unlabelled_rate"] = _mixed(run.stage)
    return ours


def _mixed(stage: JsonMapping) -> float | str | None:
    """The share of unlabelled text, with its unit unless that is examples, as in the papers."""
    rates = [rate for part in stage.get("unlabelled") or () if (rate := finite(part.get("rate"))) is not None]
    share = round(sum(rates), 6)
    by_examples = (stage.get("training") or {}).get("mix_by") == "examples"
    return (share if by_examples else f"{share:g} of the batches") if rates else None


def _batch(training: JsonMapping, cell: PublishedCell, paper: Paper) -> Point:
    """The size of a batch, in tokens or in examples as the paper counts."""
    tokens = training.get("batch_tokens")
    ours = [UNKNOWN if tokens is None else f"{tokens:,} tokens"]
    if training.get("max_examples"):
        ours.append(f"at most {training['max_examples']:,} examples")
    if (batches := training.get("gradient_accumulation_steps") or 1) > 1:
        ours.append(f"{batches} of them a step")
    for unit in ("tokens", "examples"):
        fact = paper.fact(f"batch_{unit}", cell.task)
        if fact is not None and fact.value is not None:
            return Point("batch", ", ".join(ours), f"{_text(fact.value)} {unit}", fact.where)
    return Point("batch", ", ".join(ours), NOT_SAID)


def _point(name: str, ours: str, fact: Fact) -> Point:
    """A point with the paper's note on it, unless both agree."""
    theirs = _text(fact.value)
    remark = f" ({fact.note})" if fact.note and fact.value is not None and theirs != ours else ""
    return Point(name, ours, theirs + remark, fact.where)


def _selection(seeds: int, run: Run, cell: PublishedCell, paper: Paper, selected: Reported | None) -> Iterator[Point]:
    """The differences in the number of seeds and in the reported checkpoint."""
    if cell.method == "lead":
        return
    yield Point("seeds", str(seeds), _text(cell.seeds), cell.where if cell.seeds else "")
    ours = selected.description if selected is not None else "the last"
    fact, chosen = paper.fact("checkpoint", cell.task), dict(cell.details).get("selection")
    if run.learning_rate is not None and chosen is not None:
        theirs = f"chosen by {chosen}"
        alike = selected is not None and selected.rule == rule_of(cell, paper)
        yield Point("checkpoint", theirs if alike else ours, theirs, cell.where)
    elif run.learning_rate is not None and fact is not None:
        yield _point("checkpoint", ours, fact)


def _text(value: object, missing: str = NOT_SAID) -> str:
    if value is None:
        return missing
    if isinstance(value, float) and 0 < value < 0.1:
        return rate_text(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _sized(name: str, parameters: float | None) -> str:
    return name if parameters is None else f"{name}, {parameters / 1e6:,.3g} M"
