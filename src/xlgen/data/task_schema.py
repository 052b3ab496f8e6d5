"""The JSON schema of task files."""

from __future__ import annotations

from xlgen.core.json_schema import model_schema
from xlgen.core.json_types import JsonObject
from xlgen.data.tasks import TaskConfig
from xlgen.metrics.options import metric_names, metric_schemas


def task_schema() -> JsonObject:
    """The JSON schema of a task file, with the options of every metric."""
    schema = model_schema(TaskConfig)
    schema["properties"]["metrics"]["items"] = {"anyOf": [{"enum": list(metric_names())}, *metric_schemas()]}
    schema["required"] = [key for key in schema["required"] if key != "name"]
    return schema
