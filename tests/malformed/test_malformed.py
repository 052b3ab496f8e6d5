"""2,000 malformed inputs over every command and file kind: no traceback, no exit code but 0 and 2, nothing lost, none
over ten seconds. Seeded: a failure names the case, and `XLGEN_MALFORMED=TARGET/NUMBER` runs it alone.

Not in `make test`; `make test-all` runs it.
"""

import base64
import json
import os
import random
import select
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from malformed.mutate import ARGUMENTS, OPTIONS, OVERRIDES, edits
from malformed.world import Target, _targets, build

SECONDS = 10.0
TOTAL = 2_000
SUBPROCESSES = 40
SEED = os.environ.get("XLGEN_MALFORMED_SEED", "")
"""Of other cases than the usual ones."""
# Reports draw plots, which takes seconds; the others are cheap.
_WEIGHTS = {
    "report": 0.5,
    "selection": 0.5,
    "export": 0.5,
    "list": 0.3,
    "cka": 0.6,
    "probe": 0.6,
    "lens": 0.6,
    "prompts": 0.6,
    "train": 1.6,
    "resume": 1.6,
}
TARGETS = list(_targets())
_SUM = sum(_WEIGHTS.get(target.name, 1.0) for target in TARGETS)
COUNTS = {target.name: -(-int(TOTAL * _WEIGHTS.get(target.name, 1.0)) // int(_SUM)) for target in TARGETS}
pytestmark = pytest.mark.malformed


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory, checkpoint: Callable[[str], Path]) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("malformed") / "pristine"
    with pytest.MonkeyPatch.context() as patch:
        root.parent.mkdir(exist_ok=True)
        patch.chdir(root.parent)
        build(root, checkpoint)
        yield root


class Worker:
    """A process that runs cases; one that hangs or dies is replaced."""

    def __init__(self, pristine: Path) -> None:
        self.pristine, self.process = pristine, None

    def ask(self, case: dict[str, Any]) -> dict[str, Any]:
        """What became of a case; ``code`` is -1 where it did not end in time, and -2 where the process died."""
        process = self.process or self._start()
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(case).encode() + b"\n")
        process.stdin.flush()
        # The first case loads what commands import.
        if not select.select([process.stdout], [], [], SECONDS + (60 if self.fresh else 5))[0]:
            self.close()
            return {"code": -1, "said": "", "seconds": SECONDS, "lost": []}
        line = process.stdout.readline()
        if not line:
            self.close()
            return {"code": -2, "said": "", "seconds": 0.0, "lost": []}
        found: dict[str, Any] = json.loads(line)
        found["seconds"] = 0.0 if self.fresh else found["seconds"]
        self.fresh = False
        return found

    def _start(self) -> subprocess.Popen[bytes]:
        root = self.pristine.parent / "world"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(self.pristine, root)
        command = [sys.executable, "-m", "malformed.worker", str(root), str(self.pristine)]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "COLUMNS": "120", "OMP_NUM_THREADS": "1"}
        tests = str(Path(__file__).resolve().parents[1])
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (tests, os.environ.get("PYTHONPATH"))))
        self.process = subprocess.Popen(  # type: ignore[assignment]
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=root
        )
        self.fresh = True
        assert self.process is not None
        return self.process

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture(scope="module")
def worker(pristine: Path) -> Iterator[Worker]:
    found = Worker(pristine)
    yield found
    found.close()


def options_of(target: Target) -> tuple[str, ...]:
    """The options of a target's command that are spoiled."""
    return OPTIONS.get(target.argv[1] if target.argv[0] == "analyze" else target.argv[0], ())


