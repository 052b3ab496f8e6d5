"""(IA)3: learned vectors that scale keys, values and feed-forward activations (Liu et al. 2022), with the peft library.

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
        """The configuration for peft. All vectors start at one, so that step 0 equals the pretrained model."""
        # For the second feed-forward matrix, the input is scaled: the output of gamma.
        inside = backbone.maps("feed_forward_out")
        return peft.IA3Config(
            target_modules=[*backbone.maps("key"), *backbone.maps("value"), *inside],
            feedforward_modules=list(inside),
        )
