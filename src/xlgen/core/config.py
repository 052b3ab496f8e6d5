"""Typed recipes: what a file may say, with which types and defaults, and clear errors for anything else.

A recipe is a :class:`Recipe`: what to start from (``backbone``), and one or more ``stages``, each of which trains on a
task, on unlabelled text, or on both. A recipe with one stage may write its keys at the top level, where
``training.learning_rate=1e-4`` reaches them; ``stages.1.training.learning_rate=1e-4`` reaches the second of several.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from xlgen.core.config_base import LARGEST_SEED, MOST_BEAMS, MOST_TOKENS
from xlgen.core.config_base import Config as Config
from xlgen.core.config_errors import describe_config_errors
from xlgen.core.config_texts import ParallelText as ParallelText
from xlgen.core.config_texts import TrackedText as TrackedText
from xlgen.core.config_texts import Unlabelled as Unlabelled
from xlgen.core.config_texts import rates_fault
from xlgen.core.registry import Registry
from xlgen.core.shipped import find_recipe
from xlgen.core.yaml_config import RecipeError, by_name, override, override_keys, read_yaml, with_current_keys

__all__ = ["Config", "Recipe", "Stage", "build", "load_recipe", "validate"]

Beams: TypeAlias = Annotated[int, Field(ge=1, le=MOST_BEAMS)]
Seed: TypeAlias = Annotated[int, Field(ge=0, le=LARGEST_SEED)]


class BackboneConfig(Config):
    """Which pretrained model to start from."""

    name: str
    """A folder, an id of the hub, or an embedded backbone (``xlgen list backbones``)."""
    init: Literal["pretrained", "random"] = "pretrained"
    """``random`` takes the shape and the tokenizer only; that is how the pocket backbones are pretrained."""
    unknown_languages: Literal["refuse", "allow"] = "refuse"
    """What to do with languages that the backbone was not pretrained on. ``allow`` is for families without language
    codes, whose models read and write any text, well or not, and for encoders under a head, which then read such a
    language under the code of English; the others refuse in any case."""


class TranslateTrain(Config):
    """Train on machine-translated labels (V, section 2.2: Translate-Train).

    Translations over the task's max_target_tokens are dropped and counted, unless the task says to cut them.
    """

    translator: str
    """A backbone that translates: an NLLB-200 or mBART-50 many-to-many checkpoint, or ``pocket-nllb``."""
    languages: tuple[str, ...] = ()
    """Into which; empty: every evaluated language that is no source language."""
    num_beams: Beams = 1
    keep_source: bool = True
    """Whether the source languages' own examples stay in. The total number of examples is the same."""


class Plateau(Config):
    """Lower the learning rate where a figure of the evaluations no longer rises (``ReduceLROnPlateau``)."""

    metric: str = "correct_language_rate"
    """Averaged over the evaluated languages that have no labels."""
    factor: float = Field(default=0.5, gt=0, lt=1)
    patience: int = Field(default=0, ge=0)
    """Evaluations without a rise that are let pass."""
    threshold: float = Field(default=0.5, ge=0)
    """What counts as a rise, in the figure's own units."""