def case_of(target: Target, number: int, pristine: Path) -> dict[str, Any]:
    """The case ``number`` of a target: one file, one argument, or standard input spoiled."""
    rng = random.Random(f"{SEED}{target.name}/{number}")
    argv, changed, stdin = list(target.argv), {}, b""
    if target.stdin is not None:
        found = edits(rng, (pristine / target.stdin).read_bytes(), target.stdin)
        stdin = found.get("data", b"")
    elif target.files and (
        rng.random() < 0.75 or not (target.options or options_of(target) or target.argv[0] == "train")
    ):
        path = target.files[number % len(target.files)]
        found = edits(rng, (pristine / path).read_bytes(), path)
        changed[path] = {"data": base64.b64encode(found["data"]).decode()} if "data" in found else found
    elif (names := options_of(target)) and rng.random() < 0.6:
        argv += [rng.choice(names), rng.choice(ARGUMENTS)]
    elif target.argv[0] == "train":
        argv[2:2] = rng.sample(OVERRIDES, rng.choice((1, 1, 2)))
    elif target.options:
        argv[argv.index(rng.choice(target.options))] = rng.choice(ARGUMENTS)
    argv = [text.replace("\x00", "") for text in argv]  # which no system passes on
    return {"argv": argv, "edits": changed, "stdin": base64.b64encode(stdin).decode(), "changes": list(target.changes)}


def fault_of(answer: dict[str, Any]) -> str | None:
    """What is wrong with how a command ended."""
    if answer["code"] not in (0, 2):
        return f"exit code {answer['code']}"
    if "Traceback" in answer["said"]:
        return "a traceback"
    if answer["code"] == 2 and not answer["said"].strip():
        return "no message"
    if answer["seconds"] > SECONDS:
        return f"{answer['seconds']:.1f} seconds"
    return f"lost or changed: {', '.join(answer['lost'])}" if answer["lost"] else None


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_malformed_inputs(target: Target, pristine: Path, worker: Worker) -> None:
    only = os.environ.get("XLGEN_MALFORMED", "")
    name, _, chosen = only.partition("/")
    if only and name != target.name:
        pytest.skip("another case is asked for")
    numbers = [int(chosen)] if chosen else range(COUNTS[target.name])
    faults = []
    for number in numbers:
        case = case_of(target, number, pristine)
        answer = worker.ask(case)
        if fault := fault_of(answer):
            shown = {path: str(edit)[:60] for path, edit in case["edits"].items()}
            faults.append(f"{target.name}/{number}: {fault}\n  {case['argv']} {shown}\n  {answer['said'][-1_500:]}")
    if faults:
        pytest.fail(f"{len(faults)} of {len(numbers)}:\n" + "\n".join(faults[:20]), pytrace=False)


def test_there_are_two_thousand_and_every_command_is_tried() -> None:
    assert sum(COUNTS.values()) >= TOTAL
    commands = {" ".join(target.argv[:2]) if target.argv[0] == "analyze" else target.argv[0] for target in TARGETS}
    assert commands >= {
        "train",
        "study",
        "predict",
        "evaluate",
        "export",
        "report",
        "query",
        "score",
        "list",
        "tokenizer",
    }
    assert commands >= {
        f"analyze {name}" for name in ("spectra", "overlap", "correlation", "cka", "probe", "lens", "selection")
    }


@pytest.mark.parametrize("number", range(SUBPROCESSES))
def test_a_sample_in_processes_of_their_own(number: int, pristine: Path, tmp_path: Path) -> None:
    from malformed.worker import put, versions

    rng = random.Random(number)
    target = rng.choice(TARGETS)
    case = case_of(target, rng.randrange(COUNTS[target.name]), pristine)
    root = tmp_path / "world"
    shutil.copytree(pristine, root)
    for path, edit in case["edits"].items():
        put(root / path, edit)
    before = versions(root)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "xlgen", *case["argv"]]
    stdin = base64.b64decode(case["stdin"])
    # Starting takes seconds on a busy machine.
    done = subprocess.run(
        command, cwd=root, env=environment, input=stdin, capture_output=True, timeout=6 * SECONDS, check=False
    )
    said = done.stderr.decode("utf-8", "replace")
    after = versions(root)
    kept = [path for path in before if not path.startswith(tuple(case["changes"]) or ("\n",))]
    lost = [path for path in kept if after.get(path) != before[path]]
    assert fault_of({"code": done.returncode, "said": said, "seconds": 0.0, "lost": lost}) is None, (command, said)
