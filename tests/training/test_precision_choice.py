"""`precision: auto`: decided by a measurement when a run begins, kept when it is resumed; what is slow is said."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from xlgen.core.config import Recipe, load_recipe
from xlgen.core.machine import faster_precision
from xlgen.core.registry import InputError
from xlgen.core.shipped import shipped
from xlgen.experiments.execute import is_done
from xlgen.experiments.plan import PlannedRun, load_study
from xlgen.experiments.quickstart import SMALLER, overrides_for
from xlgen.runs.folder import recipe_in
from xlgen.training.precision import decide, decide_all, with_precisions
from xlgen.training.run import train

WITHOUT = {
    **{"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "OMP_NUM_THREADS": "1",
}
"""A machine without bf16 instructions, like many laptops and servers, on which the libraries emulate it."""
SCRIPT = """
import json, sys
from pathlib import Path
from xlgen.core.config import Recipe
from xlgen.core.machine import faster_precision, rates
from xlgen.experiments.quickstart import overrides_for
from xlgen.training.precision import decide, slow_precision
recipe = Recipe.model_validate(json.loads(sys.argv[1]))
said = []
print(json.dumps({
    "rates": rates(),
    "faster": faster_precision(),
    "decided": [stage.training.precision for stage in decide(recipe, Path("absent")).stages],
    "slow": slow_precision(recipe),
    "quickstart": overrides_for(Path("absent"), said.append),
    "said": said,
}))
"""


def recipe(*precisions: str, **more: Any) -> Recipe:
    stages = [{"task": "pocket-titles", "training": {"precision": each}} for each in precisions]
    return Recipe.model_validate({"name": "r", "backbone": "pocket-mt5", "stages": stages, **more})


@pytest.mark.exhaustive
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the variables are of x86 libraries")
def test_a_machine_that_emulates_bf16(tmp_path: Path) -> None:
    """With precision auto it trains in fp32; a recipe with bf16 causes a warning."""
    asked = recipe("auto", "bf16").model_dump_json()
    words = [sys.executable, "-c", SCRIPT, asked]
    done = subprocess.run(
        words, env={**os.environ, **WITHOUT}, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["rates"]["bf16"] < found["rates"]["fp32"], "it is emulated"
    assert (found["faster"], found["decided"]) == ("fp32", ["fp32", "bf16"])
    assert found["slow"].startswith("training.precision bf16: this machine multiplies")
    assert tuple(found["quickstart"]) == SMALLER and "half of the steps" in found["said"][0]


@pytest.mark.exhaustive
def test_what_was_decided_is_kept(
    checkpoint: Callable[[str], Path], tiny_task: Callable[..., str], tmp_path: Path
) -> None:
    """Whatever the machine of the resumed run is faster in. An explicit precision is no matter of the machine."""
    training = {"steps": 4, "warmup_steps": 0, "batch_tokens": 300}
    evaluation = {"every": 2, "examples": 1, "bootstrap": 0, "max_new_tokens": 2}
    task = tiny_task(["en", "th"])

    def asked(precision: str) -> Recipe:
        shared = {"name": "r", "backbone": str(checkpoint("mt5")), "task": task, "evaluation": evaluation}
        return Recipe.model_validate({**shared, "training": {**training, "precision": precision}})

    whole, open_one = asked("fp32"), asked("auto")
    train(whole, tmp_path / "run", until=2)
    assert decide(open_one, tmp_path / "run") == whole
    assert is_done(PlannedRun("run", open_one, until=2), tmp_path / "run")
    train(open_one, tmp_path / "run", resume=True)
    assert is_done(PlannedRun("run", open_one), tmp_path / "run")
    assert recipe_in(tmp_path / "run" / "recipe.yaml")["stages"][0]["training"]["precision"] == "fp32"
    train(open_one, tmp_path / "new", until=2)
    decided = recipe_in(tmp_path / "new" / "recipe.yaml")["stages"][0]["training"]["precision"]
    assert decided == faster_precision()
    other = "bf16" if decided == "fp32" else "fp32"
    forced = with_precisions(open_one, [other])
    with pytest.raises(InputError, match="precision"):
        train(forced, tmp_path / "new", resume=True)


def begin(folder: Path, begun: Recipe) -> None:
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(yaml.safe_dump({"recipe": begun.model_dump(mode="json")}), encoding="utf-8")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_study_has_one_precision(precision: str, tmp_path: Path) -> None:
    """That of its first run, so that one that is continued elsewhere compares like with like."""
    folders = [tmp_path / name for name in "abc"]
    begin(folders[1], recipe(precision))
    found = decide_all([recipe("auto"), recipe("auto"), recipe("bf16")], folders)
    assert [run.stages[0].training.precision for run in found] == [precision, precision, "bf16"]


def test_a_damaged_recipe_decides_nothing(tmp_path: Path) -> None:
    begin(tmp_path / "run", recipe("fp32", "fp32"))
    assert decide(recipe("auto"), tmp_path / "run") == recipe(faster_precision())
    (tmp_path / "run" / "recipe.yaml").write_text("{", encoding="utf-8")
    assert decide(recipe("auto"), tmp_path / "run") == recipe(faster_precision())


def test_recipes_for_this_machine_leave_the_precision_to_it() -> None:
    """The quickstart, the pocket world's recipes and the examples."""
    found: list[Recipe] = []
    for path in (*shipped("pocket").values(), *shipped("examples").values(), shipped(".")["quickstart"]):
        is_study = "base" in yaml.safe_load(path.read_text(encoding="utf-8"))
        found += [run.recipe for run in load_study(str(path)).runs] if is_study else [load_recipe(str(path))]
    assert len(found) > 50
    assert {stage.training.precision for each in found for stage in each.stages} <= {"auto", "fp32"}


@pytest.mark.parametrize("smaller", [False, True])
def test_a_quickstart_keeps_its_size(smaller: bool, tmp_path: Path) -> None:
    overrides = SMALLER if smaller else ()
    begin(tmp_path / "runs" / "full-1e-3", load_study("quickstart", overrides).runs[2].recipe)
    assert overrides_for(tmp_path) == overrides