class Training(Config):
    """How the optimizer runs. The defaults are the protocol of Chirkova et al. (2023), Appendix A."""

    steps: int = Field(default=20_000, ge=1, le=10**9)
    learning_rate: float = Field(default=1e-4, gt=0, le=1e6)
    schedule: Literal["inverse_sqrt", "linear", "cosine", "constant"] = "inverse_sqrt"
    warmup_steps: int = Field(default=4_000, ge=0)
    decay_steps: int | None = Field(default=None, ge=1)
    """Where the linear and cosine schedules reach zero; None is the last step."""
    plateau: Plateau | None = None
    """On top of the schedule."""
    layer_decay: float | None = Field(default=None, gt=0, le=1)
    """Each layer learns at this share of the rate of the layer above it, in encoder and decoder."""
    optimizer: Literal["adam", "adamw", "adafactor"] = "adam"
    weight_decay: float = Field(default=0.0, ge=0)
    batch_tokens: int = Field(default=4_000, ge=1)
    """Padded source tokens and padded target tokens of a batch are each at most this many (fairseq's meaning)."""
    max_examples: int | None = Field(default=None, ge=1)
    """At most this many examples in a batch."""
    mix_by: Literal["batches", "examples"] = "batches"
    """What rates and weights of the parts of a mixture are shares of. A batch holds more short texts than long ones, so
    that 15 % of the batches may be half of the examples; the papers count examples."""
    gradient_accumulation_steps: int = Field(default=1, ge=1, le=10**6)
    """Number of batches whose gradients are added up for one step."""
    max_grad_norm: float | None = Field(default=1.0, gt=0)
    """Gradients with a larger norm are scaled down to it. If None, they are not clipped."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    dropout: float | None = Field(default=None, ge=0, lt=1)
    """None keeps what the backbone was pretrained with."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "fp32"
    """``auto``: bf16 where this machine multiplies in it faster than in fp32 (``xlgen doctor``), else fp32. It is
    decided when the run begins and written into its ``recipe.yaml``, so that a resumed run keeps it."""
    gradient_checkpointing: bool = False
    """Forget what is inside of each layer and compute it again on the way back: less memory for a third more time."""
    train_examples: int | None = Field(default=None, ge=1)
    """Use only this many labelled examples (in all source languages together)."""
    prefetch: int | None = Field(default=None, ge=0, le=100_000)
    """Batches that a thread makes ahead; None: 256 where an accelerator would wait for them, none on a CPU, where the
    thread would take from what trains."""
    log_every: int = Field(default=10, ge=1)
    save_every: int | None = Field(default=None, ge=1)
    """Steps between checkpoints; None saves at every evaluation and at the end."""
    keep_checkpoints: int | None = Field(default=None, ge=1)
    """Number of checkpoints to keep, the newest ones. If None, all."""
    keep_best: tuple[Literal["source", "target", "xlrs"], ...] = ()
    """Checkpoints that ``keep_checkpoints`` does not delete: the best by the main metric on the source languages, the
    best for each evaluated language, the one with the lowest XLRS for each."""
    next_from: Literal["last", "best"] = "last"
    """What the next stage starts from: the last step, or the checkpoint with the best main metric on the source
    languages (Vu et al. 2022, footnote 20, of intermediate tuning)."""

    @model_validator(mode="before")
    @classmethod
    def _accept_old_keys(cls, data: Any) -> Any:
        return with_current_keys("training", data)


class Sampling(Config):
    """Draw outputs at random rather than to search for the best."""

    temperature: float = Field(default=1.0, gt=0)
    top_k: int | None = Field(default=None, ge=1)
    """Number of most probable tokens to draw from."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Only the most probable tokens that together have this probability."""
    seed: Seed = 0


BeamSearch: TypeAlias = Literal["transformers", "t5x"]
Cleanup: TypeAlias = Literal["leftovers", "phrases", "substrings"]
"""What is taken from the outputs before they are scored."""


