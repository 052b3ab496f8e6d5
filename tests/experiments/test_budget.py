"""A budget lets nothing begin that would end too late."""

from xlgen.experiments.budget import Budget


class Clock:
    def __init__(self) -> None:
        self.now = 5_000.0

    def __call__(self) -> float:
        return self.now


def test_runs_that_would_end_too_late_do_not_begin() -> None:
    clock = Clock()
    budget = Budget(1.0, clock)
    assert budget.has_time()
    for _ in range(2):
        clock.now += 1_200
        budget.took(1_200)
    assert not budget.has_time(), "a third would end with the hour, not before"
    assert Budget(None, clock).has_time()
    assert not Budget(0.0, clock).has_time()


def test_a_long_run_weighs_on_those_that_follow() -> None:
    clock = Clock()
    budget = Budget(1.0, clock)
    budget.took(100)
    clock.now += 1_800
    assert budget.has_time()
    budget.took(6_000)
    assert not budget.has_time()
