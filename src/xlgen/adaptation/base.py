"""What an adaptation method is: an object with few verbs. The loop and the decoder never ask which one it is."""

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
    """Base of all methods. A method declares what trains by name, and gets everything else from here.

    The order of calls: ``prepare`` once on a loaded backbone; ``begin`` and ``check_data`` before a training begins,
    ``select`` before each of its batches; ``save`` into a checkpoint's folder, ``load`` from it on a backbone that was
    prepared in the same way; ``set_language`` before generating in a language, for methods that differ by language.
    """

    Options: ClassVar[type[PluginOptions]] = MethodOptions
    weights_file: ClassVar[str] = "trained.safetensors"
    """What ``save`` writes the tensors to; formats of other libraries have names of their own."""
    continues: ClassVar[bool] = False
    """Whether it can start from the modules that an earlier stage has inserted and trained."""

    def prepare(self, backbone: Backbone, seed: int = 0) -> None:
        """Insert modules if need be, drawn from ``seed``, and say what is trainable."""
        # Apart from the global generator, so that the same recipe gives the same modules anywhere.
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
        """True where the adapted model is no plain model of its family any more."""
        return type(self).insert is not Method.insert

    def pretrained_name(self, name: str) -> str:
        """What the parameter ``name`` of the adapted model was called before; its own name for an inserted one."""
        return name

    @classmethod
    def can_merge(cls) -> bool:
        """Whether ``merge`` makes a plain model."""
        return cls.insert is Method.insert

    def merge(self, backbone: Backbone) -> None:
        """Turn the adapted model into a plain one of its family with the same outputs, for export.

        Raises BackboneError where that cannot be.
        """
        if not self.can_merge():
            raise BackboneError("what this method adds cannot be merged into the pretrained weights")

    def inserted(self, backbone: Backbone) -> Inserted:
        """What was inserted into the adapted model, for an export that puts it in again without xlgen.

        Raises BackboneError for a method without such a form.
        """
        raise BackboneError("what this method adds has no form outside of xlgen")

    @property
    def whole_model(self) -> bool:
        """True where a checkpoint must hold every weight and is written by ``save_pretrained``."""
        return False

    def begin(self, backbone: Backbone, earlier: Path | None) -> None:
        """Start a training: take over what a stage before this one left in the checkpoint ``earlier``, if need be.

        Raises BackboneError where something is needed that is not there.
        """

    def check_data(self, task: str, languages: Sequence[str]) -> None:
        """Raise BackboneError for text of a task or in a language that the method cannot be trained on."""

    def select(self, backbone: Backbone, examples: Sequence[EncodedExample]) -> None:
        """Make ready for a forward pass over ``examples``. Most methods treat all alike."""

    def set_language(self, backbone: Backbone, language: str) -> None:
        """Make ready to generate in ``language``. Most methods do not differ by language."""

    def together(self, languages: Sequence[str]) -> list[tuple[str, list[int]]]:
        """(a language to set, which places of ``languages``) of what can be generated at once: all, unless the method
        differs by language."""
        known = list(dict.fromkeys(languages))
        if type(self).set_language is Method.set_language:
            return [(known[0], list(range(len(languages))))] if known else []
        return [(code, [i for i, language in enumerate(languages) if language == code]) for code in known]

    def language_prompts(self, folder: Path, languages: Sequence[str]) -> Mapping[str, Tensor]:
        """The prompts in a checkpoint's ``folder`` that are for one language each: (tokens, width) by language.

        ``languages`` are those of the unlabelled text that it was trained on; no backbone is needed. Raises
        BackboneError: most methods have none.
        """
        raise BackboneError(
            f"{type(self).__name__} trains no prompt for each language; `factorized` does, and `prompt` on text in one"
        )

    def saves(self, name: str, backbone: Backbone) -> bool:
        """Whether a checkpoint holds the parameter ``name``: what is trained, and what cannot be had otherwise."""
        return self.trains(name, backbone) or backbone.is_fresh(name)

    def save(self, backbone: Backbone, folder: Path) -> None:
        """Write what a checkpoint holds into ``folder``, in safetensors and JSON only."""
        save_file({k: v.contiguous() for k, v in self.state(backbone).items()}, folder / self.weights_file)

    def load(self, backbone: Backbone, folder: Path) -> None:
        """Put back what ``save`` wrote. Raises BackboneError where it does not fit, OSError or SafetensorError."""
        self.load_state(backbone, read_tensors(folder / self.weights_file))

    def state(self, backbone: Backbone) -> dict[str, Tensor]:
        """What a checkpoint holds: tensors by name."""
        return {name: p.detach() for name, p in backbone.model.named_parameters() if self.saves(name, backbone)}

    def load_state(self, backbone: Backbone, state: Mapping[str, Tensor]) -> None:
        """Put a checkpoint's tensors back. Raises BackboneError where names or shapes do not fit."""
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
    """Raise BackboneError where the names or shapes of a checkpoint's tensors are not those that are wanted."""
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


def no_adaptation() -> Method:
    """The method of a model that is used as it is: it adds no modules, and its checkpoints are whole models."""
    return methods.build("full")


def trainable_parameters(model: nn.Module) -> int:
    """How many numbers are trained."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
