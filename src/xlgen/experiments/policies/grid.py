"""Search a fixed list of learning rates."""

from __future__ import annotations

from pydantic import Field

from xlgen.core.config import Config
from xlgen.experiments.policies import Tried, WholeRuns, policies


class GridOptions(Config):
    """``{name: grid, values: [1e-3, 1e-4]}``."""

    values: tuple[float, ...] = Field(min_length=1)


@policies.register("grid")
class GridSearch(WholeRuns):
    """A fixed list of learning rates."""

    Options = GridOptions

    def proposals(self, tried: Tried, method: str) -> list[float]:
        """The rates that were not tried yet."""
        return [rate for rate in dict.fromkeys(self.options.values) if rate not in tried]
