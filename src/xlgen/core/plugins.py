"""Plugins with options: what a recipe or task has under a key such as ``adaptation``, ``penalty`` or ``reader``.

A kind of plugins has a base class, a base of its options, and a registry::

    class MethodOptions(PluginOptions):
        def build(self) -> Method:
            return methods.build(self)

    class Method(Plugin[OptionsT], ABC): ...

    methods: PluginRegistry[Method] = PluginRegistry("method", "xlgen.adaptation", "methods")

A plugin declares ``Options``, a subclass of its kind's base. A config declares where a plugin goes with
:class:`PluginField`; the field then has the validated options, and ``field.build()`` makes the plugin. The registry,
and thereby PyTorch, is imported only when a value is validated.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeAlias

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, SerializationInfo, ValidationError, ValidationInfo
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypeVar

from xlgen.core.config_base import Config
from xlgen.core.config_errors import describe_config_errors
from xlgen.core.json_types import JsonMapping, JsonObject
from xlgen.core.registry import Registry, nearest
from xlgen.core.yaml_loader import RecipeError

KEYS_ONLY = "keys only"
"""In the context of a validation: check names and keys of plugins against the shipped schema, and import none."""

PLACEHOLDER = "x-plugins"
"""The key of a JSON schema that names a registry in place of the schema of its plugins."""

SCHEMA_FILE = Path(__file__).parents[1] / "recipes" / "recipe.schema.json"
"""The JSON schema of recipes with every plugin of this package, as written by ``xlgen schema recipe``."""


class PluginOptions(Config):
    """Base of the options of plugins."""

    name: str = ""
    """The plugin's name. If empty, it is set when the options become part of a recipe."""

    def build(self, *arguments: Any, **named: Any) -> Any:
        """Make the plugin. Each kind of plugins declares its arguments and what it returns."""
        raise NotImplementedError(f"{type(self).__name__} is of no kind of plugins")


OptionsT = TypeVar("OptionsT", bound=PluginOptions, default=PluginOptions, covariant=True)
PluginT = TypeVar("PluginT", bound="Plugin", covariant=True)
PluginChoice: TypeAlias = "str | JsonMapping | PluginOptions"
"""A plugin's name, ``{"name": "adapters", "bottleneck_dim": 64}``, or its options."""


class Plugin(Generic[OptionsT]):
    """Base of plugins with options."""

    Options: ClassVar[type[PluginOptions]] = PluginOptions

    def __init__(self, options: OptionsT) -> None:
        self.options = options


class PluginOptionsError(RecipeError):
    """The options of a plugin are wrong. ``error`` is pydantic's, for a message that names the keys of a recipe."""

    def __init__(self, title: str, model: type[Config], error: ValidationError) -> None:
        self.model, self.error = model, error
        faults = describe_config_errors(error, model)
        super().__init__(f"{title} is invalid:\n" + "\n".join(f"  {fault}" for fault in faults))


class UnknownOptionError(RecipeError):
    """A plugin has no option with this name."""

    def __init__(self, plugin: str, option: str, known: Iterable[str]) -> None:
        self.option, self.known = option, tuple(known)
        super().__init__(f"{plugin} has no option {option!r}: {nearest(option, self.known)}")


