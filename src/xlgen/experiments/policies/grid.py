"""Search a fixed list of learning rates."""

from __future__ import annotations

from pydantic import Field

from xlgen.experiments.policies import PolicyOptions, Tried, WholeRuns, policies


class GridOptions(PolicyOptions):
    """``{name: grid, values: [1e-3, 1e-4]}``."""

    values: tuple[float, ...] = Field(min_length=1)
    """The learning rates to try."""


@policies.register("grid")
class GridSearch(WholeRuns[GridOptions]):
    """Try a fixed list of learning rates."""

    Options = GridOptions

    def proposals(self, tried: Tried, method: str) -> list[float]:
        """The rates that were not tried yet."""
        return [rate for rate in dict.fromkeys(self.options.values) if rate not in tried]
