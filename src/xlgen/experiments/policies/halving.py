"""Successive halving (Jamieson and Talwalkar 2016), which also drops rates with outputs in the wrong language."""

from __future__ import annotations

import math

from pydantic import Field

from xlgen.experiments.policies import History, Outcome, PolicyOptions, SearchPolicy, Trial, policies


class HalvingOptions(PolicyOptions):
    """``{name: halving, values: [1e-5, 1e-4, 1e-3, 1e-2], eta: 2}``."""

    values: tuple[float, ...] = Field(default=(1e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2), min_length=1)
    """The initial learning rates."""
    eta: float = Field(default=2.0, gt=1)
    """The reduction factor: each rung keeps one in ``eta`` rates, and trains them for ``eta`` times the steps."""
    language_rate: float = Field(default=50.0, ge=0, le=100)
    """The lowest percentage of outputs in the right language. Rates below it are dropped, because the right language
    does not come back. If all are below it, those with the highest percentage continue."""


@policies.register("halving")
class HalvingSearch(SearchPolicy[HalvingOptions]):
    """Successive halving: train all rates for a few steps and keep the better half for twice as many; drop rates whose
    outputs are in the wrong language."""

    Options = HalvingOptions
    stops_early = True

    def trials(self, history: History, method: str) -> list[Trial]:
        """The missing trials of the next rung: the remaining rates with the rung's share of the steps."""
        left = list(dict.fromkeys(self.options.values))
        for share in self._shares(len(left)):
            rung = [Trial(rate, share) for rate in left]
            if missing := [trial for trial in rung if trial not in history]:
                return missing
            keep = max(1, int(len(rung) / self.options.eta))
            left = [trial.rate for trial in self._ranked(rung, history)[:keep]]
        return []

    def _shares(self, count: int) -> list[float]:
        """Each rung's share of the steps; the last rung trains to the end, with at least one rate."""
        rungs = 1 + int(math.log(count) / math.log(self.options.eta) + 1e-9)
        return [self.options.eta ** -(rungs - 1 - number) for number in range(rungs)]

    def _ranked(self, rung: list[Trial], history: History) -> list[Trial]:
        """The trials sorted best first, without those in the wrong language unless all are."""
        alive = [trial for trial in rung if self._speaks(history[trial])]
        if alive:
            return sorted(alive, key=lambda trial: (-history[trial].score, trial.rate))
        return sorted(rung, key=lambda trial: (-(history[trial].language_rate or 0.0), trial.rate))

    def _speaks(self, outcome: Outcome) -> bool:
        rate = outcome.language_rate
        return math.isfinite(outcome.score) and (rate is None or rate >= self.options.language_rate)
