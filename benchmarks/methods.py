"""Every adaptation method in the pocket world: its best rate, what it reaches, and what it costs.

    xlgen study pocket-rates --out runs/pocket-rates
    python benchmarks/methods.py collect runs/pocket-rates --out docs/results/rates.csv
    python benchmarks/methods.py rates docs/results/rates.csv
    xlgen study pocket-methods --out runs/pocket-methods
    python benchmarks/methods.py collect runs/pocket-methods --out docs/results/methods.csv
    python benchmarks/methods.py cost pocket-methods --out docs/results/cost.json
    python benchmarks/methods.py table docs/results/methods.csv --cost docs/results/cost.json

Figures are means over the languages that no zero-shot run has labels for; English stands apart. ``rates`` and ``table``
take a study's folder or what ``collect`` wrote of it, a row a run. docs/results/methods.md is what they print,
and what it means.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from xlgen.experiments.plan import load_study

OTHERS = ("fr", "es", "de", "vi", "tr", "ru", "hi", "th", "zh")
MAIN = {"pocket-summaries": "rougeL", "pocket-qa": "squad_f1"}


@dataclass(frozen=True)
class Run:
    """What one finished run reached."""

    backbone: str
    method: str
    task: str
    seed: int
    rate: float
    trained: int
    english: float
    others: float
    english_language: float
    others_language: float


TYPES: dict[str, Any] = {field.name: {"str": str, "int": int, "float": float}[str(field.type)] for field in fields(Run)}


def runs_in(folder: Path) -> list[Run]:
    """The finished runs of a study's folder, or of a file that ``collect`` wrote."""
    if folder.is_file():
        with folder.open(encoding="utf-8", newline="") as file:
            return [Run(**{key: TYPES[key](value) for key, value in row.items()}) for row in csv.DictReader(file)]
    found = []
    for path in sorted((folder / "runs").iterdir()):
        state = path / "state.json"
        if state.exists() and json.loads(state.read_text(encoding="utf-8"))["status"] == "done":
            found.append(_run(path))
    return found


def collect(folder: Path, out: Path) -> None:
    """Write a row a run; runs that ``out`` has already and the folder has not stay."""
    found = {_identity(run): run for run in [*(runs_in(out) if out.exists() else ()), *runs_in(folder)]}
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(TYPES)
        for run in sorted(found.values(), key=_identity):
            writer.writerow(round(v, 3) if isinstance(v, float) and v > 1 else v for v in asdict(run).values())


def _identity(run: Run) -> tuple[Any, ...]:
    return run.backbone, run.task, run.method, run.rate, run.seed


def _run(path: Path) -> Run:
    recipe = yaml.safe_load((path / "recipe.yaml").read_text(encoding="utf-8"))["recipe"]
    stage = recipe["stages"][-1]
    trained, values = 0, {}
    log = path / "metrics.jsonl"
    for line in log.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        if event["event"] == "start":
            trained = event["trainable"]
        if event["event"] == "figure":
            values[event["metric"], event["language"]] = event["value"]

    def mean(metric: str, languages: Iterable[str]) -> float:
        return statistics.fmean(values[metric, code] for code in languages)

    main = MAIN[stage["task"]]
    return Run(
        backbone=recipe["backbone"]["name"],
        method=recipe["report_as"] or stage["adaptation"]["method"],
        task=stage["task"],
        seed=recipe["seed"],
        rate=stage["training"]["learning_rate"],
        trained=trained,
        english=mean(main, ["en"]),
        others=mean(main, OTHERS),
        english_language=mean("correct_language_rate", ["en"]),
        others_language=mean("correct_language_rate", OTHERS),
    )


def grouped(runs: Iterable[Run]) -> dict[tuple[str, str, str], list[Run]]:
    """Runs by (backbone, task, method), in the order they come."""
    groups: dict[tuple[str, str, str], list[Run]] = defaultdict(list)
    for run in runs:
        groups[run.backbone, run.task, run.method].append(run)
    return groups