class Evaluation(Config):
    """When and how the checkpoints generate."""

    every: int | None = Field(default=2_000, ge=1)
    """Steps between evaluations; None evaluates at the end only."""
    split: str = "validation"
    examples: int | None = Field(default=1_000, ge=1)
    """Maximum number of examples of each language (1,000 in Chirkova et al.). Ranked groups are never split."""
    languages: tuple[str, ...] = ()
    """Empty: every language of the task."""
    references: Literal["all", "source"] = "all"
    """``source``: other languages' references are not read; figures that need them have no value there."""
    num_beams: Beams = 1
    length_penalty: float = Field(default=0.6, ge=-100, le=100)
    beam_search: BeamSearch = "transformers"
    """Whose rules beams follow: ``transformers`` divides scores by length ** length_penalty, ``t5x`` by
    ((5 + length) / 6) ** length_penalty, as Vu et al. (2022) do; see ``xlgen.kernels.beam_rules``."""
    sampling: Sampling | None = None
    """The best of ``num_beams`` samples of each input."""
    max_new_tokens: int | None = Field(default=None, ge=1, le=MOST_TOKENS)
    """None: the task's limit for targets."""
    control: dict[str, Any] | None = None
    """Language control while decoding: ``{name: vocabulary_mask, strength: 6}``, or a name alone; see ``xlgen list
    controls``. None: only what the backbone's family forces."""
    cleanup: Cleanup = "phrases"
    """What is taken from outputs before they are scored: leftovers of pretraining, as in Chirkova et al. (2023,
    appendix A); besides these any substring that is repeated at the end, as in Vu et al. (2022, footnote 12); or only
    ``phrases``: whole words that are repeated there, where a single word that stands twice (Bora Bora) is none."""
    batch_tokens: int = Field(default=16_000, ge=1)
    precision: Literal["fp32", "bf16"] = "fp32"
    """Of decoding. bf16 is faster where the machine is (``xlgen doctor`` says), and changes a few outputs."""
    bootstrap: int = Field(default=1_000, ge=0, le=100_000)
    """Resamples behind the 95 % intervals; 0 gives none."""
    lid: str | None = None
    """The language identifier of metrics and subsets: ``lid.176.ftz``, ``lingua``, ``lingua-low``, ``cld3``, or the
    path of a fastText model, from the current folder or from ``data_dir``. If None, the task's, or lid.176.ftz."""
    metric_options: Mapping[str, dict[str, Any]] = {}
    """Options of the task's metrics, over those in its file: ``{rouge: {use_stemmer: true}}``."""
    xlrs: TrackedText | None = None
    """Track XLRS while training on these texts; None: on the task's own inputs, where they are ``parallel``. Give all
    tasks of a study the same texts: the score's signature says which they are."""
    at_start: bool = False
    """Also evaluate at step 0, before training."""

    @field_validator("control", mode="before")
    @classmethod
    def _control_by_name(cls, value: Any) -> Any:
        return by_name("control", value)


class Stage(Config):
    """One piece of training: a task, unlabelled text, or both, and how the model is adapted."""

    task: str | None = None
    """The name of a task (``xlgen list tasks``) or the path of a task file."""
    max_source_tokens: int | None = Field(default=None, ge=2)
    """Instead of the task's: Chirkova et al. (2023) crop inputs to 1,024 tokens for mBART and to 512 for the others."""
    max_target_tokens: int | None = Field(default=None, ge=2)
    """Instead of the task's."""
    source_languages: tuple[str, ...] = Field(default=("en",), min_length=1)
    translate_train: TranslateTrain | None = None
    unlabelled: tuple[Unlabelled, ...] = ()
    adaptation: dict[str, Any] = Field(default_factory=lambda: {"method": "full"})
    """``{method: adapters, bottleneck_dim: 64}``; see ``xlgen list methods``."""
    penalty: dict[str, Any] | None = None
    """Against forgetting: ``{name: l2_sp, weight: 0.01}``; see ``xlgen list penalties``."""
    training: Training = Training()
    evaluation: Evaluation = Evaluation()

    @property
    def limits(self) -> dict[str, int]:
        """The lengths that are not the task's, by their keys in a task's file."""
        asked = {"max_source_tokens": self.max_source_tokens, "max_target_tokens": self.max_target_tokens}
        return {key: value for key, value in asked.items() if value is not None}

    @field_validator("adaptation", "penalty", mode="before")
    @classmethod
    def _by_name(cls, value: Any, info: ValidationInfo) -> Any:
        return by_name(str(info.field_name), value)

    @model_validator(mode="after")
    def _something_to_train_on(self) -> Stage:
        if self.task is None and not self.unlabelled:
            raise ValueError("a stage needs a `task`, `unlabelled` text, or both")
        if fault := rates_fault([part.rate for part in self.unlabelled], "the task" if self.task else None):
            raise ValueError(fault)
        if "method" not in self.adaptation:
            held = ", ".join(self.adaptation) or "no key"
            raise ValueError(f"`adaptation` needs a `method` (see `xlgen list methods`); it has {held}")
        return self


