"""Smoke tests of recipes and studies: the same methods, stages and baselines, in the pocket world and for two steps.

Backbones, translators, tasks and text are replaced by small ones in the package. The settings under study stay
(adaptation, objectives, optimizer, schedule, prompt lengths), so errors in a recipe show before anything is downloaded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path

from rich.console import Console

from xlgen.core.config import Evaluation, Recipe, Stage, TrackedText, Training, TranslateTrain, Unlabelled
from xlgen.core.errors import describe_error, report
from xlgen.core.json_types import JsonObject
from xlgen.core.languages import Language
from xlgen.core.plugins import PluginOptions
from xlgen.core.registry import InputError
from xlgen.core.shipped import find_task
from xlgen.core.yaml_config import read_yaml
from xlgen.data.readers import readers
from xlgen.data.templates import FIELD
from xlgen.experiments.execute import is_done, needs, resolve_run_paths
from xlgen.experiments.plan import PlannedRun, Study
from xlgen.experiments.policies.chirkova import ChirkovaOptions
from xlgen.experiments.policies.grid import GridOptions
from xlgen.experiments.search import followed_by, search
from xlgen.metrics.lid import SMALL

STEPS = 2
EXAMPLES = 4
"""Training examples. Evaluation uses one example per language."""
TEXTS = 8
"""Unlabelled texts per language."""
_STANDING_IN = ("fr", "th")
"""Substitutes for the first and second language of a recipe other than English."""
_HEADED = {"tagging": "pocket-roles", "classification": "pocket-asks", "ranking": "pocket-passages"}
"""Substitutes for tasks with a head, by kind."""
_ENCODER = "pocket-mbart"
"""The substitute for families without a decoder: only its encoder is used, with the task's head."""
_TASKS = {"answers": "pocket-qa", "title": "pocket-titles"}
"""Substitutes for tasks by their target field; all other tasks become summaries."""
_LABELS = ("accuracy", "tag_accuracy", "mean_span_f1", "span_f1")
"""Main metrics of tasks whose outputs are labels."""
_SEARCHED = 1
"""The number of runs to search, and the number of runs that follow them; the others use their own rates."""


def smoke_study(study: Study) -> Study:
    """One miniature run of each kind. Runs that differ only in size, seed, rate or target language are one kind."""
    kinds: dict[str, PlannedRun] = {}
    kind_of: dict[str, str] = {}
    for run in sorted(study.runs, key=lambda run: needs(run) is not None):
        recipe = smoke_recipe(run.recipe)
        if (needed := needs(run)) in kind_of:
            path = "{study}/runs/" + kinds[kind_of[needed]].name
            assert recipe.baseline is not None
            recipe = recipe.model_copy(update={"baseline": recipe.baseline.model_copy(update={"run": path})})
        key = json.dumps({**recipe.model_dump(mode="json"), "name": "", "report_as": ""}, sort_keys=True)
        kind_of[run.name] = key
        kinds.setdefault(key, PlannedRun(run.name, recipe))
    return Study(study.name, tuple(kinds.values()))


def smoke_search(study: Study) -> Study | None:
    """The search of ``study`` in miniature: for the first run with its own search and the first run that follows it,
    with just enough rates for each wave. None if the study has no search."""
    if study.search is None:
        return None
    bases = [run for run in study.runs if run.recipe.baseline is None]
    leading = [run for run in bases if followed_by(run.name, study) is None][:_SEARCHED]
    names = {run.name for run in leading}
    following = [run for run in bases if followed_by(run.name, study) in names][:_SEARCHED]
    search = study.search.model_copy(
        update={
            "policy": _policy(study.search.policy),
            "policies": {part: _policy(policy) for part, policy in study.search.policies.items()},
            "repeat": {key: values[:1] for key, values in study.search.repeat.items()},
        }
    )
    runs = tuple(PlannedRun(run.name, smoke_recipe(run.recipe)) for run in (*leading, *following))
    return Study(study.name, runs, search)


