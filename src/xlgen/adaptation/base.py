"""The base of adaptation methods. The training loop and the decoder never ask which method they use."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from xlgen.adaptation.inserted import Inserted
from xlgen.backbones.base import Backbone, BackboneError
from xlgen.backbones.checking import read_tensors
from xlgen.backbones.source_files import check_backbone
from xlgen.core.plugins import OptionsT, Plugin, PluginOptions, PluginRegistry
from xlgen.data.examples import EncodedExample
from xlgen.runs.checkpoint_description import check_own_files, read_about
from xlgen.runs.checkpoints import newest_checkpoint
from xlgen.runs.paths import is_checkpoint


class MethodOptions(PluginOptions):
    """Base of the options of methods."""

    def build(self) -> Method:
        """Make the method with these options."""
        return methods.build(self)


class Method(Plugin[OptionsT], ABC):
    """Base of all methods. A method must declare which parameters train; everything else has a default.

    The order of calls: ``prepare`` once on a loaded backbone; ``begin`` and ``check_data`` before training, and
    ``select`` before each batch; ``save`` into a checkpoint's folder, and ``load`` from it into a backbone that was
    prepared in the same way; ``set_language`` before generating in a language.
    """

    Options: ClassVar[type[PluginOptions]] = MethodOptions
    weights_file: ClassVar[str] = "trained.safetensors"
    """The file that ``save`` writes the tensors to. Formats of other libraries have other names."""
    continues: ClassVar[bool] = False
    """Whether the method can start from modules that an earlier stage has inserted and trained."""

    def prepare(self, backbone: Backbone, seed: int = 0) -> None:
        """Insert the method's modules, initialized from ``seed``, and freeze everything that does not train."""
        # Does not use the global generator, so the same recipe always gives the same modules.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.insert(backbone)
        for name, parameter in backbone.model.named_parameters():
            parameter.requires_grad_(self.trains(name, backbone) or backbone.is_fresh(name))

    def insert(self, backbone: Backbone) -> None:
        """Add the method's own modules to the model. Most methods add none."""

    @abstractmethod
    def trains(self, name: str, backbone: Backbone) -> bool:
        """Whether the parameter ``name`` is trained."""

    @property
    def adds_modules(self) -> bool:
        """Whether the adapted model has modules that plain models of its family do not have."""
        return type(self).insert is not Method.insert

    def pretrained_name(self, name: str) -> str:
        """The name that a parameter of the adapted model had before; unchanged for an inserted one."""
        return name

    @classmethod
    def can_merge(cls) -> bool:
        """Whether ``merge`` can make a plain model."""
        return cls.insert is Method.insert

    def merge(self, backbone: Backbone) -> None:
        """Turn the adapted model into a plain model of its family with the same outputs, for export.

        Raises BackboneError if that is impossible.
        """
        if not self.can_merge():
            raise BackboneError("the modules of this method cannot be merged into the pretrained weights")

    def inserted(self, backbone: Backbone) -> Inserted:
        """The modules inserted into the adapted model, in a form that can be used without xlgen, for export.

        Raises BackboneError if the method has no such form.
        """
        raise BackboneError("the modules of this method have no form outside of xlgen")

    @property
    def whole_model(self) -> bool:
        """Whether a checkpoint has every weight, and is written by ``save_pretrained``."""
        return False

    def begin(self, backbone: Backbone, earlier: Path | None) -> None:
        """Prepare for training; may load modules of an earlier stage or run from the folder ``earlier``.

        Raises BackboneError if something that the method needs is missing.
        """

    def check_data(self, task: str, languages: Sequence[str]) -> None:
        """Raise BackboneError if the method cannot be trained on a task or a language."""

    def select(self, backbone: Backbone, examples: Sequence[EncodedExample]) -> None:
        """Prepare for a forward pass over ``examples``. Most methods do nothing."""

    def set_language(self, backbone: Backbone, language: str) -> None:
        """Prepare for generating in ``language``. Most methods do nothing."""

    def together(self, languages: Sequence[str]) -> list[tuple[str, list[int]]]:
        """Group inputs that can be generated together: pairs of a language to set and indices into ``languages``.

        Methods that do not differ by language have one group.
        """
        known = list(dict.fromkeys(languages))
        if type(self).set_language is Method.set_language:
            return [(known[0], list(range(len(languages))))] if known else []
        return [(code, [i for i, language in enumerate(languages) if language == code]) for code in known]

    def language_prompts(self, folder: Path, languages: Sequence[str]) -> Mapping[str, Tensor]:
        """The prompts for single languages in a checkpoint's folder, of shape (tokens, width), by language.

        ``languages`` are those of the unlabelled text that the checkpoint was trained on. No backbone is needed. Raises
        BackboneError if the method has no such prompts.
        """
        raise BackboneError(
            f"{type(self).__name__} trains no prompt for each language; `factorized` does, and `prompt` on text in one"
        )

    def saves(self, name: str, backbone: Backbone) -> bool:
        """Whether a checkpoint has the parameter ``name``: if it is trained, or not part of the pretrained model."""
        return self.trains(name, backbone) or backbone.is_fresh(name)

    def save(self, backbone: Backbone, folder: Path) -> None:
        """Write the method's part of a checkpoint into ``folder``, in safetensors and JSON only."""
        save_file({k: v.contiguous() for k, v in self.state(backbone).items()}, folder / self.weights_file)

    def load(self, backbone: Backbone, folder: Path) -> None:
        """Load what ``save`` wrote. Raises BackboneError, OSError or SafetensorError if that fails."""
        self.load_state(backbone, read_tensors(folder / self.weights_file))

    def state(self, backbone: Backbone) -> dict[str, Tensor]:
        """The tensors of a checkpoint, by name."""
        return {name: p.detach() for name, p in backbone.model.named_parameters() if self.saves(name, backbone)}

    def load_state(self, backbone: Backbone, state: Mapping[str, Tensor]) -> None:
        """Load the tensors of a checkpoint. Raises BackboneError if names or shapes do not fit."""
        mine = self.state(backbone)
        check_fit(mine, state)
        for name, tensor in mine.items():
            tensor.copy_(state[name])


