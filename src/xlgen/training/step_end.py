"""What follows a training step: checkpoint, evaluation, and the end where the run was asked to stop.

The checkpoint comes before the evaluation of its step, so that an evaluation that fails or is killed costs no training;
a resumed run makes the evaluation that its newest checkpoint lacks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

import torch
from torch.optim import Optimizer

from xlgen.adaptation import checkpoints as store
from xlgen.core.arguments import argument
from xlgen.core.interrupt import InterruptedRunError
from xlgen.data.batches import BatchStream
from xlgen.data.prefetch import Prefetched
from xlgen.runs.paths import RunPaths
from xlgen.training.retention import tidy

if TYPE_CHECKING:
    from xlgen.training.stage import StageRun


class StepEnd:
    """Called with the number of each step that is done. Raises InterruptedRunError, with a checkpoint saved."""

    def __init__(
        self,
        run: StageRun,
        last: int,
        stop: Callable[[], bool],
        stream: BatchStream | Prefetched,
        optimizer: Optimizer,
    ) -> None:
        self._run, self._last, self._stop, self._stream, self._optimizer = run, last, stop, stream, optimizer

    def __call__(self, step: int) -> None:
        """Save and evaluate what is due."""
        run, ends, due = self._run, step == self._last, self._run.evaluates_at(step)
        saved = ends or self._stop() or run.saves_at(step)
        if saved:
            self._save(step, due)
        if self._stop() and (due or not ends):
            interrupt(run, step)
        if due and saved:
            self.evaluate_saved(step)
        elif due:
            try:
                self._evaluate(step)
            except Exception:
                self._save(step, due)
                raise
        if self._stop() and not ends:
            if not saved:
                self._save(step)
            interrupt(run, step)

    def evaluate_saved(self, step: int) -> None:
        """The evaluation of a step whose checkpoint is there, in which it is then noted."""
        run = self._run
        self._evaluate(step)
        if run.accelerator.is_main_process:
            store.note_evaluated(RunPaths(run.place).checkpoint(step), run.reduction.state())
            tidy(run.place, run.stage, run.task)  # it may be the best one, and another no longer
            run.folder.set_state(stage=run.index, step=step, status="running")

    def _evaluate(self, step: int) -> None:
        """Evaluate, and leave random numbers as a run has them that resumes after this evaluation, or before it."""
        state = torch.get_rng_state()
        self._run.evaluate(step, self._stop)
        torch.set_rng_state(state)

    def _save(self, step: int, due: bool = False) -> None:
        passing = not (self._run.saves_at(step) or step == self._last)
        self._run.save(step, self._stream.state(), self._optimizer, due, passing)


def until_stopped(
    run: StageRun, step: int, advance: Callable[[int], None], stop: Callable[[], bool]
) -> Callable[[int], None]:
    """``advance``, a progress bar's, which ends the run where it is asked to stop while it evaluates."""

    def checked(units: int) -> None:
        advance(units)
        if stop() and run.accelerator.num_processes == 1:  # several would wait for each other
            interrupt(run, step)

    return checked


def interrupt(run: StageRun, step: int) -> NoReturn:
    """End the run, whose checkpoint of ``step`` is saved. Raises InterruptedRunError, which says how to continue."""
    if run.accelerator.is_main_process:
        run.folder.set_state(stage=run.index, step=step, status="interrupted")
    raise InterruptedRunError(f"stopped after step {step}; a checkpoint is saved. Continue with {argument('resume')}")
