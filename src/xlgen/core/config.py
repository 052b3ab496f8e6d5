"""Typed recipes: what a file may say, with which types and defaults, and clear errors for anything else.

A recipe is a :class:`Recipe`: what to start from (``backbone``), and one or more ``stages``, each of which trains on a
task, on unlabelled text, or on both. A recipe with one stage may write its keys at the top level, where
``training.learning_rate=1e-4`` reaches them; ``stages.1.training.learning_rate=1e-4`` reaches the second of several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

from pydantic import Field, ValidationError, field_validator, model_validator

from xlgen.core.config_base import Config as Config
from xlgen.core.config_errors import describe_config_errors
from xlgen.core.config_evaluation import Beams, Seed
from xlgen.core.config_evaluation import BeamSearch as BeamSearch
from xlgen.core.config_evaluation import Cleanup as Cleanup
from xlgen.core.config_evaluation import Evaluation as Evaluation
from xlgen.core.config_evaluation import Sampling as Sampling
from xlgen.core.config_plugins import BaselineField, MethodField, PenaltyField
from xlgen.core.config_texts import ParallelText as ParallelText
from xlgen.core.config_texts import TrackedText as TrackedText
from xlgen.core.config_texts import Unlabelled as Unlabelled
from xlgen.core.config_texts import rates_fault
from xlgen.core.config_training import Plateau as Plateau
from xlgen.core.config_training import Training as Training
from xlgen.core.json_types import JsonMapping, JsonObject
from xlgen.core.plugins import KEYS_ONLY
from xlgen.core.shipped import find_recipe
from xlgen.core.yaml_config import RecipeError, override, override_keys, read_yaml

__all__ = ["Config", "Recipe", "Stage", "load_recipe", "validate"]


class TrimConfig(Config):
    """Which tokens of a backbone's vocabulary to keep. All special tokens and language codes are kept."""

    languages: tuple[str, ...] = ()
    """The languages to keep tokens for. If empty, those of the recipe: source, evaluated and unlabelled."""
    corpus: tuple[str | JsonObject, ...] = ()
    """Texts whose tokens are counted: paths of text or JSONL files, which may contain ``{language}``, or readers. If
    empty, the recipe's own training and evaluation texts."""
    keep: int | None = Field(default=None, ge=1)
    """The size of the vocabulary, special tokens included."""
    coverage: float | None = Field(default=None, gt=0, le=1)
    """The share of all occurrences of tokens that the kept ones must have in every language; 0.9999 if neither this nor
    ``keep`` is given."""

    @model_validator(mode="after")
    def _one_measure(self) -> TrimConfig:
        if self.keep is not None and self.coverage is not None:
            raise ValueError("`keep` and `coverage` exclude each other")
        return self


class BackboneConfig(Config):
    """The pretrained model to start from."""

    name: str
    """A folder, an id on the Hub, or an embedded backbone (``xlgen list backbones``)."""
    init: Literal["pretrained", "random"] = "pretrained"
    """``random`` loads only the architecture and the tokenizer, and initializes the weights at random. The pocket
    backbones are pretrained in this way."""
    unknown_languages: Literal["refuse", "allow"] = "refuse"
    """How to treat languages that the backbone was not pretrained on. ``allow`` is for families without language codes,
    which read and write any text, and for encoders with a head, which read such a language under the code of English.
    The other families always refuse."""
    trim: TrimConfig | None = None
    """Trim the vocabulary before training: ``{languages: [en, fr], keep: 30000}``."""


class TranslateTrain(Config):
    """Train on machine-translated labels (Vu et al. 2022, section 2.2: Translate-Train).

    Translations longer than the task's ``max_target_tokens`` are dropped and counted, unless the task says to cut them.
    """

    translator: str
    """A backbone that translates: an NLLB-200 or mBART-50 many-to-many checkpoint, or ``pocket-nllb``."""
    languages: tuple[str, ...] = ()
    """The languages to translate into. If empty, every evaluated language that is not a source language."""
    num_beams: Beams = 1
    """Number of beams of the translator."""
    keep_source: bool = True
    """Whether the source languages' own examples stay in. The total number of examples is the same."""


class Stage(Config):
    """One stage of training: its data (a task, unlabelled text, or both), and how the model is adapted."""

    task: str | None = None
    """The name of a task (``xlgen list tasks``) or the path of a task file."""
    max_source_tokens: int | None = Field(default=None, ge=2)
    """Replaces the task's limit. Chirkova et al. (2023) crop inputs to 1,024 tokens for mBART and to 512 for the
    others."""
    max_target_tokens: int | None = Field(default=None, ge=2)
    """Replaces the task's limit."""
    source_languages: tuple[str, ...] = Field(default=("en",), min_length=1)
    """The languages of the labelled training examples."""
    translate_train: TranslateTrain | None = None
    """Also train on machine-translated labels."""
    unlabelled: tuple[Unlabelled, ...] = ()
    """Unlabelled text to train on, with an objective for each."""
    adaptation: MethodField = Field(default="full", validate_default=True)
    """The adaptation method: ``{name: adapters, bottleneck_dim: 64}``; see ``xlgen list methods``."""
    penalty: PenaltyField | None = None
    """A penalty against forgetting: ``{name: l2_sp, weight: 0.01}``; see ``xlgen list penalties``."""
    training: Training = Training()
    """The settings of the optimizer."""
    evaluation: Evaluation = Evaluation()
    """When and how checkpoints are evaluated."""

    @property
    def limits(self) -> dict[str, int]:
        """The lengths that replace the task's, by their keys in a task file."""
        asked = {"max_source_tokens": self.max_source_tokens, "max_target_tokens": self.max_target_tokens}
        return {key: value for key, value in asked.items() if value is not None}

    @model_validator(mode="after")
    def _something_to_train_on(self) -> Stage:
        if self.task is None and not self.unlabelled:
            raise ValueError("a stage needs a `task`, `unlabelled` text, or both")
        if fault := rates_fault([part.rate for part in self.unlabelled], "the task" if self.task else None):
            raise ValueError(fault)
        return self


