"""The part of a recipe for evaluation: when and how checkpoints generate, and how outputs are scored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from xlgen.core.config_base import LARGEST_SEED, MOST_BEAMS, MOST_TOKENS, Config
from xlgen.core.config_plugins import ControlField
from xlgen.core.config_texts import TrackedText
from xlgen.core.json_types import JsonMapping

Beams: TypeAlias = Annotated[int, Field(ge=1, le=MOST_BEAMS)]
Seed: TypeAlias = Annotated[int, Field(ge=0, le=LARGEST_SEED)]


class Sampling(Config):
    """Sample outputs at random instead of searching for the most probable one."""

    temperature: float = Field(default=1.0, gt=0)
    """What logits are divided by."""
    top_k: int | None = Field(default=None, ge=1)
    """Sample from this number of most probable tokens. If None, from all."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Sample from the most probable tokens whose probabilities sum to this value."""
    seed: Seed = 0
    """Seed of the samples."""


BeamSearch: TypeAlias = Literal["transformers", "t5x"]
Cleanup: TypeAlias = Literal["leftovers", "phrases", "substrings"]
"""What to remove from the outputs before they are scored."""


class Evaluation(Config):
    """When and how the checkpoints generate."""

    every: int | None = Field(default=2_000, ge=1)
    """Steps between evaluations. If None, there is one at the end."""
    split: str = "validation"
    """The split of the task to evaluate on."""
    examples: int | None = Field(default=1_000, ge=1)
    """Maximum number of examples of each language (1,000 in Chirkova et al.). Ranked groups are never split."""
    languages: tuple[str, ...] = ()
    """The languages to evaluate. If empty, every language of the task."""
    references: Literal["all", "source"] = "all"
    """With ``source``, references in other languages are not read, and metrics that need them have no value there."""
    num_beams: Beams = 1
    """Number of beams; 1 is greedy search."""
    length_penalty: float = Field(default=0.6, ge=-100, le=100)
    """The exponent of the length in the scores of beams; see ``beam_search``."""
    beam_search: BeamSearch = "transformers"
    """The scoring rule of beams: ``transformers`` divides scores by length ** length_penalty, ``t5x`` by ((5 + length)
    / 6) ** length_penalty, as Vu et al. (2022) do."""
    sampling: Sampling | None = None
    """Sample ``num_beams`` outputs for each input and keep the most probable one."""
    max_new_tokens: int | None = Field(default=None, ge=1, le=MOST_TOKENS)
    """Maximum number of generated tokens. If None, the task's limit for targets."""
    control: ControlField | None = None
    """Language control in decoding: ``{name: vocabulary_mask, strength: 6}``; see ``xlgen list controls``. If None,
    only the language code that the backbone's family forces."""
    cleanup: Cleanup = "phrases"
    """What is removed from outputs before they are scored: ``leftovers`` of pretraining (Chirkova et al. 2023, Appendix
    A); with ``substrings``, also any substring repeated at the end (Vu et al. 2022, footnote 12); with ``phrases``,
    also whole words repeated at the end, except for a single doubled word (Bora Bora)."""
    batch_tokens: int = Field(default=16_000, ge=1)
    """Maximum number of padded source tokens in a batch."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Precision of decoding. bf16 is faster on machines that support it (see ``xlgen doctor``), and changes a few
    outputs."""
    bootstrap: int = Field(default=1_000, ge=0, le=100_000)
    """Number of resamples for the 95 % intervals. 0 computes none."""
    lid: str | None = None
    """The language identifier of metrics and subsets: ``lid.176.ftz``, ``lingua``, ``lingua-low``, ``cld3``, or the
    path of a fastText model, relative to the current folder or to ``data_dir``. If None, the task's, or else
    lid.176.ftz."""
    metric_options: Mapping[str, JsonMapping] = {}
    """Options of the task's metrics, which override those in the task's file: ``{rouge: {use_stemmer: true}}``."""
    xlrs: TrackedText | None = None
    """The texts on which XLRS is tracked during training. If None, the task's own inputs, if they are ``parallel``. Use
    the same texts for all tasks of a study; the score's signature names them."""
    at_start: bool = False
    """Also evaluate at step 0, before training."""
