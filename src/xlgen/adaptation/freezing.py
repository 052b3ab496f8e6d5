"""Freeze parts of the model, such as decoder and embeddings (Maurya et al. 2021; Chirkova et al. 2023, section 3)."""

from __future__ import annotations

from pydantic import Field

from xlgen.adaptation.base import Method, MethodOptions, methods
from xlgen.backbones.base import Backbone, BackboneError
from xlgen.core.registry import nearest

_USUALLY = ("decoder", "embeddings", "lm_head")


class FreezingOptions(MethodOptions):
    """Which parts are frozen."""

    freeze: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Names of parts to freeze (encoder, decoder, embeddings, lm_head), or prefixes of parameter names. If None,
    decoder, embeddings and lm_head, as far as the backbone has them; an encoder with a head has embeddings only."""


@methods.register("freezing")
class Freezing(Method[FreezingOptions]):
    """Train all but the named parts."""

    Options = FreezingOptions

    def prepare(self, backbone: Backbone, seed: int = 0) -> None:
        """Freeze the parts. Raises BackboneError if a name matches nothing, or nothing is left to train."""
        names = [name for name, _ in backbone.model.named_parameters()]
        for part in self._frozen(backbone):
            if not any(name.startswith(backbone.parts().get(part, (part,))) for name in names):
                raise BackboneError(f"freezing: no part or parameter {part!r}: {nearest(part, backbone.parts())}")
        if not any(self.trains(name, backbone) for name in names):
            raise BackboneError("freezing: nothing is left to train")
        super().prepare(backbone, seed)

    def trains(self, name: str, backbone: Backbone) -> bool:
        """Whether ``name`` is outside of all frozen parts."""
        parts = backbone.parts()
        prefixes = tuple(prefix for part in self._frozen(backbone) for prefix in parts.get(part, (part,)))
        return not name.startswith(prefixes)

    def _frozen(self, backbone: Backbone) -> tuple[str, ...]:
        asked: tuple[str, ...] | None = self.options.freeze
        return asked or tuple(part for part in _USUALLY if part in backbone.parts())
