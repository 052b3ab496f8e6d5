"""(IA)3: learned vectors scale keys, values and the feed-forward's inside (Liu et al. 2022), through the peft library.

``softmax(Q (l_k * K)^T / sqrt(d)) (l_v * V)`` and ``(l_ff * gamma(W_1 x)) W_2`` (section 3.3).
"""

from __future__ import annotations

from types import ModuleType

from xlgen.adaptation.base import methods
from xlgen.adaptation.through_peft import PeftConfig, ThroughPeft
from xlgen.backbones.base import Backbone


@methods.register("ia3")
class IA3(ThroughPeft):
    """Freeze the model and train vectors that scale its activations."""

    def peft_config(self, backbone: Backbone, peft: ModuleType) -> PeftConfig:
        """All vectors start at one, so that step 0 equals the pretrained model."""
        # Of the feed-forward's second matrix it is the input that is scaled: what gamma gives.
        inside = backbone.maps("feed_forward_out")
        return peft.IA3Config(
            target_modules=[*backbone.maps("key"), *backbone.maps("value"), *inside],
            feedforward_modules=list(inside),
        )
