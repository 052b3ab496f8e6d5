"""A recipe or a study in miniature: the same methods, stages and baselines, in the pocket world and for two steps.

What is large gives way to what comes with the package: backbones, translators, tasks, text. What a recipe is about
(adaptation, objectives, optimizer, schedule, prompt lengths) stays, so that a rehearsal finds what is wrong with it
before anything is fetched.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from xlgen.config import Evaluation, Recipe, Stage, Training, TranslateTrain, Unlabelled, find_task
from xlgen.languages import Language
from xlgen.overrides import read_yaml
from xlgen.registry import InputError
from xlgen.study.execute import needs, placed
from xlgen.study.plan import PlannedRun, Study

STEPS = 2
EXAMPLES = 4
"""In training; one a language is evaluated."""
TEXTS = 8
"""Unlabelled ones a language."""
_STANDING_IN = ("fr", "th")
"""For the first and second language of a recipe beside English."""
_TASKS = {"answers": "pocket-qa", "title": "pocket-titles"}
"""By a task's target; all others are summaries."""


def smoke_study(study: Study) -> Study:
    """One run of each kind in miniature: runs that differ in size, seed, rate or target language only are one kind."""
    kinds: dict[str, PlannedRun] = {}
    kind_of: dict[str, str] = {}
    for run in sorted(study.runs, key=lambda run: needs(run) is not None):
        recipe = smoke_recipe(run.recipe)
        if (needed := needs(run)) in kind_of:
            path = "{study}/runs/" + kinds[kind_of[needed]].name
            recipe = recipe.model_copy(update={"baseline": {**(recipe.baseline or {}), "run": path}})
        key = json.dumps({**recipe.model_dump(mode="json"), "name": "", "report_as": ""}, sort_keys=True)
        kind_of[run.name] = key
        kinds.setdefault(key, PlannedRun(run.name, recipe))
    return Study(study.name, tuple(kinds.values()))


def run_smoke(study: Study, out: Path, say: Callable[[str], None] = lambda text: None) -> dict[str, str]:
    """Run the miniature of ``study`` into ``out``, in this process, one after the other; return what failed and why."""
    from xlgen.training.run import train

    failed: dict[str, str] = {}
    for run in smoke_study(study).runs:
        try:
            train(placed(run, out).recipe, out / "runs" / run.name, resume=True)
        except Exception as error:  # whatever is wrong with one run, the others are tried too
            failed[run.name] = f"{type(error).__name__}: {error}"
        say(f"{run.name}: {'failed' if run.name in failed else 'done'}")
    return failed


def smoke_recipe(recipe: Recipe) -> Recipe:
    """``recipe`` in miniature."""
    stand_ins = _stand_ins(recipe)
    baseline = recipe.baseline
    if baseline is not None and "translator" in baseline:
        baseline = {**baseline, "translator": "pocket-nllb"}
    changes = {
        "backbone": recipe.backbone.model_copy(update={"name": _backbone(recipe.backbone.name)}),
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
    changes: dict[str, Any] = {
        "steps": STEPS,
        "warmup_steps": 1,
        "decay_steps": None,
        "learning_rate": 1e-3,
        "max_examples": 2,
        "train_examples": EXAMPLES,
        "batch_tokens": 2_000,
        "accumulation": min(training.accumulation, 2),
        "precision": "bf16" if training.precision == "bf16" else "fp32",
        "save_every": None,
    }
    return training.model_copy(update=changes)


def _evaluation(evaluation: Evaluation, stand_ins: Mapping[str, str]) -> Evaluation:
    changes = {
        "every": None,
        "examples": 1,
        # A task's file may have languages that are not asked for one by one.
        "languages": _languages(evaluation.languages, stand_ins) or ("en", *_STANDING_IN),
        "max_new_tokens": 4,
        "bootstrap": 0,
    }
    return evaluation.model_copy(update=changes)


def _unlabelled(text: Unlabelled, stand_ins: Mapping[str, str]) -> Unlabelled:
    parallel = text.objective.get("name") == "translation"
    changes = {
        "corpus": {"reader": "pocket-parallel" if parallel else "pocket", "size": TEXTS},
        "languages": _languages(text.languages, stand_ins) or ("en", *_STANDING_IN),
        # One batch in a hundred would never come.
        "rate": text.rate and 0.5,
    }
    return text.model_copy(update=changes)


def _penalty(penalty: dict[str, Any] | None, stand_ins: Mapping[str, str]) -> dict[str, Any] | None:
    if penalty is None or "text" not in penalty:
        return penalty
    text = _unlabelled(Unlabelled.model_validate(penalty["text"]), stand_ins)
    return {**penalty, "text": text.model_dump(), "examples": EXAMPLES}


def _with_languages(options: dict[str, Any], stand_ins: Mapping[str, str]) -> dict[str, Any]:
    """Options of a method with a part for each language."""
    named = options.get("languages")
    return {**options, "languages": list(_languages(named, stand_ins))} if named else options


@cache
def _task(name: str | None) -> str | None:
    if name is None or name.startswith("pocket-"):
        return name
    fields = read_yaml(find_task(name))
    return _TASKS.get(fields.get("target", "") if isinstance(fields, dict) else "", "pocket-summaries")


def _backbone(name: str) -> str:
    """The embedded backbone of the same family, by the name where it tells, or else by the checkpoint."""
    from xlgen.backbones.base import families
    from xlgen.backbones.loading import embedded, family_of, resolve

    if name in embedded():
        return name
    family = next((family for family in families.names() if family in Path(name).name.lower()), None)
    if family is None:
        kind = family_of(resolve(name))
        family = next(known for known in families.names() if families.get(known) is kind)
    if f"pocket-{family}" not in embedded():
        raise InputError(f"no embedded backbone stands in for {name}, of the family {family}")
    return f"pocket-{family}"


def _stand_ins(recipe: Recipe) -> dict[str, str]:
    """By canonical code, the pocket world's language for each that has one; the others are left out."""
    named: list[str] = []
    for stage in recipe.stages:
        named += [*stage.source_languages, *stage.evaluation.languages]
        named += [code for text in stage.unlabelled for code in text.languages]
        named += stage.adaptation.get("languages", ())
        named += stage.translate_train.languages if stage.translate_train else ()
    others = dict.fromkeys(code for code in map(_code, named) if code != "en")
    return {"en": "en", **dict(zip(others, _STANDING_IN, strict=False))}


def _languages(named: Iterable[str], stand_ins: Mapping[str, str]) -> tuple[str, ...]:
    """What stands in for ``named``; of several that all have nothing, the first becomes French."""
    named = tuple(named)
    found = tuple(stand_ins[code] for code in map(_code, named) if code in stand_ins)
    return found or _STANDING_IN[:1] if named else ()


def _code(text: str) -> str:
    return Language.parse(text).code
