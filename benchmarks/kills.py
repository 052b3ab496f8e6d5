"""Claim: whatever is killed, and when, the same command ends with what it would have given; no process is left.

    python benchmarks/kills.py [--only train,study,auto,predict,export,score] [--kills 60] [--seed 0]

Each command runs once undisturbed, on two cores in the pocket world. Then it is killed again and again, with SIGKILL or
SIGTERM, itself or one of its workers, at moments spread over the time that it took. After each kill its processes must
be gone within a minute (where a worker was killed, the command continues instead, and must end well); the same command,
with --resume where there is one, must end with exit code 0 and leave the same bytes: weights, predictions, logs
(without times), the decision, the exported files, the labels. Linux only: processes are found in /proc.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SHARES = {"train": 18, "study": 14, "auto": 10, "predict": 6, "export": 6, "score": 6}
"""Of 60 kills."""
ENDING_SECONDS = 60.0
TRAINING = {
    "steps": 16,
    "warmup_steps": 2,
    "batch_tokens": 300,
    "max_examples": 2,
    "train_examples": 40,
    "log_every": 1,
}
EVALUATION = {
    "every": 8,
    "split": "test",
    "examples": 2,
    "languages": ["en", "th"],
    "max_new_tokens": 6,
    "bootstrap": 0,
}
BASE: dict[str, Any] = {
    **{"backbone": "pocket-mt5", "task": "pocket-titles", "source_languages": ["en"]},
    **{"training": {**TRAINING, "dropout": 0.1}, "evaluation": EVALUATION},
}
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
TIMES = ("time", "steps_per_second", "seconds")


@dataclass(frozen=True)
class Command:
    """Something to kill."""

    name: str
    words: Callable[[Path], list[str]]
    """The command that writes into a folder, resuming what is there."""
    workers: bool = False
    """Whether it has workers, of which one may be killed instead."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(SHARES), help="which commands, comma-separated")
    parser.add_argument("--kills", type=int, default=60, help="of all commands; those left out take theirs along")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        faults: list[str] = []
        count = 0
        for command in commands(root, options.only.split(",")):
            kills = max(1, round(SHARES[command.name] * options.kills / 60))
            count += kills
            for fault in try_kills(command, root, kills, random.Random(f"{options.seed} {command.name}")):
                faults.append(fault)
                print(f"  {fault}", flush=True)
    print(f"{count} kills, {len(faults)} faults: {'FAILS' if faults else 'holds'}")
    sys.exit(bool(faults))


def commands(root: Path, names: list[str]) -> Iterator[Command]:
    """The commands called ``names``, with their inputs made in ``root``."""
    recipe, study = root / "recipe.yaml", root / "study.yaml"
    recipe.write_text(yaml.safe_dump({"name": "r", **BASE}), encoding="utf-8")
    runs = {
        "full": {"training.learning_rate": 1e-3},
        "adapters": {"adaptation.method": "adapters"},
        "lora": {"adaptation.method": "lora"},
        "lead": {"baseline": "lead"},
    }
    study.write_text(yaml.safe_dump({"name": "s", "base": BASE, "runs": runs}), encoding="utf-8")
    if "train" in names:
        yield Command("train", lambda out: ["train", str(recipe), "--resume", "--out", str(out / "run")])
    if "study" in names:
        yield Command("study", lambda out: ["study", str(study), "--out", str(out / "study"), "--workers", "2"], True)
    if "auto" in names:
        auto = ["train", str(recipe), "training.steps=4", "evaluation.every=2", "--auto", "--workers", "2"]
        yield Command("auto", lambda out: [*auto, "--out", str(out / "auto")], True)
    if not {"predict", "export", "score"} & set(names):
        return
    model = root / "model"
    run(["train", str(recipe), "--out", str(model)], root / "model.log")
    rows = [{"input": f"The mayor of town {n} opened a school."} for n in range(300)]
    (root / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    if "predict" in names:
        words = ["predict", str(model), "--language", "th", "--input", str(root / "in.jsonl")]
        yield Command("predict", lambda out: [*words, "--output", str(out / "predicted.jsonl")])
    if "export" in names:
        yield Command(
            "export", lambda out: ["export", str(model), "--to", "transformers", "--out", str(out / "exported")]
        )
    if "score" in names:
        texts = [{"id": str(n), "language": "fr", "prediction": f"Le navire {n} a coulé.", "references": ["Un navire."]}
                 for n in range(20_000)]  # fmt: skip
        (root / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in texts), encoding="utf-8")
        words_of_score = ["score", str(root / "rows.jsonl"), "--format", "json", "--bootstrap", "50"]
        yield Command("score", lambda out: [*words_of_score, "--faults", str(out / "labels.jsonl")])


