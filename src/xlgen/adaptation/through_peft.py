"""Methods of the peft library: inserted by it, saved in its format, loadable by it.

A file a method says which ``PeftConfig`` it is; everything else is here. ``peft`` is imported late.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, TypeAlias

from torch import Tensor

from xlgen.adaptation.base import Method, check_fit
from xlgen.adaptation.inserted import Inserted
from xlgen.backbones.base import Backbone, BackboneError
from xlgen.core.extras import require
from xlgen.core.plugins import OptionsT


def import_peft() -> ModuleType:
    """The library. Raises MissingExtraError if it is not installed."""
    require("train", "this method", "peft")
    import peft

    return peft


def _fresh_modules(backbone: Backbone) -> list[str]:
    """The modules that hold fresh parameters themselves; peft cannot merge the modules around them."""
    own = {name: next(module.parameters(recurse=False), None) for name, module in backbone.model.named_modules()}
    return [name for name, parameter in own.items() if parameter is not None and backbone.is_fresh(name)]


PeftConfig: TypeAlias = Any
"""A config of peft. Its class and fields depend on the method, and peft is an optional dependency."""


class ThroughPeft(Method[OptionsT]):
    """Wrap the model in peft's; what peft says is trainable is trained."""

    weights_file: ClassVar[str] = "adapter_model.safetensors"
    mergeable: ClassVar[bool] = True
    """Whether the trained part can be folded into the pretrained weights."""

    @abstractmethod
    def peft_config(self, backbone: Backbone, peft: ModuleType) -> PeftConfig:
        """The ``PeftConfig`` of the method's options."""

    def insert(self, backbone: Backbone) -> None:
        """The wrapped model takes the model's place. Raises BackboneError."""
        peft = import_peft()
        config = self.peft_config(backbone, peft)
        if backbone.peft_task_type is not None:
            config.task_type = peft.TaskType(backbone.peft_task_type)
        if fresh := _fresh_modules(backbone):
            config.modules_to_save = fresh
        with warnings.catch_warnings():
            # peft asks transformers in a way that transformers will drop.
            warnings.simplefilter("ignore", FutureWarning)
            try:
                backbone.model = peft.get_peft_model(backbone.model, config)
            except ValueError as error:
                raise BackboneError(f"peft refuses {type(self).__name__} on {backbone.name}: {error}") from None
        self._wrapper = "base_model." if config.is_prompt_learning else "base_model.model."
        self._trained = {name for name, p in backbone.model.named_parameters() if p.requires_grad}

    def trains(self, name: str, backbone: Backbone) -> bool:
        """What peft made trainable."""
        return name in self._trained

    def pretrained_name(self, name: str) -> str:
        """Without peft's wrappers."""
        return name.removeprefix(self._wrapper).replace(".base_layer.", ".")

    def state(self, backbone: Backbone) -> dict[str, Tensor]:
        """The tensors under the names of peft's files."""
        from peft import get_peft_model_state_dict

        return {
            name: tensor.detach()
            for name, tensor in get_peft_model_state_dict(backbone.model, save_embedding_layers=False).items()
        }

    def load_state(self, backbone: Backbone, state: Mapping[str, Tensor]) -> None:
        """Put them back. Raises BackboneError where names or shapes do not fit."""
        from peft import set_peft_model_state_dict

        check_fit(self.state(backbone), state)
        set_peft_model_state_dict(backbone.model, dict(state))

    def save(self, backbone: Backbone, folder: Path) -> None:
        """``adapter_model.safetensors`` and ``adapter_config.json``; ``PeftModel.from_pretrained`` opens the folder."""
        super().save(backbone, folder)
        config = backbone.model.active_peft_config
        before = dict(vars(config))
        config.inference_mode = True  # what is opened elsewhere is there to be used, as peft's own files are
        for key, value in before.items():
            if isinstance(value, set | frozenset):  # whose order is another one in each process
                setattr(config, key, sorted(value))
        try:
            config.save_pretrained(folder)
        finally:
            vars(config).update(before)

    @classmethod
    def can_merge(cls) -> bool:
        """As peft can."""
        return cls.mergeable

    def inserted(self, backbone: Backbone) -> Inserted:
        """peft's own files are that form. Raises BackboneError."""
        raise BackboneError("what this method adds is in the files of the peft library; export it to peft")

    def merge(self, backbone: Backbone) -> None:
        """Fold the trained part into the weights, which are then a plain model's. Raises BackboneError."""
        super().merge(backbone)
        backbone.model = backbone.model.merge_and_unload()
