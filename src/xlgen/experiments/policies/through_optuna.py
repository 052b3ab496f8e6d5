"""Optuna's tree-structured Parzen estimator (Bergstra et al. 2011) over the logarithm of the rate."""

from __future__ import annotations

import math
from types import ModuleType
from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from xlgen.core.extras import require
from xlgen.experiments.policies import PolicyOptions, Tried, WholeRuns, policies

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution

_RATE = "learning_rate"
_ATTEMPTS = 50


class OptunaOptions(PolicyOptions):
    """``{name: optuna, trials: 12, at_once: 3}``."""

    trials: int = Field(default=10, ge=1)
    """The number of rates to try in all."""
    at_once: int = Field(default=2, ge=1)
    """The number of rates per wave."""
    lowest: float = Field(default=1e-6, gt=0)
    """The lowest learning rate."""
    highest: float = Field(default=1e-1, gt=0)
    """The highest learning rate."""
    seed: int = 0
    """Seed of the sampler."""

    @model_validator(mode="after")
    def _lowest_is_lower(self) -> OptunaOptions:
        if self.lowest >= self.highest:
            raise ValueError("lowest must be lower than highest")
        return self


@policies.register("optuna")
class OptunaSearch(WholeRuns[OptunaOptions]):
    """Try rates proposed by Optuna's TPE sampler; a restarted search proposes the same rates."""

    Options = OptunaOptions

    def proposals(self, tried: Tried, method: str) -> list[float]:
        """The next rates, at most ``at_once``. Raises MissingExtraError if Optuna is not installed."""
        count = min(self.options.at_once, self.options.trials - len(tried))
        found: list[float] = []
        if count > 0:
            study = self._study(tried)
            for _ in range(_ATTEMPTS):
                rate = float(f"{study.ask(self._space()).params[_RATE]:.2e}")
                if rate not in tried and rate not in found:
                    found.append(rate)
                if len(found) == count:
                    break
        return found

    def _space(self) -> dict[str, BaseDistribution]:
        optuna = _optuna()
        return {_RATE: optuna.distributions.FloatDistribution(self.options.lowest, self.options.highest, log=True)}

    def _study(self, tried: Tried) -> Study:
        """An in-memory Optuna study of the rates tried; the search has no files besides its runs."""
        optuna = _optuna()
        # The seed changes with the number of rates tried, so that the waves do not draw the same numbers.
        seed = self.options.seed + len(tried)
        sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True, n_startup_trials=4)
        study: Study = optuna.create_study(sampler=sampler, direction="maximize")
        for rate, score in tried.items():
            failed = not math.isfinite(score)
            study.add_trial(
                optuna.trial.create_trial(
                    params={_RATE: rate},
                    distributions=self._space(),
                    value=None if failed else score,
                    state=optuna.trial.TrialState.FAIL if failed else optuna.trial.TrialState.COMPLETE,
                )
            )
        return study


def _optuna() -> ModuleType:
    require("optuna", "the search policy optuna")
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