def try_kills(command: Command, root: Path, kills: int, chance: random.Random) -> Iterator[str]:
    """What goes wrong with each of ``kills`` kills."""
    whole = root / f"{command.name}-whole"
    whole.mkdir()
    started = time.monotonic()
    said = run(command.words(whole), root / "log")
    took = time.monotonic() - started
    wanted = contents(whole, said)
    print(f"{command.name}: {took:.0f} s undisturbed, {len(wanted)} files", flush=True)
    signals = itertools.cycle([signal.SIGKILL, signal.SIGTERM])
    for number in range(kills):
        out = root / f"{command.name}-{number}"
        out.mkdir()
        which, after = next(signals), took * (number + chance.random()) / kills
        of_worker = command.workers and number % 3 == 2
        label = f"{command.name} {number}: {which.name} of {'a worker' if of_worker else 'it'} after {after:.1f} s"
        try:
            again = killed(command, out, root / "log", which, after, of_worker)
            found = contents(out, run(command.words(out), root / "log") if again else None)
        except (RuntimeError, subprocess.CalledProcessError) as error:
            yield f"{label}: {error}"
            continue
        differing = [name for name in {*wanted, *found} - {SAID} if wanted.get(name) != found.get(name)]
        if again and command.name == "score" and wanted[SAID] != found[SAID]:
            differing.append("standard output")
        print(f"{label}: {'differs' if differing else 'equal'}", flush=True)
        if differing:
            yield f"{label}: these differ: {', '.join(sorted(differing)[:5])}"
        shutil.rmtree(out)


def killed(command: Command, out: Path, log: Path, which: signal.Signals, after: float, of_worker: bool) -> bool:
    """Run the command and kill it, or one of its workers; whether it has to be run again."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "xlgen", *command.words(out)],
            stdout=file, stderr=file, start_new_session=True, env=ENVIRONMENT,
        )  # fmt: skip
    with suppress(subprocess.TimeoutExpired):
        process.wait(after)
    victims = [each for each in session(process.pid) if each != process.pid] if of_worker else [process.pid]
    if not victims or process.poll() is not None:  # it has no worker yet, or has ended
        victims = [process.pid]
        of_worker = False
    with suppress(ProcessLookupError):
        os.kill(victims[0], which)
    if of_worker:
        code = process.wait()
        if code:
            raise RuntimeError(f"exit code {code}: {log.read_text(encoding='utf-8', errors='replace')[-300:]}")
    process.wait()
    deadline = time.monotonic() + ENDING_SECONDS
    while left := session(process.pid):
        if time.monotonic() > deadline:
            raise RuntimeError(f"processes are left: {left}")
        time.sleep(0.05)
    # An export that ended in time is there, and is not made over.
    return not (of_worker or (command.name == "export" and (out / "exported").exists()))


def session(leader: int) -> list[int]:
    """The processes of a session that are alive."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, of = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it has ended meanwhile
            continue
        if int(of) == leader and state != "Z":
            found.append(int(stat.parent.name))
    return found


def run(words: list[str], log: Path) -> bytes:
    """Run a command to its end; its standard output. Raises RuntimeError where it fails."""
    with log.open("wb") as file:
        command = [sys.executable, "-m", "xlgen", *words]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=file, check=False, env=ENVIRONMENT)
    if done.returncode:
        said = log.read_text(encoding="utf-8", errors="replace")[-300:]
        raise RuntimeError(f"exit code {done.returncode} when it was run again: {said}")
    return done.stdout


SAID = "standard output"


def contents(out: Path, said: bytes | None) -> dict[str, Any]:
    """All that a command left, without times and without where it was left."""
    found: dict[str, Any] = {SAID: said}
    for file in sorted(path for path in out.rglob("*") if path.is_file()):
        name = str(file.relative_to(out))
        timed = file.stem == "runs" and file.parent.name == "tables"  # seconds and rates are among their columns
        if timed or file.suffix in (".lock", ".log", ".html") or file.name in ("lock", "state.json"):
            continue
        if file.name == "metrics.jsonl":
            lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
            found[name] = [{key: value for key, value in line.items() if key not in TIMES} for line in lines]
        elif file.name == "recipe.yaml":
            found[name] = str(yaml.safe_load(file.read_text(encoding="utf-8"))["recipe"]).replace(str(out), "")
        else:
            found[name] = file.read_bytes().replace(str(out).encode(), b"")
    return found


if __name__ == "__main__":
    main()
