"""Result rows from collected scores, and the comparison of two systems."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import asdict
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from xlgen.core.json_types import JsonObject
from xlgen.core.registry import InputError
from xlgen.metrics.base import MetricSpec, Scores
from xlgen.metrics.score import signature, summarize
from xlgen.metrics.significance import Difference, paired_bootstrap
from xlgen.metrics.subset import Subset
from xlgen.scoring.pairing import Pairs, pair_rows
from xlgen.scoring.stream import Collected

FigureRow: TypeAlias = JsonObject

KEYS = ("backbone", "method", "learning_rate", "seed", "step", "task", "language")
"""Keys of a result row that describe the origin of its value; None if unknown."""
MEAN = "mean"
"""The language of rows that are averages over languages."""


def figure_rows(
    collected: Collected, bootstrap: int = 1000, seed: int = 0, subset: Subset | None = None
) -> list[FigureRow]:
    """One row for each group and metric, group by group, and means over languages if there are several.

    A row has ``backbone, method, learning_rate, seed, step, task, language, metric, value, low, high, n, signature``,
    and the other fields to group by. A mean has the language ``mean``, no interval, and its languages in the signature.
    """
    rows = []
    for number, members in collected.rows_of():
        languages = collected.languages[number]
        for (metric, figure), scores in zip(collected.figures, collected.scores, strict=True):
            sign = signature(metric, figure, languages, bootstrap, seed, subset, scores[members])
            found = summarize(scores[members], figure, "", sign, bootstrap, seed)
            values = {"metric": found.metric, "value": found.value, "low": found.low, "high": found.high}
            about = {"n": found.n, "signature": found.signature}
            rows.append({**_where(collected, collected.groups[number]), **values, **about})
    return rows + _means(rows, collected, ("value",))


def compare(
    first: Collected, second: Collected, bootstrap: int = 1000, seed: int = 0, subset: Subset | None = None
) -> tuple[list[FigureRow], dict[str, int | list[str]]]:
    """Compare two systems on their paired rows (:func:`xlgen.scoring.pairing.pair_rows`), in the groups of ``first``.

    Returns:
        One row for each group and metric with ``first, second, difference, low, high, p, n, signature``, and means over
        languages; and the numbers and ids of paired and unpaired rows.
    """
    pairs = pair_rows(first, second)
    left, right = pairs.first, pairs.second
    rows = []
    for number, members in _pairs_of(first, left):
        for (metric, figure), ours, theirs in zip(first.figures, first.scores, second.scores, strict=True):
            pair = _units(figure, ours[left[members]], theirs[right[members]])
            found = paired_bootstrap(*pair, bootstrap, seed, figure.corpus, figure.of_sums)
            sign = signature(metric, figure, first.languages[number], bootstrap, seed, subset, pair[0])
            about = {"metric": figure.name, **_values(found, figure.scale), "signature": f"paired|{sign}"}
            rows.append({**_where(first, first.groups[number]), **about})
    return rows + _means(rows, first, ("first", "second", "difference")), _unpaired(first, second, pairs)


def _units(figure: MetricSpec, ours: Scores, theirs: Scores) -> tuple[Scores, Scores]:
    """The paired scores: of examples, or of their groups, such as queries, if the metric has ``units``."""
    if figure.units is None:
        return ours, theirs
    both = ~(np.isnan(ours) | np.isnan(theirs))
    first, second = figure.units(ours[both]), figure.units(theirs[both])
    if len(first) != len(second):
        raise InputError(f"{figure.name}: rows of one id are in different groups in the two files; fix `group`")
    return first, second


def _values(found: Difference | None, scale: float) -> FigureRow:
    if found is None:
        return {**dict.fromkeys(("first", "second", "difference", "low", "high", "p")), "n": 0}
    values = asdict(found)
    scaled = ("first", "second", "difference", "low", "high")
    return {name: value * scale if name in scaled and value is not None else value for name, value in values.items()}


def _pairs_of(collected: Collected, chosen: NDArray[np.intp]) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Yield each group that has any of the ``chosen`` rows, with their positions in ``chosen``."""
    groups = collected.group[chosen]
    for number in np.unique(groups):
        yield int(number), np.flatnonzero(groups == number)


def _unpaired(first: Collected, second: Collected, pairs: Pairs) -> dict[str, int | list[str]]:
    alone, other = _alone(first, pairs.first), _alone(second, pairs.second)
    return {
        **({"renumbered": list(pairs.renumbered)} if pairs.renumbered else {}),
        **({"different": pairs.different} if pairs.different else {}),
        "paired": len(pairs.first),
        "only_first": len(alone),
        "only_second": len(other),
        "only_first_ids": _ids(first, alone),
        "only_second_ids": _ids(second, other),
    }


def _alone(collected: Collected, paired: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.setdiff1d(np.arange(len(collected.keys)), paired, assume_unique=True)


def _ids(collected: Collected, rows: NDArray[np.intp]) -> list[str]:
    """The first ten ids, each with its group."""
    ids = collected.ids or []
    return [" ".join([*collected.groups[collected.group[row]], ids[row]]) for row in rows[:10]] if ids else []


def _where(collected: Collected, group: Sequence[str]) -> FigureRow:
    return {**dict.fromkeys(KEYS), **dict(zip(collected.by, group, strict=True))}


def _means(rows: list[FigureRow], collected: Collected, values: Sequence[str]) -> list[FigureRow]:
    """The averages over languages, for each combination of the other fields to group by."""
    if "language" not in collected.by:
        return []
    others = [name for name in collected.by if name != "language"]
    groups: dict[tuple[Hashable, ...], list[FigureRow]] = {}
    for place, row in enumerate(rows):
        # By position, because one metric with two sets of options reports the same names twice.
        key = (*(row[name] for name in others), place % len(collected.figures))
        groups.setdefault(key, []).append(row)
    return [_mean(group, values) for group in groups.values() if len(group) > 1]


def _mean(group: list[FigureRow], values: Sequence[str]) -> FigureRow:
    defined = [row for row in group if row[values[0]] is not None]
    means = {name: sum(row[name] for row in defined) / len(defined) if defined else None for name in values}
    # Languages often share their examples, so their intervals cannot be combined into one.
    unknown: FigureRow = {name: None for name in ("low", "high", "p") if name in group[0]}
    about = {"language": MEAN, "n": sum(row["n"] for row in defined)}
    return {**group[0], **means, **unknown, **about, "signature": "mean-of:" + ",".join(r["language"] for r in defined)}