class PluginRegistry(Registry[type[PluginT]], Generic[PluginT]):
    """The plugins of one kind, with their options.

    Args:
        kind: As for :class:`Registry`.
        package: As for :class:`Registry`.
        plural: As for :class:`Registry`.
        default: The plugin of a mapping without a name.
    """

    def __init__(self, kind: str, package: str, plural: str, default: str | None = None) -> None:
        super().__init__(kind, package, plural)
        self._default = default

    def register(self, name: str) -> Callable[[type[PluginT]], type[PluginT]]:
        """As :meth:`Registry.register`. Raises TypeError if the plugin's ``Options`` are not PluginOptions."""
        add = super().register(name)

        def check(plugin: type[PluginT]) -> type[PluginT]:
            if not issubclass(plugin.Options, PluginOptions):
                raise TypeError(f"{plugin.__name__}.Options must be a subclass of the options of a {self.kind}")
            return add(plugin)

        return check

    def options(self, choice: PluginChoice, key: str | None = None) -> PluginOptions:
        """The validated options of a plugin. ``key`` is the recipe's key for this kind, for messages.

        Raises InputError for an unknown name, key or value.
        """
        if isinstance(choice, PluginOptions):
            return choice if choice.name else choice.model_copy(update={"name": self._name_of(choice)})
        choice = {"name": choice} if isinstance(choice, str) else self._named(choice)
        name = choice.get("name")
        if not isinstance(name, str):
            held = ", ".join(map(str, choice)) or "no key"
            raise RecipeError(f"a {self.kind} needs a `name` (see `xlgen list {self.plural}`); there is {held}")
        model = self.get(name).Options
        try:
            return model.model_validate(dict(choice))
        except ValidationError as error:
            raise PluginOptionsError(f"{key or self.kind} {name}", model, error) from None

    def build(self, choice: PluginChoice, *arguments: object) -> PluginT:
        """Make a plugin. ``arguments`` are those of the kind's ``build``. Raises InputError as ``options`` does."""
        options = self.options(choice)
        return self.get(options.name)(options, *arguments)

    def _named(self, choice: JsonMapping) -> JsonMapping:
        if "name" in choice:
            return choice
        if isinstance(choice.get(self.kind), str):  # early versions have the name under `method` or `reader`
            return {"name" if key == self.kind else key: value for key, value in choice.items()}
        return choice if self._default is None else {"name": self._default, **choice}

    def _name_of(self, options: PluginOptions) -> str:
        names = [name for name in self.names() if self.get(name).Options is type(options)]
        if len(names) != 1:
            several = f": one of {', '.join(names)}" if names else ""
            raise RecipeError(f"{type(options).__name__} needs the `name` of a {self.kind}{several}")
        return names[0]


class PluginField:
    """Annotation of a config's field with the options of a plugin: ``Annotated[PluginOptions, PluginField(...)]``.

    The value may be options, a mapping with a name, or a name alone.

    Args:
        where: The registry's module and variable, ``xlgen.adaptation.base:methods``.
    """

    def __init__(self, where: str) -> None:
        self._module, _, self.plural = where.partition(":")

    @property
    def registry(self) -> PluginRegistry[Plugin]:
        """The registry; this imports its module."""
        found: PluginRegistry[Plugin] = getattr(import_module(self._module), self.plural)
        return found

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            self._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(_dump, info_arg=True),
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonObject:
        # A placeholder for xlgen.core.json_schema: a plugin may have a field for plugins of its own kind.
        return {PLACEHOLDER: f"{self._module}:{self.plural}"}

    def _validate(self, value: object, info: ValidationInfo) -> PluginOptions:
        if not isinstance(value, Mapping | str | PluginOptions):
            raise ValueError("must be a name, or a mapping with a `name` and options")
        if (info.context or {}).get(KEYS_ONLY):
            return _with_known_keys(self.plural, value)
        return self.registry.options(value, info.field_name)


def _dump(value: PluginOptions, info: SerializationInfo) -> JsonObject:
    # Only what the recipe says: options that were added later must not distinguish a run from its older copies.
    return value.model_dump(mode=info.mode, exclude_unset=True)


def _with_known_keys(plural: str, value: str | JsonMapping | PluginOptions) -> PluginOptions:
    """Placeholder options for a value whose name and keys may be right. Raises RecipeError for an unknown key."""
    if isinstance(value, PluginOptions):
        return value
    if isinstance(value, Mapping) and isinstance(name := value.get("name"), str):
        known = _shipped_keys().get(f"{plural}.{name}")
        for key in value if known else ():
            if known and key not in known:
                raise UnknownOptionError(name, str(key), known)
    return PluginOptions.model_construct()


@cache
def _shipped_keys() -> dict[str, frozenset[str]]:
    """The keys of this package's plugins by kind and name, ``methods.adapters``."""
    if not SCHEMA_FILE.is_file():
        return {}
    definitions = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))["$defs"]
    return {name: frozenset(found["properties"]) for name, found in definitions.items() if "." in name}
