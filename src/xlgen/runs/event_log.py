"""The run's event log: one JSON object per line, append-only, truncated to the checkpoint on resume."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from xlgen.core.json_types import JsonMapping, JsonValue
from xlgen.runs.files import naming, write_atomically
from xlgen.runs.records import read_log

EVALUATION = ("evaluated", "figure", "xlrs")
"""Events that an evaluation logs."""

OnEvent: TypeAlias = Callable[[str, int, JsonMapping], None]
"""A callback that receives an event's name, its step and its fields."""


class EventLog:
    """Writes events to ``metrics.jsonl``, and passes them to a callback."""

    def __init__(self, path: Path, enabled: bool = True, on_event: OnEvent = lambda event, step, fields: None) -> None:
        self.path = path
        self._enabled = enabled
        self._on_event = on_event

    def log(self, event: str, step: int, **fields: JsonValue) -> None:
        """Append one event."""
        if self._enabled:
            line = json.dumps(
                {"event": event, "step": step, **fields, "time": round(time.time(), 3)}, ensure_ascii=False
            )
            with naming(self.path), self.path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
            self._on_event(event, step, fields)

    def cut_after(self, step: int, evaluates: bool = False) -> None:
        """Remove the events after ``step``, which will be logged again.

        With ``evaluates``, the evaluation at ``step`` will also be repeated, so its events are removed too.
        """
        if self._enabled and self.path.exists():
            kept = [
                event
                for event in read_log(self.path).events
                if event["step"] <= step and not (evaluates and event["step"] == step and event["event"] in EVALUATION)
            ]
            write_atomically(self.path, "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in kept))
