"""Two systems compared on the same inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xlgen.api.rows import Rows
from xlgen.core.json_types import JsonObject


@dataclass(frozen=True)
class Comparison:
    """The difference between two systems."""

    differences: Rows
    """By group and metric: ``first``, ``second``, ``difference``, its interval ``low`` to ``high``, and ``p``."""
    metrics: Rows
    """The scores of both systems; ``file`` is the system."""
    pairs: JsonObject
    """How many rows were paired, and how many were not."""


def compare(
    first: str | Path,
    second: str | Path,
    *,
    metrics: Sequence[str] | None = None,
    by: Sequence[str] = ("language",),
    language: str | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    subset: str | None = None,
    strict: bool = True,
    lid: str | None = None,
    references: Sequence[str | Path] = (),
) -> Comparison:
    """Compare the outputs of two systems, paired by language and id, with a paired bootstrap.

    Args:
        first: A file or folder of rows, as for ``xlgen.score``.
        second: The other system's.
        metrics: Names of metrics; by default chosen by what the rows have.
        by: Fields of the rows; each of their values is compared separately.
        language: The language of rows that do not name theirs.
        bootstrap: Number of resamples.
        seed: Resampling seed.
        subset: Score only this subset: ``no-digits-in-language``.
        strict: Whether a bad row is an error; otherwise it is left out.
        lid: Language identifier; by default lid.176.ftz.
        references: Files with a reference for each row.

    Raises:
        InputError: for a bad row, and if no row of one system has the language and id of one of the other.
    """
    from xlgen.scoring.run import score_files

    found = score_files(
        [str(first), str(second)],
        metrics,
        by,
        language,
        bootstrap=bootstrap,
        seed=seed,
        subset=subset,
        strict=strict,
        lid=lid,
        references=tuple(map(str, references)),
    )
    return Comparison(Rows(found["comparison"]), Rows(found["rows"]), found["pairs"])
