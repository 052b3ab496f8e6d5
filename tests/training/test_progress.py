"""Long work shows how far it has come, with a terminal and without."""

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from xlgen.backbones.base import Backbone
from xlgen.training import mixture
from xlgen.training.progress import SILENT, TerminalProgress


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
