"""Lower the learning rate when a metric no longer improves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from accelerate.utils import broadcast_object_list
from torch.optim.lr_scheduler import ReduceLROnPlateau

from xlgen.core.config import Plateau
from xlgen.core.languages import Language
from xlgen.core.registry import InputError
from xlgen.training.callbacks import Callback
from xlgen.training.state import Scores, TrainingState


class PlateauScheduler(Callback):
    """PyTorch's ``ReduceLROnPlateau`` on a metric of the evaluations.

    It schedules a learning rate of 1, so its rate is the factor of the recipe's learning rate.
    """

    def __init__(self, config: Plateau | None, source_languages: Sequence[str] = ()) -> None:
        self._config = config
        self._sources = {Language.parse(text).code for text in source_languages}
        self._rate = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        self._plateau = config and ReduceLROnPlateau(
            self._rate, "max", config.factor, config.patience, config.threshold, threshold_mode="abs"
        )

    @property
    def factor(self) -> float:
        """The factor of the learning rate; 1 before the first plateau."""
        return float(self._rate.param_groups[0]["lr"])

    def after_step(self, state: TrainingState) -> None:
        """Observe the evaluation of the step, if there is one. The main process shares its scores with the others."""
        if state.scores is not None and self._config is not None:
            value = self._mean(state.scores) if state.scores else None
            self.observe(broadcast_object_list([value])[0])

    def observe(self, value: float) -> None:
        """Take the mean score of one more evaluation into account."""
        if self._plateau:
            self._plateau.step(value)

    def state(self) -> dict[str, float]:
        """The state to save for resuming; empty without a plateau."""
        if not self._plateau:
            return {}
        return {"factor": self.factor, "best": self._plateau.best, "bad": self._plateau.num_bad_epochs}

    def restore(self, state: Mapping[str, float]) -> None:
        """Continue from a saved state."""
        if self._plateau and state:
            self._rate.param_groups[0]["lr"] = state["factor"]
            self._plateau.best, self._plateau.num_bad_epochs = state["best"], int(state["bad"])

    def _mean(self, scores: Scores) -> float:
        """The mean over the languages without labels, or over all if every language has labels."""
        assert self._config is not None
        metric = self._config.metric
        languages = [code for code in scores if code not in self._sources] or list(scores)
        values = [row.value for code in languages for row in scores[code] if row.metric == metric]
        defined = [value for value in values if value is not None]
        if not defined:
            raise InputError(f"training.plateau watches {metric!r}, and no evaluation gives that score")
        return sum(defined) / len(defined)
