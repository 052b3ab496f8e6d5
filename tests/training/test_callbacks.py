"""Each callback alone, with a small state."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from xlgen.core.config import Plateau
from xlgen.core.interrupt import InterruptedRunError
from xlgen.core.registry import InputError
from xlgen.metrics.score import Row
from xlgen.runs.event_log import EventLog
from xlgen.runs.records import read_log
from xlgen.training.callbacks.evaluate import Evaluate
from xlgen.training.callbacks.log_step import LogStep
from xlgen.training.callbacks.plateau import PlateauScheduler
from xlgen.training.callbacks.save_checkpoint import MarkEvaluated, SaveCheckpoint
from xlgen.training.callbacks.show_progress import ShowProgress
from xlgen.training.callbacks.stop_on_signal import StopOnSignal
from xlgen.training.context import Schedule
from xlgen.training.loop import StepResult
from xlgen.training.state import Scores, TrainingState


@dataclass
class FakeContext:
    """Ends a run without a folder."""

    def interrupt(self, step: int) -> None:
        raise InterruptedRunError(f"stopped after step {step}")


@dataclass
class FakeSaver:
    """Records what is saved."""

    saved: list[tuple[int, bool]] = field(default_factory=list)
    """(step, whether its evaluation is due)."""
    evaluated: list[int] = field(default_factory=list)

    def save(self, state: TrainingState) -> None:
        self.saved.append((state.step, state.evaluation_due))
        state.saved = True

    def mark_evaluated(self, step: int) -> None:
        self.evaluated.append(step)


@dataclass
class FakeEvaluator:
    """Draws random numbers, and returns scores or raises an error."""

    error: Exception | None = None

    def evaluate(self, step: int, stop: Any) -> Scores:
        torch.rand(5)
        if self.error is not None:
            raise self.error
        return scores(en=1.0)


def state(step: int = 1, **fields: Any) -> TrainingState:
    result = StepResult(step, 2.0, 1e-3, 1.0, 10, 5, 0.25, seconds=0.5)
    context = cast(Any, FakeContext())
    return TrainingState(context=context, prepared=cast(Any, None), step=step, result=result, **fields)


def scores(**values: float | None) -> Scores:
    return {code: [Row(code, "rougeL", value, None, None, 3, "")] for code, value in values.items()}


def schedule(**changes: Any) -> Schedule:
    return Schedule(**{"steps": 10, "last": 10, **changes})


def always() -> bool:
    return True


def never() -> bool:
    return False


@pytest.mark.parametrize(
    ("changes", "evaluated", "saved"),
    [
        ({}, [10], [10]),
        ({"evaluate_every": 4}, [4, 8, 10], [4, 8, 10]),
        ({"evaluate_every": 4, "save_every": 3}, [4, 8, 10], [3, 6, 9]),
        ({"evaluate_every": 4, "evaluates": False}, [], []),
        ({"last": 5, "evaluate_every": 4}, [4, 8, 10], [4, 8, 10]),
    ],
)
def test_the_schedule_of_evaluations_and_checkpoints(
    changes: dict[str, Any], evaluated: list[int], saved: list[int]
) -> None:
    plan, steps = schedule(**changes), range(1, 11)
    assert [step for step in steps if plan.evaluates_at(step)] == evaluated
    assert [step for step in steps if plan.saves_at(step)] == saved


def test_steps_are_logged_first_last_and_regularly(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "metrics.jsonl")
    callback = LogStep(log, schedule(log_every=4))
    for step in range(1, 11):
        callback.after_step(state(step))
    events = read_log(log.path).events
    assert [event["step"] for event in events] == [1, 4, 8, 10]
    assert events[0].keys() - {"time"} == {
        *("event", "step", "loss", "learning_rate", "gradient_norm", "source_tokens", "target_tokens", "padding"),
        "steps_per_second",
    }
    assert all(event["steps_per_second"] == 2.0 for event in events), "every step took half a second"


def test_the_progress_bar_advances_by_one() -> None:
    done: list[int] = []
    ShowProgress(done.append).after_step(state())
    assert done == [1]


@pytest.mark.parametrize("due", [True, False])
def test_a_checkpoint_is_saved_where_the_schedule_says_so_and_at_the_end(due: bool) -> None:
    saver = FakeSaver()
    callback = SaveCheckpoint(cast(Any, saver), schedule(last=9, save_every=4), never)
    for step in range(1, 10):
        callback.after_step(state(step, evaluation_due=due))
    assert saver.saved == [(4, due), (8, due), (9, due)]


def test_a_checkpoint_is_saved_when_the_run_is_asked_to_stop() -> None:
    saver, stopped = FakeSaver(), state(3)
    SaveCheckpoint(cast(Any, saver), schedule(), always).after_step(stopped)
    assert saver.saved == [(3, False)] and stopped.saved


@pytest.mark.parametrize(
    ("step", "due", "stops"), [(3, False, True), (3, True, True), (10, True, True), (10, False, False)]
)
@pytest.mark.parametrize("saved", [True, False])
def test_a_run_that_is_asked_to_stop_ends_with_a_checkpoint_unless_nothing_is_left(
    step: int, due: bool, stops: bool, saved: bool
) -> None:
    saver, now = FakeSaver(), state(step, evaluation_due=due, saved=saved)
    StopOnSignal(cast(Any, saver), schedule(), never).after_step(now)
    callback = StopOnSignal(cast(Any, saver), schedule(), always)
    if not stops:
        callback.after_step(now)
        assert not saver.saved
        return
    with pytest.raises(InterruptedRunError, match=f"after step {step}"):
        callback.after_step(now)
    assert saver.saved == ([] if saved else [(step, due)])


def test_only_an_evaluation_that_is_due_is_made_and_it_leaves_the_random_numbers() -> None:
    callback = Evaluate(cast(Any, FakeEvaluator()), cast(Any, FakeSaver()), never)
    idle, due = state(), state(evaluation_due=True)
    before = torch.get_rng_state()
    for each in (idle, due):
        callback.after_step(each)
    assert idle.scores is None
    assert due.scores == scores(en=1.0) and not due.evaluation_due
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("saved", [True, False])
def test_an_evaluation_that_fails_leaves_a_checkpoint_in_which_it_is_due(saved: bool) -> None:
    saver, now = FakeSaver(), state(4, evaluation_due=True, saved=saved)
    callback = Evaluate(cast(Any, FakeEvaluator(RuntimeError("no memory"))), cast(Any, saver), never)
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="no memory"):
        callback.after_step(now)
    assert saver.saved == ([] if saved else [(4, True)])
    assert torch.equal(torch.get_rng_state(), before), "the checkpoint has the state of before the evaluation"


def test_an_evaluation_is_recorded_in_a_checkpoint_of_its_step() -> None:
    for saved, found in itertools.product((True, False), (scores(en=1.0), {}, None)):
        saver = FakeSaver()
        MarkEvaluated(cast(Any, saver)).after_step(state(4, saved=saved, scores=found))
        assert saver.evaluated == ([4] if saved and found is not None else [])


@pytest.fixture
def one_process() -> None:
    """Several processes share scores through Accelerate's state."""
    from accelerate import Accelerator

    Accelerator(cpu=True)


@pytest.mark.usefixtures("one_process")
def test_a_plateau_watches_the_languages_without_labels() -> None:
    config = Plateau(metric="rougeL", factor=0.5, patience=0, threshold=1.0)
    callback = PlateauScheduler(config, ["English"])
    callback.after_step(state(scores=scores(en=10.0, th=20.0, fr=30.0)))
    assert (callback.factor, callback.state()["best"]) == (1.0, 25.0)
    callback.after_step(state(scores=None))
    assert callback.factor == 1.0, "no evaluation"
    callback.after_step(state(scores=scores(en=90.0, th=20.0, fr=None)))
    assert callback.factor == 0.5
    resumed = PlateauScheduler(config, ["English"])
    resumed.restore(callback.state())
    assert resumed.state() == callback.state()


@pytest.mark.usefixtures("one_process")
def test_a_plateau_watches_all_languages_if_every_one_has_labels() -> None:
    callback = PlateauScheduler(Plateau(metric="rougeL"), ["en", "th"])
    callback.after_step(state(scores=scores(en=10.0, th=20.0)))
    assert callback.state()["best"] == 15.0
    with pytest.raises(InputError, match="'rougeL', and no evaluation gives that score"):
        callback.after_step(state(scores=scores(en=None)))
