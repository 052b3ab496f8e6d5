"""The size of the quickstart, so that it ends within minutes on the current machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from xlgen.core.machine import faster_precision
from xlgen.core.registry import InputError
from xlgen.experiments.plan import load_study
from xlgen.runs.folder import recipe_in
from xlgen.runs.paths import RunPaths

NAME = "quickstart"
SMALLER = (
    "training.steps=100",
    "training.warmup_steps=10",
    "evaluation.every=null",
    "evaluation.examples=10",
    "evaluation.num_beams=1",
)
"""Overrides for machines where bf16 is not faster than fp32: half of the training, a quarter of the outputs, greedy
decoding."""


def overrides_for(folder: Path, say: Callable[[str], None] = lambda text: None) -> tuple[str, ...]:
    """The overrides for the quickstart in ``folder``: none, or SMALLER.

    A quickstart that was started there keeps its size. ``say`` receives a message if it is smaller.
    """
    begun = _begun(folder)
    smaller = faster_precision() == "fp32" if begun is None else begun
    if not smaller:
        return ()
    say(
        "bf16 is not faster than fp32 on this machine, so the quickstart uses half of the steps and examples, and no "
        f"beam search. For the full one, run `xlgen study {NAME} --out {folder}-whole`"
    )
    return SMALLER


def _begun(folder: Path) -> bool | None:
    """Whether the quickstart that was started in ``folder`` is the smaller one; None if there is none."""
    for smaller in (False, True):
        for run in load_study(NAME, SMALLER if smaller else ()).runs:
            file = RunPaths(folder / "runs" / run.name).recipe_file
            try:
                training = recipe_in(file)["stages"][-1]["training"] if file.exists() else {}
            except (InputError, LookupError, TypeError):
                continue
            if training.get("steps") == run.recipe.stages[-1].training.steps:
                return smaller
    return None