def _policy(policy: PluginOptions) -> PluginOptions:
    """The policy with two starting rates and no extension; its other options are kept."""
    if isinstance(policy, GridOptions):
        return policy.model_copy(update={"values": policy.values[:2]})
    if isinstance(policy, ChirkovaOptions):
        return policy.model_copy(update={"start": (3, 4), "largest": 3, "smallest": 4})
    return policy


def run_smoke(study: Study, out: Path, say: Callable[[str], None] = lambda text: None) -> dict[str, str]:
    """Run the miniature of ``study`` sequentially in this process into ``out``; return the failed runs with errors.

    Finished runs are not repeated.
    """
    for text in stand_in_identifiers(run.recipe for run in study.runs):
        say(text)
    searched = smoke_search(study)
    failed = _run_all(smoke_study(study), out, say)
    if searched is not None:
        failed |= search(searched, out, 1, Console(quiet=True), executor=lambda wave, *_: _run_all(wave, out, say))
    return failed


def stand_in_identifiers(recipes: Iterable[Recipe]) -> list[str]:
    """A message for each language identifier that the packaged one replaces."""
    named = {stage.evaluation.lid for recipe in recipes for stage in recipe.stages} - {None, SMALL}
    return [f"language identification: {SMALL} replaces {name}" for name in sorted(map(str, named))]


def _run_all(study: Study, out: Path, say: Callable[[str], None]) -> dict[str, str]:
    from xlgen.core.interrupt import InterruptedRunError
    from xlgen.training.run import train

    failed: dict[str, str] = {}
    for run in (resolve_run_paths(run, out) for run in study.runs):
        folder = out / "runs" / run.name
        if is_done(run, folder):
            continue
        try:
            train(run.recipe, folder, resume=True, until=run.until)
        except InterruptedRunError:  # the command itself was stopped
            raise
        except Exception as error:  # an error in one run must not prevent the others
            failed[run.name] = report(error)[1]
            if describe_error(error) is None:
                say(failed[run.name])
        say(f"{run.name}: {'failed' if run.name in failed else 'done'}")
    return failed


def smoke_recipe(recipe: Recipe) -> Recipe:
    """``recipe`` in miniature."""
    stand_ins = _stand_ins(recipe)
    baseline = recipe.baseline
    if baseline is not None and hasattr(baseline, "translator"):
        baseline = baseline.model_copy(update={"translator": "pocket-nllb"})
    headed = all(_task(stage.task) in _HEADED.values() for stage in recipe.stages)
    changes = {
        "backbone": recipe.backbone.model_copy(update={"name": _backbone(recipe.backbone.name, headed), "trim": None}),
        "stages": tuple(_stage(stage, stand_ins) for stage in recipe.stages),
        "baseline": baseline,
        "seed": 0,
        "data_dir": ".",
        "cache_dir": None,
        "trackers": (),
    }
    return recipe.model_copy(update=changes)


def _stage(stage: Stage, stand_ins: Mapping[str, str]) -> Stage:
    translate_train = stage.translate_train
    if translate_train is not None:
        translate_train = TranslateTrain(
            translator="pocket-nllb",
            languages=_languages(translate_train.languages, stand_ins),
            keep_source=translate_train.keep_source,
        )
    return stage.model_copy(
        update={
            "task": _task(stage.task),
            "source_languages": _languages(stage.source_languages, stand_ins),
            "translate_train": translate_train,
            "unlabelled": tuple(_unlabelled(text, stand_ins) for text in stage.unlabelled),
            "adaptation": _with_languages(stage.adaptation, stand_ins),
            "penalty": _penalty(stage.penalty, stand_ins),
            "training": _training(stage.training),
            "evaluation": _evaluation(stage.evaluation, stand_ins),
        }
    )


def _training(training: Training) -> Training:
    changes: JsonObject = {
        "steps": STEPS,
        "warmup_steps": 1,
        "decay_steps": None,
        "learning_rate": 1e-3,
        "max_examples": 2,
        "train_examples": EXAMPLES,
        "batch_tokens": 2_000,
        "gradient_accumulation_steps": min(training.gradient_accumulation_steps, 2),
        "precision": "auto" if training.precision in ("auto", "bf16") else "fp32",
        "save_every": None,
    }
    return training.model_copy(update=changes)


