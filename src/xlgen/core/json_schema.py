"""JSON schemas of recipes, studies and tasks, for editors and for the check of keys before any plugin is imported."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from pydantic import BaseModel

from xlgen.core.config import Config, Recipe
from xlgen.core.field_docs import field_docs, plain_text
from xlgen.core.json_types import JsonObject, JsonValue
from xlgen.core.plugins import PLACEHOLDER, Plugin, PluginRegistry

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def recipe_schema() -> JsonObject:
    """The schema of a recipe file, in which the keys of a single stage may be at the top level."""
    schema = model_schema(Recipe)
    stage = schema["$defs"]["Stage"]["properties"]
    schema["properties"] |= stage
    schema["properties"]["backbone"] = {"anyOf": [{"type": "string"}, schema["properties"]["backbone"]]}
    schema["required"] = ["backbone"]
    schema["if"] = {"required": ["stages"]}
    schema["then"] = {"properties": dict.fromkeys(stage, False)}
    return schema


def model_schema(model: type[Config]) -> JsonObject:
    """The schema of a config, with one definition per kind of plugins and one per plugin: ``methods.adapters``."""
    schema = _described(model)
    definitions: JsonObject = schema.setdefault("$defs", {})
    todo = [schema]
    while todo:
        for place in list(_placeholders(todo.pop())):
            where = place.pop(PLACEHOLDER)
            module, _, plural = where.partition(":")
            place["$ref"] = f"#/$defs/{plural}"
            if plural not in definitions:
                added = _plugin_definitions(getattr(import_module(module), plural))
                definitions |= {name: each for name, each in added.items() if name not in definitions}
                todo += added.values()
    return {"$schema": DIALECT, **schema, "$defs": dict(sorted(definitions.items()))}


def _plugin_definitions(registry: PluginRegistry[Plugin]) -> JsonObject:
    found: JsonObject = {}
    for name in registry.names():
        schema = _described(registry.get(name).Options)
        found |= schema.pop("$defs", {})
        schema["properties"]["name"] = {"const": name, "description": f"The {registry.kind}."}
        schema["required"] = sorted({"name", *schema.get("required", ())})
        schema["description"] = plain_text((registry.get(name).__doc__ or "").strip().split("\n\n")[0])
        found[f"{registry.plural}.{name}"] = schema
    named = [{"$ref": f"#/$defs/{registry.plural}.{name}"} for name in registry.names()]
    # A name alone suffices if no option is required.
    alone = [name for name in registry.names() if found[f"{registry.plural}.{name}"]["required"] == ["name"]]
    found[registry.plural] = {"anyOf": [{"enum": alone}, *named]}
    return found


def _described(model: type[BaseModel]) -> JsonObject:
    """Pydantic's schema of ``model``, with the text below each field as its description."""
    schema = model.model_json_schema()
    for kind in _models(model):
        place = schema if kind is model else schema.get("$defs", {}).get(kind.__name__, {})
        for name, text in field_docs(kind).items():
            if name in place.get("properties", {}):
                place["properties"][name]["description"] = plain_text(text)
    return schema


def _models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """``model`` and every model among the types of its fields."""
    from xlgen.core.config_errors import model_in

    yield model
    for field in model.model_fields.values():
        inner = model_in(field.annotation)
        if inner is not None and inner is not model:
            yield from _models(inner)


def _placeholders(schema: JsonValue) -> Iterator[JsonObject]:
    if isinstance(schema, dict):
        if PLACEHOLDER in schema:
            yield schema
        for value in list(schema.values()):
            yield from _placeholders(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _placeholders(value)
