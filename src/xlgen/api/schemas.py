"""JSON schemas of the files that users write."""

from __future__ import annotations

from typing import Literal

from xlgen.core.extras import require
from xlgen.core.json_types import JsonObject
from xlgen.core.registry import InputError, nearest

KINDS = ("recipe", "study", "task")


def schema(kind: Literal["recipe", "study", "task"] = "recipe") -> JsonObject:
    """The JSON schema of recipe, study or task files, with every installed plugin, for editors and validators.

    Old spellings of keys, which are still read, are not in the schema.

    Args:
        kind: The kind of file.

    Raises:
        InputError: for an unknown kind.
    """
    require("train", "the schema, which contains the options of every plugin,")
    from xlgen.core.json_schema import recipe_schema
    from xlgen.data.task_schema import task_schema
    from xlgen.experiments.plan import study_schema

    schemas = {"recipe": recipe_schema, "study": study_schema, "task": task_schema}
    if kind not in schemas:
        raise InputError(f"no schema of {kind!r}: {nearest(kind, schemas)}")
    return schemas[kind]()