def _evaluation(evaluation: Evaluation, stand_ins: Mapping[str, str]) -> Evaluation:
    changes: JsonObject = {
        "every": None,
        "examples": 1,
        # Without a list in the recipe, evaluation would use all languages in the task's file.
        "languages": _languages(evaluation.languages, stand_ins) or ("en", *_STANDING_IN),
        "max_new_tokens": 4,
        "bootstrap": 0,
        "lid": None,
        "metric_options": {},
        "xlrs": evaluation.xlrs and TrackedText(sentences=2),
    }
    return evaluation.model_copy(update=changes)


def _unlabelled(text: Unlabelled, stand_ins: Mapping[str, str]) -> Unlabelled:
    parallel = text.objective.name == "translation"
    changes = {
        "corpus": readers.options({"name": "pocket-parallel" if parallel else "pocket", "size": TEXTS}),
        "languages": _languages(text.languages, stand_ins) or ("en", *_STANDING_IN),
        # With two steps, a rate of 1 % would never draw a batch.
        "rate": text.rate and 0.5,
    }
    return text.model_copy(update=changes)


def _penalty(penalty: PluginOptions | None, stand_ins: Mapping[str, str]) -> PluginOptions | None:
    text = getattr(penalty, "text", None)
    if penalty is None or not isinstance(text, Unlabelled):
        return penalty
    return penalty.model_copy(update={"text": _unlabelled(text, stand_ins), "examples": EXAMPLES})


def _with_languages(options: PluginOptions, stand_ins: Mapping[str, str]) -> PluginOptions:
    """The options of a method, with its languages replaced if it has one module per language."""
    named = getattr(options, "languages", ())
    return options.model_copy(update={"languages": _languages(named, stand_ins)}) if named else options


@cache
def _task(name: str | None) -> str | None:
    if name is None or name.startswith("pocket-"):
        return name
    fields = read_yaml(find_task(name))
    if not isinstance(fields, dict):
        return "pocket-summaries"
    if fields.get("kind") in _HEADED:
        return _HEADED[str(fields["kind"])]
    if fields.get("main_metric") in _LABELS:
        return "pocket-labels"
    target = str(fields.get("target", ""))
    match = FIELD.search(target)
    return _TASKS.get(match[1] if match else target, "pocket-summaries")


def _backbone(name: str, headed: bool) -> str:
    """The embedded backbone of the same family. The family comes from the name or, failing that, the checkpoint.

    Encoder-only families have a substitute only for tasks with a head.
    """
    from xlgen.backbones.base import families
    from xlgen.backbones.finding import embedded
    from xlgen.backbones.loading import family_of, resolve

    if name in embedded():
        return name
    family = next((family for family in families.names() if family in Path(name).name.lower()), None)
    if family is None:
        kind = family_of(resolve(name))
        family = next(known for known in families.names() if families.get(known) is kind)
    if headed and not families.get(family).decodes:
        return _ENCODER
    if f"pocket-{family}" not in embedded():
        raise InputError(f"there is no embedded backbone to replace {name}, of the family {family}")
    return f"pocket-{family}"


def _stand_ins(recipe: Recipe) -> dict[str, str]:
    """The pocket world's substitutes by canonical language code; languages without one are left out."""
    named: list[str] = []
    for stage in recipe.stages:
        named += [*stage.source_languages, *stage.evaluation.languages]
        named += [code for text in stage.unlabelled for code in text.languages]
        named += getattr(stage.adaptation, "languages", ())
        named += stage.translate_train.languages if stage.translate_train else ()
    others = dict.fromkeys(code for code in map(_code, named) if code != "en")
    return {"en": "en", **dict(zip(others, _STANDING_IN, strict=False))}


def _languages(named: Iterable[str], stand_ins: Mapping[str, str]) -> tuple[str, ...]:
    """The substitutes for ``named``; if none of them has one, French."""
    named = tuple(named)
    found = tuple(stand_ins[code] for code in map(_code, named) if code in stand_ins)
    return found or _STANDING_IN[:1] if named else ()


def _code(text: str) -> str:
    return Language.parse(text).code
