"""Reading and writing the report's files."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from pathlib import Path
from typing import Any

from xlgen.outputs import temporary_for


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON objects of a JSONL file, none without a file. A line that a killed run left unfinished is left out."""
    if not path.exists():
        return []
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            value = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def write_atomically(path: Path, content: str | bytes) -> Path:
    """Write ``content`` so that ``path`` holds either the old one or the new, whole. Creates the folder.

    Where that fails, as on a full disk, nothing is left behind, and the OSError names ``path``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_for(path)
    try:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        temporary.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return path


def finite(value: Any) -> float | None:
    """``value`` as a float; None for NaN, for infinity and for anything that is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None