class Resources(Config):
    """The resources that a run requests from a cluster."""

    cpus: float = Field(default=1.0, gt=0)
    """CPU cores of a run."""
    gpus: float = Field(default=0.0, ge=0)
    """GPUs of a run; 0.5 lets two runs share one."""
    memory_gib: float = Field(default=0.0, ge=0)
    """Memory of a run in GiB. 0 requests none."""


class Recipe(Config):
    """The recipe of a run."""

    name: str
    """The run's name. By default, the file's name."""
    backbone: BackboneConfig
    """The pretrained model: its name, or a mapping with `name`."""
    stages: tuple[Stage, ...] = Field(min_length=1)
    """One or several stages of training. The keys of a single stage may be at the top level."""
    seed: Seed = 0
    """Seed of the order of examples, of dropout, and of inserted modules."""
    data_dir: str = "."
    """The folder that relative paths in task files start from."""
    cache_dir: str | None = None
    """A folder for the stages before the last. Runs with identical stages share them, so that intermediate tuning is
    done once. If None, the stages are in the run's own folder. The data of a cached stage are assumed not to have
    changed."""
    resources: Resources = Field(default_factory=Resources)
    """The resources of the run in ``xlgen study --ray``."""
    report_as: str | None = None
    """The method's name in tables, if it is not the adaptation's; for instance ``sup-all``."""
    baseline: BaselineField | None = None
    """Predict by a rule instead of training: ``{name: lead, tokens: 64}``; see ``xlgen list baselines``."""
    trackers: tuple[Literal["tensorboard", "wandb", "mlflow"], ...] = ()
    """Trackers that receive steps and scores in addition to ``metrics.jsonl``; each is an optional dependency."""

    def deciding(self) -> JsonObject:
        """The settings that determine the results; resources and trackers may change when a run is resumed."""
        return self.model_dump(mode="json", exclude={"resources", "trackers"})

    @field_validator("backbone", mode="before")
    @classmethod
    def _by_name(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="before")
    @classmethod
    def _one_stage_at_top_level(cls, data: object) -> object:
        if not isinstance(data, Mapping) or "stages" in data:
            return data
        inner = {key: value for key, value in data.items() if key in Stage.model_fields}
        outer = {key: value for key, value in data.items() if key not in inner}
        return {**outer, "stages": [inner]}


ConfigT = TypeVar("ConfigT", bound=Config)


def _accept(config: Config) -> None:
    """No further checks."""


def validate(model: type[ConfigT], data: object, where: str, check: Callable[[ConfigT], None] = _accept) -> ConfigT:
    """``data`` as a ``model``. Raises RecipeError that lists every fault, with the nearest key for a wrong one.

    ``check`` is called before any plugin is imported; the options of plugins are placeholders then.
    """
    try:
        # Importing the plugins imports PyTorch, which takes seconds: whatever can be found without is found first.
        check(model.model_validate(data, context={KEYS_ONLY: True}))
        return model.model_validate(data)
    except ValidationError as error:
        flat = isinstance(data, Mapping) and "stages" not in data
        faults = describe_config_errors(error, model, (Recipe, Stage), flat)
        raise RecipeError(f"{where} is invalid:\n" + "\n".join(f"  {fault}" for fault in faults)) from None


Overrides: TypeAlias = JsonMapping | Iterable[str]
"""Dotted keys with their values, or assignments ``key.sub=value`` whose values are YAML."""


def load_recipe(
    recipe: str | Path | JsonMapping | Recipe, overrides: Overrides = (), check: Callable[[Recipe], None] = _accept
) -> Recipe:
    """The recipe that is shipped, in a file or given as its content, with the overrides. Raises InputError.

    ``check`` is as in :func:`validate`.
    """
    if isinstance(recipe, str | Path):
        path = find_recipe(str(recipe))
        data, where, name = read_yaml(path), str(path), path.stem
    else:
        data = recipe.model_dump(mode="json", exclude_unset=True) if isinstance(recipe, Recipe) else recipe
        where, name = "the recipe", "run"
    data = override_keys(data, overrides) if isinstance(overrides, Mapping) else override(data, overrides)
    if not isinstance(data, dict):
        raise RecipeError(f"{where} must hold keys and values")
    if "base" in data and "backbone" not in data:
        raise RecipeError(f"{where} is a study; run it with `xlgen study`")
    data.setdefault("name", name)
    return validate(Recipe, data, where, check)
