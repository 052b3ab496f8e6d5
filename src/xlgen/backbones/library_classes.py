"""The classes of the transformers library that load models."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Protocol, TypeAlias

from xlgen.kernels.model_types import TransformersModel

if TYPE_CHECKING:
    from transformers.models.auto.auto_factory import _BaseAutoModelClass

LoadingInfo: TypeAlias = Mapping[str, Collection[object]]
"""What the library reports of a loaded model: ``missing_keys``, ``mismatched_keys`` and ``unexpected_keys``."""


class ModelClass(Protocol):
    """A class that loads models."""

    def from_pretrained(self, folder: str | None, /, **options: object) -> tuple[TransformersModel, LoadingInfo]:
        """The model in ``folder``. The result is a pair with the option ``output_loading_info``, which is required."""
        ...


AutoClass: TypeAlias = "type[_BaseAutoModelClass]"
"""A class that finds the class of a config, and loads or builds its model."""


def auto_class(decodes: bool) -> tuple[AutoClass, dict[str, bool]]:
    """The class that loads a model, with its options: without a pooler, since our heads have their own."""
    from transformers import AutoModel, AutoModelForSeq2SeqLM

    return (AutoModelForSeq2SeqLM, {}) if decodes else (AutoModel, {"add_pooling_layer": False})