def checkpoint_to_start_from(folder: Path, backbone: Backbone) -> Path:
    """The newest checkpoint of the run or stage in ``folder``; ``folder`` itself if it has none.

    Raises InputError if the checkpoint's files have changed since it was saved, or those of ``backbone`` since it was
    trained.
    """
    found = newest_checkpoint(folder) or folder
    if is_checkpoint(found):
        about = read_about(found)
        check_own_files(found, about)
        if about.backbone == backbone.name:
            check_backbone(about, backbone)
    return found


def check_fit(mine: Mapping[str, Tensor], saved: Mapping[str, Tensor]) -> None:
    """Raise BackboneError if the names or shapes of a checkpoint's tensors are not the expected ones."""
    if set(mine) != set(saved):
        odd = sorted(set(mine) ^ set(saved))
        raise BackboneError(
            f"the checkpoint was trained by another method or backbone: {len(odd)} names differ, first {odd[0]}"
        )
    for name, tensor in mine.items():
        if tensor.shape != saved[name].shape:
            raise BackboneError(
                f"the checkpoint does not fit: {name} is {tuple(saved[name].shape)}, not {tuple(tensor.shape)}"
            )


methods: PluginRegistry[Method] = PluginRegistry("method", "xlgen.adaptation", "methods")
"""Adaptation methods, which decide what is trained: a stage's key `adaptation`."""


def no_adaptation() -> Method:
    """The method of a model without adaptation: it adds no modules, and its checkpoints are whole models."""
    return methods.build("full")


def trainable_parameters(model: nn.Module) -> int:
    """The number of trainable parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
