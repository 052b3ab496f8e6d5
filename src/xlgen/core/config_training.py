"""The part of a recipe for the optimizer."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from xlgen.core.config_base import Config
from xlgen.core.yaml_config import with_current_keys


class Plateau(Config):
    """Lower the learning rate when a metric no longer improves (``ReduceLROnPlateau``)."""

    metric: str = "correct_language_rate"
    """The metric, averaged over the evaluated languages without labels."""
    factor: float = Field(default=0.5, gt=0, lt=1)
    """What the learning rate is multiplied by."""
    patience: int = Field(default=0, ge=0)
    """Number of evaluations without improvement before the learning rate is lowered."""
    threshold: float = Field(default=0.5, ge=0)
    """The smallest increase that counts as an improvement, in the metric's unit."""


class Training(Config):
    """How the optimizer runs. The defaults are the protocol of Chirkova et al. (2023), Appendix A."""

    steps: int = Field(default=20_000, ge=1, le=10**9)
    """Number of optimizer steps."""
    learning_rate: float = Field(default=1e-4, gt=0, le=1e6)
    """The peak learning rate."""
    schedule: Literal["inverse_sqrt", "linear", "cosine", "constant"] = "inverse_sqrt"
    """How the learning rate changes after the warm-up."""
    warmup_steps: int = Field(default=4_000, ge=0)
    """Number of steps over which the learning rate rises linearly to its peak; in step n it is n / warmup_steps of the
    peak."""
    decay_steps: int | None = Field(default=None, ge=1)
    """The step at which the linear and cosine schedules reach zero. If None, the last step."""
    plateau: Plateau | None = None
    """Lower the learning rate on a plateau, in addition to the schedule."""
    layer_decay: float | None = Field(default=None, gt=0, le=1)
    """Each layer's learning rate is this share of the rate of the layer above it, in encoder and decoder."""
    optimizer: Literal["adam", "adamw", "adafactor"] = "adam"
    """The optimizer."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Weight decay; for `adam`, it is added to the gradient as in PyTorch."""
    batch_tokens: int = Field(default=4_000, ge=1)
    """Maximum number of padded source tokens and of padded target tokens in a batch, each counted separately as in
    fairseq."""
    max_examples: int | None = Field(default=None, ge=1)
    """Maximum number of examples in a batch."""
    mix_by: Literal["batches", "examples"] = "batches"
    """What the rates and weights of a mixture are shares of. A batch holds more short texts than long ones, so 15 % of
    the batches may be half of the examples. The papers count examples."""
    gradient_accumulation_steps: int = Field(default=1, ge=1, le=10**6)
    """Number of batches whose gradients are summed for one step."""
    max_grad_norm: float | None = Field(default=1.0, gt=0)
    """Gradients with a larger norm are scaled down to it. If None, they are not clipped."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of the probability that is spread over the whole vocabulary."""
    dropout: float | None = Field(default=None, ge=0, lt=1)
    """Dropout probability. If None, the backbone's own."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "fp32"
    """``auto`` is bf16 if this machine multiplies faster in bf16 than in fp32 (see ``xlgen doctor``), and otherwise
    fp32. The choice is made when the run begins and recorded in its ``recipe.yaml``, so that a resumed run keeps it."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass instead of storing them: less memory for about a third more time."""
    train_examples: int | None = Field(default=None, ge=1)
    """Maximum number of labelled examples, over all source languages together."""
    prefetch: int | None = Field(default=None, ge=0, le=100_000)
    """Number of batches that a background thread prepares ahead. If None, 256 with an accelerator and 0 on a CPU, where
    the thread would slow down training."""
    log_every: int = Field(default=10, ge=1)
    """Steps between entries in the log."""
    save_every: int | None = Field(default=None, ge=1)
    """Steps between checkpoints. If None, one is saved at every evaluation and at the end."""
    keep_checkpoints: int | None = Field(default=None, ge=1)
    """Number of newest checkpoints to keep. If None, all."""
    keep_best: tuple[Literal["source", "target", "xlrs"], ...] = ()
    """Checkpoints that ``keep_checkpoints`` does not delete: the best by the main metric on the source languages
    (``source``), the best for each evaluated language (``target``), or the one with the lowest XLRS for each
    (``xlrs``)."""
    next_from: Literal["last", "best"] = "last"
    """What the next stage starts from: the last step, or the checkpoint with the best main metric on the source
    languages (Vu et al. 2022, footnote 20, for intermediate tuning)."""

    @model_validator(mode="before")
    @classmethod
    def _accept_old_keys(cls, data: object) -> object:
        return with_current_keys("training", data)
