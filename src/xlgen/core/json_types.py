"""Types of data from JSON and YAML files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

JsonValue: TypeAlias = Any
"""A value read from JSON or YAML, or written to them: null, a truth value, a number, text, a list or an object.

Which of these it is depends on the file, so a type checker cannot know it. A recursive union would have to be narrowed
at every access (``recipe["stages"][-1]["task"]``), although the readers validate what they read and name the key that
is wrong.
"""

JsonObject: TypeAlias = dict[str, JsonValue]
"""A JSON object or YAML mapping that is being built or changed: a row of a table, a line of a JSON Lines file."""

JsonMapping: TypeAlias = Mapping[str, JsonValue]
"""A JSON object or YAML mapping that is only read."""
