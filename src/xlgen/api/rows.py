"""Rows of results, as lists of dictionaries that can become a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from xlgen.core.extras import require
from xlgen.core.json_types import JsonMapping, JsonObject

if TYPE_CHECKING:
    import pandas


class Rows(list[JsonObject]):
    """Scores, one dictionary each: ``backbone, method, learning_rate, seed, step, task, language, metric, value, low,
    high, n, signature``. Rates and scores are in percent."""

    def __init__(self, rows: Iterable[JsonMapping] = ()) -> None:
        super().__init__(map(dict, rows))

    def where(self, **wanted: object) -> Rows:
        """The rows whose fields have the given values: ``rows.where(metric="rougeL", language="th")``."""
        return Rows(row for row in self if all(row.get(name) == value for name, value in wanted.items()))

    def to_pandas(self) -> pandas.DataFrame:
        """The rows as a data frame of pandas, which the extra ``train`` installs."""
        require("train", "a data frame", "pandas")
        import pandas

        return pandas.DataFrame(list(self))
