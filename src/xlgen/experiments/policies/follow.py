"""Reuse another run's best learning rate, or ten times that (Chirkova et al. 2023, Appendix A)."""

from __future__ import annotations

from pydantic import Field

from xlgen.experiments.policies import PolicyOptions, Tried, WholeRuns, policies


class FollowOptions(PolicyOptions):
    """A study's search sets ``rate`` to the best rate of the followed run, once that is known."""

    rate: float | None = None
    """The best rate of the run to follow; set by the search."""
    factors: tuple[float, ...] = Field(default=(1.0, 10.0), min_length=1)
    """The rates to try, as multiples of that rate."""


@policies.register("follow")
class FollowSearch(WholeRuns[FollowOptions]):
    """Try the best rate of another run's search, and ten times that rate."""

    Options = FollowOptions

    def proposals(self, tried: Tried, method: str) -> list[float]:
        """The followed rate times each factor; empty while that rate is not known."""
        if self.options.rate is None:
            return []
        wanted = [float(f"{self.options.rate * factor:.6g}") for factor in self.options.factors]
        return [rate for rate in dict.fromkeys(wanted) if rate not in tried]
