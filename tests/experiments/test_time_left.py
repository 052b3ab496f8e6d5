"""What is left of a study is told by the steps of its runs."""

from xlgen.experiments.time_left import TimeLeft


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_rest_takes_as_long_as_what_is_done() -> None:
    clock = Clock()
    left = TimeLeft({"a": 100, "b": 100, "lead": 1}, clock)
    assert (left.seconds, str(left)) == (None, "")
    left.update("a", 0)
    clock.now += 60
    left.update("a", 50)
    assert round(left.seconds or 0) == 181 and str(left) == "about 3 min left"
    left.end("a")
    clock.now += 60
    left.update("b", 0)
    left.update("b", 75)
    assert str(left) == "about 18 s left"
    left.end("b")
    left.end("lead")
    assert (left.share, str(left)) == (1.0, "")


def test_what_was_done_before_took_no_time_now() -> None:
    clock = Clock()
    left = TimeLeft({"a": 100}, clock)
    left.update("a", 80)
    clock.now += 10
    left.update("a", 90)
    assert left.seconds == 10
    left.update("a", 85)
    assert left.share == 0.5, "a run that is resumed has lost a little, which it had done"


def test_runs_without_a_rest() -> None:
    assert TimeLeft({}).share == 1.0
    left = TimeLeft({"a": 5})
    left.update("a", 5)
    assert str(left) == ""


def test_evaluations_that_nobody_has_timed_are_named() -> None:
    clock = Clock()
    left = TimeLeft({"a": 100, "b": 100}, clock, evaluates=True)
    left.update("a", 0)
    clock.now += 20
    left.update("a", 20)
    assert str(left) == "about 3 min left, without evaluations"
    clock.now += 20
    left.update("a", 20, evaluated=True)
    assert str(left) == "about 6 min left"
    ended = TimeLeft({"a": 100, "b": 100}, clock, evaluates=True)
    ended.update("a", 0)
    ended.end("b")
    assert "without evaluations" in str(ended) or str(ended) == "", "a run that never began has timed nothing"
    clock.now += 20
    ended.end("a")
    assert "without evaluations" not in str(ended)
