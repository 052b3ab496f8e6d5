"""Analyses of the parameters of models: singular values of weights, and language prompts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xlgen.api.analyze.analyzed import Analyzed, Say, Source, check_out, name_of, names_of, result, silent
from xlgen.core.extras import require
from xlgen.core.json_types import JsonObject

if TYPE_CHECKING:
    from xlgen.analysis.prompts import Linkage, Pooling


def spectra(
    base: Source,
    others: Sequence[Source] = (),
    *,
    out: str | Path | None = None,
    status: Say = silent,
    say: Say = silent,
) -> Analyzed:
    """Compute singular values of every weight matrix: norm, effective rank, and distance between models, by layer.

    Args:
        base: The model that the others are compared with.
        others: Other models of the same architecture.
        out: Folder for ``spectra.json``, its table and the heat map.
        status: Called with the name of the current step.
        say: Called with a message about weights that are not compared.

    Raises:
        InputError: if the architectures differ, or a weight is not finite.
    """
    require("train", "this analysis")
    check_out(out)
    names = names_of([base, *others])
    from xlgen.analysis.open_model import read_weights
    from xlgen.analysis.spectra import compared, missing_parts, paper_table, spectra_figure, spectra_tables
    from xlgen.analysis.spectra import spectra as of_base

    rows: list[JsonObject] = []
    first = None
    for name in names:
        status(f"singular values of {name}")
        weights, separate = read_weights(name)
        if missing := missing_parts(weights, first) if first else ():
            say(f"{name} and {names[0]}: one of them has no {' and no '.join(missing)}, which is not compared")
        if separate:
            say(f"{name}: the modules that its method adds are not included")
        found = of_base(weights) if first is None else compared(weights, first)
        first = first or found
        rows += [each.row(name) for each in found]
    return result("spectra", rows, spectra_tables(rows), [spectra_figure(rows)], exports=[paper_table(rows)], out=out)


def prompts(
    runs: Sequence[Source],
    *,
    pooling: Pooling = "mean",
    linkage: Linkage = "average",
    out: str | Path | None = None,
) -> Analyzed:
    """Compare language prompts: cosine similarities and clusters, next to language families and scripts.

    The plot is as Figure 8 of Vu et al. (2022).

    Args:
        runs: Runs or checkpoints with factorized prompts, or with prompts trained on text of one language each.
        pooling: How the vectors of a prompt are combined: their ``mean``, or all ``tokens`` concatenated.
        linkage: How the distance between two clusters is computed: ``average``, ``complete`` or ``single``.
        out: Folder for ``prompts.json`` and ``prompts.svg``.

    Raises:
        InputError: if there are no two language prompts, or they cannot be compared.
    """
    require("train", "this analysis")
    check_out(out)
    from xlgen.analysis.open_model import read_prompts
    from xlgen.analysis.prompts import compare_prompts
    from xlgen.analysis.saved import tables_of

    names = [name_of(run) for run in runs]
    name = names[0] if len(names) == 1 else f"{len(names)} runs"
    found = compare_prompts(name, read_prompts(names), pooling, linkage)
    rows = found.rows()
    return result("prompts", rows, tables_of(rows), [found.figure()], note=found.signature, out=out)