def rates(folder: Path) -> None:
    """Print Markdown rows: the mean score in the other languages at each rate, the best in bold, and a note if it is
    at the edge of the grid."""
    for (backbone, task, method), runs in sorted(grouped(runs_in(folder)).items()):
        runs.sort(key=lambda run: run.rate)
        best = max(runs, key=lambda run: run.others)
        figures = [f"{run.rate:g}: {run.others:.1f} ({run.others_language:.0f})" for run in runs]
        cells = [f"**{text}**" if run is best else text for run, text in zip(runs, figures, strict=True)]
        note = "at the edge of the grid" if best in (runs[0], runs[-1]) else ""
        print(f"| {backbone} | {task} | {method} | {', '.join(cells)} | {note} |")


def table(folder: Path, costs: Mapping[str, Any]) -> None:
    """Markdown: a table for each backbone and task, a row a method, means over seeds with their standard deviation."""
    groups = grouped(runs_in(folder))
    for backbone, task in dict.fromkeys(key[:2] for key in groups):
        print(f"\n### {backbone}, {task}\n")
        print("| method | trained | rate | English | CLR | others | CLR | s per step | GiB | seeds |")
        print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
        for (of, on, method), runs in groups.items():
            if (of, on) != (backbone, task):
                continue
            cost = costs.get(f"{backbone} {task} {method}", {})
            cells = [
                f"{runs[0].trained:,}" if runs[0].trained else "-",
                f"{runs[0].rate:g}" if runs[0].trained else "-",
                spread([run.english for run in runs]),
                spread([run.english_language for run in runs]),
                spread([run.others for run in runs]),
                spread([run.others_language for run in runs]),
                f"{cost['seconds']:.2f}" if cost else "-",
                f"{cost['gib']:.2f}" if cost else "-",
                str(len(runs)),
            ]
            print(f"| {method} | {' | '.join(cells)} |")


def spread(values: list[float]) -> str:
    """Mean and sample standard deviation."""
    if len(values) == 1:
        return f"{values[0]:.1f}"
    return f"{statistics.fmean(values):.1f} ± {statistics.stdev(values):.1f}"


def cost(name: str, steps: int) -> dict[str, Any]:
    """Seconds per step of training and peak memory of each method, each in a process of its own, one thread."""
    costs = {}
    for run in load_study(name).runs:
        recipe = run.recipe.model_dump(mode="json")
        if recipe["seed"] != 0 or recipe["baseline"] is not None:
            continue
        for stage in recipe["stages"]:
            stage["training"].update(steps=steps, log_every=1)
            stage["evaluation"]["examples"] = 1
        stage = recipe["stages"][-1]
        method = recipe["report_as"] or stage["adaptation"]["method"]
        key = f"{recipe['backbone']['name']} {stage['task']} {method}"
        costs[key] = _measure(recipe, steps)
        print(key, costs[key], file=sys.stderr, flush=True)
    return costs


def _measure(recipe: Any, steps: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as out:
        file = Path(out) / "recipe.yaml"
        file.write_text(yaml.safe_dump(recipe, allow_unicode=True), encoding="utf-8")
        command = [sys.executable, "-m", "xlgen", "train", str(file), "--out", f"{out}/run"]
        alone = {**os.environ, "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=alone)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"{recipe['name']} failed")
        events = map(json.loads, (Path(out) / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
        times = [event["time"] for event in events if event["event"] == "step"]
    # The first steps warm up.
    gaps = [later - earlier for earlier, later in pairwise(times[1:])]
    return {"seconds": statistics.median(gaps), "gib": usage.ru_maxrss / 2**20}


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["rates", "table", "cost", "collect"])
    parser.add_argument(
        "folder", type=Path, help="a study's folder, or what `collect` wrote of one; `cost` takes a study"
    )
    parser.add_argument("--cost", type=Path, help="what `cost --out` wrote")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--steps", type=int, default=12)
    options = parser.parse_args()
    if options.what == "rates":
        rates(options.folder)
    elif options.what == "collect":
        collect(options.folder, options.out)
    elif options.what == "table":
        table(options.folder, json.loads(options.cost.read_text(encoding="utf-8")) if options.cost else {})
    else:
        options.out.write_text(json.dumps(cost(str(options.folder), options.steps), indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
