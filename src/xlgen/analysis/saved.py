"""The tables of saved rows, by kind of analysis: a new analysis adds its tables here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from xlgen.analysis.correlation import correlation_tables
from xlgen.analysis.lens import lens_tables
from xlgen.analysis.overlap import overlap_tables
from xlgen.analysis.probes import probe_tables
from xlgen.analysis.prompts import contrast_tables, prompts_tables
from xlgen.analysis.rows import AnalysisRows, unique, where
from xlgen.analysis.similarity import languages_tables, length_tables, models_tables
from xlgen.analysis.spectra import spectra_tables
from xlgen.core.tables import Table

_TABLES: Mapping[str, Callable[[AnalysisRows], list[Table]]] = {
    "cka-models": models_tables,
    "cka-languages": languages_tables,
    "cka-length": length_tables,
    "spectra": spectra_tables,
    "overlap": overlap_tables,
    "correlation": correlation_tables,
    "prompts": prompts_tables,
    "prompts-contrast": contrast_tables,
    "probe": probe_tables,
    "lens": lens_tables,
}
KINDS = frozenset({*_TABLES, "prompts-tree"})
"""The values of the field ``analysis`` of saved rows."""


def tables_of(rows: AnalysisRows) -> tuple[Table, ...]:
    """The tables of the rows of a file, in the order of their kinds.

    Raises LookupError, TypeError, ValueError or ArithmeticError if rows are missing or damaged.
    """
    kinds = [kind for kind in unique(rows, "analysis") if kind in _TABLES]
    return tuple(table for kind in kinds for table in _TABLES[kind](where(rows, analysis=kind)))
