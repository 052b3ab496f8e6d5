"""What an adaptation method is: an object with few verbs. The loop and the decoder never ask which one it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from xlgen.backbones.base import Backbone, BackboneError
from xlgen.config import Config, validate
from xlgen.registry import Registry


class Method:
    """Base of all methods. A method declares what trains by name, and gets everything else from here.

    The order of calls: ``prepare`` once on a loaded backbone; then training; ``state`` when a checkpoint is saved,
    ``load_state`` on a backbone that was prepared in the same way; ``set_language`` before generating in a language,
    for methods that differ by language.
    """

    Options: ClassVar[type[Config]] = Config

    def __init__(self, options: Config) -> None:
        self.options: Any = options

    def prepare(self, backbone: Backbone) -> None:
        """Insert modules if need be, and say what is trainable."""
        self.insert(backbone)
        for name, parameter in backbone.model.named_parameters():
            parameter.requires_grad_(self.trains(name, backbone))

    def insert(self, backbone: Backbone) -> None:
        """Add the method's own modules to the model. Most methods add none."""

    def trains(self, name: str, backbone: Backbone) -> bool:
        """Whether the parameter ``name`` is trained."""
        raise NotImplementedError

    @property
    def adds_modules(self) -> bool:
        """True where the adapted model is no plain model of its family any more."""
        return type(self).insert is not Method.insert

    @property
    def whole_model(self) -> bool:
        """True where a checkpoint must hold every weight and is written by ``save_pretrained``."""
        return False

    def set_language(self, backbone: Backbone, language: str) -> None:
        """Make ready to generate in ``language``. Most methods do not differ by language."""

    def state(self, backbone: Backbone) -> dict[str, Tensor]:
        """What a checkpoint holds: the trained tensors, by name."""
        return {name: p.detach() for name, p in backbone.model.named_parameters() if p.requires_grad}

    def load_state(self, backbone: Backbone, state: Mapping[str, Tensor]) -> None:
        """Put a checkpoint's tensors back. Raises BackboneError where names or shapes do not fit."""
        parameters = {n: p for n, p in backbone.model.named_parameters() if p.requires_grad}
        if set(parameters) != set(state):
            odd = sorted(set(parameters) ^ set(state))
            raise BackboneError(
                f"the checkpoint was trained by another method or backbone: {len(odd)} names differ, first {odd[0]}"
            )
        for name, parameter in parameters.items():
            if parameter.shape != state[name].shape:
                raise BackboneError(
                    f"the checkpoint does not fit: {name} is {tuple(state[name].shape)}, not {tuple(parameter.shape)}"
                )
            parameter.data.copy_(state[name])


methods: Registry[type[Method]] = Registry("method", "xlgen.adaptation")


def build_method(config: Mapping[str, Any]) -> Method:
    """The method named in ``config["method"]`` with the rest as its options. Raises InputError."""
    options = {key: value for key, value in config.items() if key != "method"}
    kind = methods.get(str(config["method"]))
    return kind(validate(kind.Options, options, f"adaptation {config['method']}"))


def trainable_parameters(model: nn.Module) -> int:
    """How many numbers are trained."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
