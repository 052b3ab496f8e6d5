"""The quickstart in a size that ends within minutes on the machine that runs it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from xlgen.core.machine import faster_precision
from xlgen.core.registry import InputError
from xlgen.experiments.plan import load_study
from xlgen.runs.folder import recipe_in

NAME = "quickstart"
SMALLER = (
    "training.steps=100",
    "training.warmup_steps=10",
    "evaluation.every=null",
    "evaluation.examples=10",
    "evaluation.num_beams=1",
)
"""What differs where bf16 is not faster than fp32: half of the training, a quarter of the outputs, without beams."""


def overrides_for(folder: Path, say: Callable[[str], None] = lambda text: None) -> tuple[str, ...]:
    """The overrides with which the quickstart runs into ``folder``, none or SMALLER.

    A quickstart that has begun there keeps its size. ``say`` receives a line on a smaller one.
    """
    begun = _begun(folder)
    smaller = faster_precision() == "fp32" if begun is None else begun
    if not smaller:
        return ()
    say(
        "this machine is not faster in bf16 than in fp32: the quickstart takes half of the steps and of the examples, "
        f"and no beams. The whole one is `xlgen study {NAME} --out {folder}-whole`"
    )
    return SMALLER


def _begun(folder: Path) -> bool | None:
    """Whether what has begun in ``folder`` is the smaller quickstart; None where neither has."""
    for smaller in (False, True):
        for run in load_study(NAME, SMALLER if smaller else ()).runs:
            file = folder / "runs" / run.name / "recipe.yaml"
            try:
                training = recipe_in(file)["stages"][-1]["training"] if file.exists() else {}
            except (InputError, LookupError, TypeError):
                continue
            if training.get("steps") == run.recipe.stages[-1].training.steps:
                return smaller
    return None
