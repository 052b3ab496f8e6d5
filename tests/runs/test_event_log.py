"""The log of a run, and files that are whole or not there."""

import json
from pathlib import Path
from typing import Any

import pytest

from xlgen.runs.event_log import EventLog
from xlgen.runs.files import write_atomically
from xlgen.runs.records import read_log


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    written = EventLog(tmp_path / "metrics.jsonl")
    written.log("start", 0, parameters=3)
    for step in (1, 2, 3):
        written.log("step", step, loss=1 / step, text="ไทย\u2028\x85中文")
    return written


def events(log: EventLog) -> list[tuple[str, int]]:
    return [(event["event"], event["step"]) for event in read_log(log.path).events]


def test_one_line_an_event(log: EventLog) -> None:
    assert events(log) == [("start", 0), ("step", 1), ("step", 2), ("step", 3)]
    assert log.path.read_text(encoding="utf-8").count("\n") == 4
    (_, first, *_) = read_log(log.path).events
    assert first["loss"] == 1
    assert first["text"] == "ไทย\u2028\x85中文", "line separators within a text are text"
    assert first["time"] > 0


def test_a_line_cut_short_by_a_kill_is_skipped_and_then_gone(log: EventLog) -> None:
    with log.path.open("a", encoding="utf-8") as file:
        file.write('{"event": "step", "st')
    assert len(events(log)) == 4
    log.cut_after(3)
    log.log("step", 4)
    assert events(log)[-1] == ("step", 4)
    assert all(json.loads(line) for line in log.path.read_text(encoding="utf-8").rstrip("\n").split("\n"))


@pytest.mark.parametrize(("step", "left"), [(3, 4), (2, 3), (0, 1), (-1, 0)])
def test_cut_after(log: EventLog, step: int, left: int) -> None:
    before = list(read_log(log.path).events)
    log.cut_after(step)
    assert list(read_log(log.path).events) == before[:left]


def test_other_processes_write_nothing(log: EventLog) -> None:
    silent = EventLog(log.path, enabled=False)
    silent.log("step", 4)
    silent.cut_after(-1)
    assert len(events(log)) == 4


def test_no_log_yet(tmp_path: Path) -> None:
    assert read_log(tmp_path / "absent.jsonl").events == ()
    EventLog(tmp_path / "absent.jsonl").cut_after(-1)


def test_write_atomically(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.json"
    write_atomically(path, "old")
    write_atomically(path, "नया")
    assert path.read_text(encoding="utf-8") == "नया"
    assert [file.name for file in tmp_path.iterdir()] == ["state.json"]

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "newer")
    assert path.read_text(encoding="utf-8") == "नया"


def test_a_log_torn_inside_a_character_can_be_resumed(log: EventLog) -> None:
    whole = json.dumps({"event": "step", "step": 4, "text": "ไทย"}, ensure_ascii=False).encode()
    with log.path.open("ab") as file:
        file.write(b'{"event": "figure"}\n{"event": 3, "step": "x"}\n' + whole[:-5])
    log.cut_after(3)
    assert events(log) == [("start", 0), ("step", 1), ("step", 2), ("step", 3)]