class Resources(Config):
    """What a run takes of a cluster."""

    cpus: float = Field(default=1.0, gt=0)
    gpus: float = Field(default=0.0, ge=0)
    memory_gib: float = Field(default=0.0, ge=0)
    """0 means no memory request."""


class Recipe(Config):
    """A whole run."""

    name: str
    backbone: BackboneConfig
    stages: tuple[Stage, ...] = Field(min_length=1)
    seed: Seed = 0
    data_dir: str = "."
    """Where the relative paths of task files start."""
    cache_dir: str | None = None
    """Where the stages before the last are kept for every run that has the same ones, so that intermediate tuning is
    done once. None: in the run's own folder. The data that a stage has read are taken to be unchanged."""
    resources: Resources = Field(default_factory=Resources)
    """For `xlgen study --ray`."""
    report_as: str | None = None
    """The method's name in tables, where it is not the adaptation's: a baseline such as ``sup-all``."""
    baseline: dict[str, Any] | None = None
    """Instead of training, predict by a rule: ``{name: lead, tokens: 64}``; see ``xlgen list baselines``."""
    trackers: tuple[Literal["tensorboard", "wandb", "mlflow"], ...] = ()
    """Trackers that receive steps and scores in addition to ``metrics.jsonl``; each is an optional dependency."""

    def deciding(self) -> dict[str, Any]:
        """The settings that determine the results; resources and trackers may change when a run is resumed."""
        return self.model_dump(mode="json", exclude={"resources", "trackers"})

    @field_validator("backbone", "baseline", mode="before")
    @classmethod
    def _by_name(cls, value: Any, info: ValidationInfo) -> Any:
        return by_name(str(info.field_name), value)

    @model_validator(mode="before")
    @classmethod
    def _one_stage_at_top_level(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or "stages" in data:
            return data
        inner = {key: value for key, value in data.items() if key in Stage.model_fields}
        outer = {key: value for key, value in data.items() if key not in inner}
        return {**outer, "stages": [inner]}


def validate(model: type[Config], data: Any, where: str, named_by: str | None = None) -> Any:
    """``data`` as a ``model``. Raises RecipeError that lists every fault, with the nearest key for a wrong one.

    ``named_by`` is the key that chose the model, which its fields lack."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        flat = isinstance(data, Mapping) and "stages" not in data
        # The stage of a flat recipe has no name: its keys stand at the top level.
        faults = describe_config_errors(error, model, (Recipe, Stage), flat, named_by)
        raise RecipeError(f"{where} is invalid:\n" + "\n".join(f"  {fault}" for fault in faults)) from None


Plugin = TypeVar("Plugin")


def build(registry: Registry[type[Plugin]], config: str | Mapping[str, Any]) -> Plugin:
    """The plugin named in ``config["name"]`` (or by ``config``) with the rest as its options. Raises InputError."""
    options = {"name": config} if isinstance(config, str) else dict(config)
    if "name" not in options:
        raise RecipeError(f"a {registry.kind} needs a name: one of {', '.join(registry.names())}")
    name = str(options.pop("name"))
    kind: Any = registry.get(name)
    return kind(validate(kind.Options, options, f"{registry.kind} {name}", "name"))


Overrides: TypeAlias = Mapping[str, Any] | Iterable[str]
"""Dotted keys with their values, or assignments ``key.sub=value`` whose values are YAML."""


def load_recipe(recipe: str | Path | Mapping[str, Any] | Recipe, overrides: Overrides = ()) -> Recipe:
    """The recipe that is shipped, in a file or given as its content, with the overrides. Raises InputError."""
    if isinstance(recipe, str | Path):
        path = find_recipe(str(recipe))
        data, where, name = read_yaml(path), str(path), path.stem
    else:
        data = recipe.model_dump(mode="json") if isinstance(recipe, Recipe) else recipe
        where, name = "the recipe", "run"
    data = override_keys(data, overrides) if isinstance(overrides, Mapping) else override(data, overrides)
    if not isinstance(data, dict):
        raise RecipeError(f"{where} must hold keys and values")
    data.setdefault("name", name)
    return validate(Recipe, data, where)
