"""The lines of plots: single runs, or in a large study the runs of one setting at the chosen learning rates."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from xlgen.core.json_types import JsonMapping, JsonObject, JsonValue
from xlgen.experiments.choices import ORACLE
from xlgen.experiments.criteria import best_step, criteria
from xlgen.runs.files import finite
from xlgen.runs.rows import Results, mean
from xlgen.runs.runs import Run, labels, short_backbone

MANY = 12
"""With more runs than this, a plot shows settings instead of runs."""
# Keys that a search varies, or that do not describe the experiment.
_NOT_A_SETTING = ("training.learning_rate", "evaluation.")


@dataclass(frozen=True)
class Pick:
    """An evaluation of a run."""

    run: Run
    step: int


@dataclass(frozen=True)
class Line:
    """One line of a plot or one row of a table: an evaluation of a run, or one evaluation per seed."""

    label: str
    method: str
    backbone: str
    number: int
    """The line's index among the lines of its method."""
    picks: tuple[Pick, ...]
    settings: JsonMapping
    """The numbers that differ from other lines of its method and backbone, by recipe key."""
    tried: tuple[Run, ...]
    """All runs that the picks were chosen from."""

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs of the picks."""
        return tuple(pick.run for pick in self.picks)

    def values(self, results: Results, languages: Sequence[str], metric: str) -> list[float]:
        """For each seed with a value, the mean of ``metric`` over ``languages`` at its evaluation."""
        found = (mean(results.value(p.run, code, metric, p.step) for code in languages) for p in self.picks)
        return [value for value in found if value is not None]


def mean_and_deviation(values: Sequence[float]) -> tuple[float | None, float]:
    """The mean, and the standard deviation over seeds; 0 for a single one."""
    return mean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def is_large(results: Results) -> bool:
    """Whether there are too many runs to show each one."""
    return sum(bool(run.figures) for run in results.runs) > MANY


def lines(results: Results) -> list[Line]:
    """Each run at its last evaluation; with many runs, each setting at the chosen evaluations."""
    if is_large(results):
        return settings(results)
    names = labels(results.runs)
    runs = [run for run in results.runs if run.figures]
    return _numbered([Line(names[r.name], r.method, r.backbone, 0, (Pick(r, r.last_step),), {}, (r,)) for r in runs])


def settings(results: Results) -> list[Line]:
    """Group the runs that differ only in learning rate and seed, and pick for each seed what target labels choose.

    That is the learning rate and the evaluation with the highest mean over the languages without labels (Chirkova et
    al. 2023, section 4).
    """
    groups: dict[str, list[Run]] = {}
    for run in _small_first(results.runs):
        if run.figures:
            groups.setdefault(json.dumps([run.backbone, run.method, _facts(run)], sort_keys=True), []).append(run)
    differing = _differing(list(groups.values()))
    names = _names([runs[0] for runs in groups.values()], differing)
    return _numbered(
        [
            Line(name, runs[0].method, runs[0].backbone, 0, tuple(_picks(results, runs)), numbers, tuple(runs))
            for name, runs, numbers in zip(names, groups.values(), differing, strict=True)
        ]
    )


def _small_first(runs: Sequence[Run]) -> list[Run]:
    """The runs sorted by backbone, smaller backbones first; otherwise in their original order."""
    sizes: dict[str, float] = {}
    for run in runs:
        size = finite(run.start.get("parameters"))
        if size is not None:  # adapters add a few parameters to the backbone's
            sizes[run.backbone] = min(size, sizes.get(run.backbone, size))
    first = list(dict.fromkeys(run.backbone for run in runs))
    return sorted(runs, key=lambda run: (sizes.get(run.backbone, 0.0), first.index(run.backbone)))


def _picks(results: Results, runs: Sequence[Run]) -> Iterator[Pick]:
    """For each seed, the evaluation that target labels choose, or the last one if there are no target labels."""
    judge = criteria.build(ORACLE)
    for seed in dict.fromkeys(run.seed for run in runs):
        tried = {run.name: (best_step(judge, results, run), run) for run in runs if run.seed == seed}
        choice, run = max(tried.values(), key=lambda found: found[0].score)
        yield Pick(run, choice.step)


def _facts(run: Run) -> JsonObject:
    """The last stage of the recipe as flat keys, without the keys that may differ within a setting."""
    return {
        key: value for key, value in _flat(run.stage, "") if not any(key.startswith(left) for left in _NOT_A_SETTING)
    }


def _flat(value: JsonValue, path: str) -> Iterator[tuple[str, JsonValue]]:
    inside = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else None
    if inside is None:
        yield path, value
    else:
        for key, each in inside:
            yield from _flat(each, f"{path}.{key}".lstrip("."))


def _differing(groups: list[list[Run]]) -> list[JsonObject]:
    """For each group, the numbers that differ between the groups of its method and backbone."""
    facts = [_facts(runs[0]) for runs in groups]
    found = []
    for runs, own in zip(groups, facts, strict=True):
        kin = [
            other
            for other, each in zip(facts, groups, strict=True)
            if (each[0].method, each[0].backbone) == (runs[0].method, runs[0].backbone)
        ]
        differ = {key: value for key, value in own.items() if any(other.get(key) != value for other in kin)}
        found.append({key: value for key, value in differ.items() if _is_number(value)})
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _names(runs: list[Run], differing: list[JsonObject]) -> list[str]:
    """Labels: the method, the backbone if there are several, the numbers that differ, and the folder if needed."""
    several = len({run.backbone for run in runs}) > 1
    names = []
    for run, numbers in zip(runs, differing, strict=True):
        names.append(
            " ".join([run.method, *([short_backbone(run.backbone)] if several else []), *setting_labels(numbers)])
        )
    counts = Counter(names)
    return [f"{name} ({run.name})" if counts[name] > 1 else name for name, run in zip(names, runs, strict=True)]


def setting_labels(numbers: JsonMapping) -> list[str]:
    """Format numbers of a recipe for labels: ``num_virtual_tokens=10``."""
    return [f"{key.rsplit('.', 1)[-1]}={value:g}" for key, value in numbers.items()]


def _numbered(found: list[Line]) -> list[Line]:
    counts: Counter[str] = Counter()
    numbered = []
    for line in found:
        numbered.append(replace(line, number=counts[line.method]))
        counts[line.method] += 1
    return numbered
