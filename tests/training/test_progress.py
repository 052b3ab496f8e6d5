"""Long work shows how far it has come, with a terminal and without."""

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from xlgen.backbones.base import Backbone
from xlgen.core.progress import SILENT, TerminalProgress
from xlgen.training import mixture


@pytest.fixture
def shown() -> tuple[TerminalProgress, io.StringIO]:
    file = io.StringIO()
    progress = TerminalProgress()
    progress._console = Console(file=file, force_terminal=False)
    return progress, file


def test_reading_is_counted_while_nobody_knows_how_much_there_is(shown: tuple[TerminalProgress, io.StringIO]) -> None:
    progress, file = shown
    assert sum(progress.count("reading text in fr", iter(range(120_000)))) == sum(range(120_000))
    assert file.getvalue().splitlines() == ["reading text in fr: 50,000", "reading text in fr: 100,000"]
    assert list(progress.count("reading", iter("ab"))) == list(SILENT.count("reading", iter("ab"))) == ["a", "b"]


def test_much_text_is_announced_before_it_is_tokenized(
    shown: tuple[TerminalProgress, io.StringIO],
    backbone_of: Callable[[str], Backbone],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    progress, file = shown
    monkeypatch.setattr(mixture, "_MANY", 3)
    backbone = backbone_of("mt5")
    mixture.tokenize(backbone, ["a", "b"], "few", progress)
    assert file.getvalue() == ""
    mixture.tokenize(backbone, ["a", "b", "c"], "text in fr", progress)
    assert file.getvalue().splitlines() == ["tokenizing text in fr: 3/3"]


def test_the_time_left_of_training_counts_evaluations() -> None:
    from rich.progress import Progress as Bars

    from xlgen.core.progress import TRAINING, TimeLeft

    now, evaluated = [0.0], [False]
    column = TimeLeft(lambda: evaluated[0])
    bars = Bars(column, get_time=lambda: now[0], disable=True)
    bars.start_task(number := bars.add_task(TRAINING, total=100, began=0))
    for step in range(1, 11):
        now[0] += 1
        bars.update(number, completed=step)
    (task,) = bars.tasks
    assert column.render(task).plain == "0:01:30 + evaluations"
    now[0] += 90  # an evaluation
    evaluated[0] = True
    assert column.render(task).plain == "0:15:00"


def test_a_line_of_its_own(shown: tuple[TerminalProgress, io.StringIO]) -> None:
    progress, file = shown
    progress.say("reading what is evaluated")
    assert file.getvalue() == "reading what is evaluated\n"
    SILENT.say("nothing")
