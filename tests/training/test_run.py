"""Whole runs on a tiny random backbone: resume is exact, splitting a batch changes nothing, failures lose nothing."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from raise_after import Killed, RaiseAfter
from xlgen.adaptation import checkpoints as store
from xlgen.adaptation.base import methods
from xlgen.backbones import loading
from xlgen.core.config import Recipe, Resources
from xlgen.core.interrupt import InterruptedRunError
from xlgen.core.progress import NoProgress
from xlgen.evaluation.checkpoint_inference import evaluate_checkpoint
from xlgen.runs.checkpoint_description import read_about
from xlgen.runs.checkpoints import checkpoints_of, find_checkpoint
from xlgen.runs.folder import FolderError
from xlgen.training.loop import TrainingDivergedError
from xlgen.training.run import train


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def task_file(tiny_task: Callable[..., str]) -> str:
    return tiny_task(["en", "th", "ar"], size=24)


def recipe(task: str, tiny: Path, **training: Any) -> Recipe:
    settings = {"steps": 8, "learning_rate": 1e-3, "warmup_steps": 2, "batch_tokens": 300, "log_every": 1, **training}
    return Recipe.model_validate(
        {
            "name": "tiny",
            "backbone": {"name": str(tiny)},
            "task": task,
            "training": settings,
            "evaluation": {"every": 4, "split": "test", "examples": 3, "bootstrap": 0, "max_new_tokens": 6},
        }
    )


def events(folder: Path, kind: str) -> list[dict[str, Any]]:
    """The log without times and speeds, which differ between runs."""
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    return [{k: v for k, v in e.items() if k not in ("time", "steps_per_second")} for e in found if e["event"] == kind]


def predictions(folder: Path) -> dict[str, str]:
    files = (folder / "predictions").rglob("*.jsonl")
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in files}


@pytest.fixture(scope="module")
def whole(task_file: str, tiny_mt5: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run with a checkpoint every third step."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    train(recipe(task_file, tiny_mt5, save_every=3, dropout=0.1), folder)
    return folder


def test_the_files_of_a_run(whole: Path) -> None:
    assert {p.name for p in whole.iterdir()} == {
        "recipe.yaml",
        "metrics.jsonl",
        "predictions",
        "checkpoints",
        "state.json",
        "run.lock",
    }
    assert json.loads((whole / "state.json").read_text())["status"] == "done"
    assert [e["step"] for e in events(whole, "step")] == list(range(1, 9))
    assert {e["language"] for e in events(whole, "figure")} == {"en", "th", "ar"}
    assert sorted(predictions(whole)) == sorted(
        f"predictions/step-{step}/{code}.jsonl" for step in (4, 8) for code in ("en", "th", "ar")
    )
    padding = [e["padding"] for e in events(whole, "step")]
    assert all(0 <= share < 0.5 for share in padding)


@pytest.mark.spread(2)
@pytest.mark.parametrize(("killed_at", "prefetch"), [(2, None), (5, None), (5, 4), (7, None), (7, 100)])
def test_resume_after_a_kill_gives_the_same_run(
    killed_at: int,
    prefetch: int | None,
    whole: Path,
    task_file: str,
    tiny_mt5: Path,
    tmp_path: Path,
) -> None:
    settings = recipe(task_file, tiny_mt5, save_every=3, dropout=0.1, prefetch=prefetch)
    with pytest.raises(Killed):
        train(settings, tmp_path / "run", callbacks=[RaiseAfter(killed_at)])
    torch.rand(100)  # another process has another random state
    train(settings, tmp_path / "run", resume=True)
    for kind in ("step", "figure"):
        assert events(tmp_path / "run", kind) == events(whole, kind)
    assert predictions(tmp_path / "run") == predictions(whole)


@pytest.mark.spread(1)
@pytest.mark.parametrize("save", [1, 2])
def test_resume_after_a_kill_while_saving(
    save: int, whole: Path, task_file: str, tiny_mt5: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unfinished folder is not a checkpoint, whatever it contains."""
    settings = recipe(task_file, tiny_mt5, save_every=3, dropout=0.1)
    original = store.write_about
    saved = 0

    def die(*arguments: Any) -> None:
        nonlocal saved
        saved += 1
        original(*arguments)
        if saved == save:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(store, "write_about", die)
        with pytest.raises(Killed):
            train(settings, tmp_path / "run")
    whole_ones = checkpoints_of(tmp_path / "run")
    assert [path.name for path in whole_ones] == ["step-3"][: save - 1]
    left = set((tmp_path / "run" / "checkpoints").iterdir()) - set(whole_ones)
    assert [(path / "checkpoint.json").exists() for path in left] == [True]
    train(settings, tmp_path / "run", resume=True)
    assert events(tmp_path / "run", "step") == events(whole, "step")
    assert predictions(tmp_path / "run") == predictions(whole)
    assert {path.name for path in (tmp_path / "run" / "checkpoints").iterdir()} == {"step-3", "step-6", "step-8"}


@pytest.mark.exhaustive
def test_kill_9_and_resume_through_the_command(task_file: str, tiny_mt5: Path, tmp_path: Path) -> None:
    """The real signal on a real process, at whatever step it hits."""
    data = recipe(task_file, tiny_mt5, save_every=4, steps=16).model_dump(mode="json")
    data["stages"][0]["evaluation"]["every"] = None
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(data), encoding="utf-8")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def command(out: str, *more: str) -> list[str]:
        return [sys.executable, "-m", "xlgen", "train", str(file), "--out", str(tmp_path / out), *more]

    train(Recipe.model_validate(data), tmp_path / "whole")
    process = subprocess.Popen(command("killed"), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    log = tmp_path / "killed" / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if log.exists() and log.read_text(encoding="utf-8").count('"event": "step"') >= 6:
            os.kill(process.pid, signal.SIGKILL)
            break
        time.sleep(0.005)
    assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    subprocess.run(command("killed", "--resume"), env=environment, check=True, capture_output=True)
    assert events(tmp_path / "killed", "step") == events(tmp_path / "whole", "step")
    assert predictions(tmp_path / "killed") == predictions(tmp_path / "whole")


def test_ctrl_c_saves_a_checkpoint_and_says_how_to_continue(
    task_file: str, tiny_mt5: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    # In the background a shell has the signal ignored.
    request.addfinalizer(partial(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT)))
    signal.signal(signal.SIGINT, signal.default_int_handler)

    class Stopping(NoProgress):
        def task(self, name: str, total: int, done: int) -> Any:
            return lambda count: os.kill(os.getpid(), signal.SIGINT) if name.startswith("training") else None

    with pytest.raises(InterruptedRunError, match="--resume"):
        train(recipe(task_file, tiny_mt5), tmp_path / "run", progress=Stopping())  # type: ignore[arg-type]
    assert [path.name for path in checkpoints_of(tmp_path / "run")] == ["step-1"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_accumulation_equals_one_large_batch(task_file: str, tiny_mt5: Path, tmp_path: Path) -> None:
    """Batches of one example, eight to a step, are the same step as one batch of eight (up to rounding)."""
    from accelerate import Accelerator

    from xlgen.adaptation.base import methods
    from xlgen.backbones import loading
    from xlgen.core.config import Training
    from xlgen.data.examples import EncodedExample
    from xlgen.training.loop import Learner, optimize
    from xlgen.training.optimizer import build_optimizer

    examples = [EncodedExample(tuple(range(5, 9 + n)), (*range(7, 10 + n % 3), 1), "en") for n in range(8)]
    found = []
    for batches in ([examples], [[example] for example in examples]):
        backbone = loading.load(str(tiny_mt5))
        training = Training(learning_rate=1e-3)
        optimizer = build_optimizer(backbone.model.named_parameters(), training, backbone.depth)
        learner = Learner(
            backbone=backbone,
            method=methods.build({"method": "full"}),
            model=backbone.model,
            optimizer=optimizer,
            training=training,
            accelerator=Accelerator(cpu=True),
        )
        losses, counts, norm = optimize(learner, batches)
        assert len(losses) == len(counts) == len(batches)
        found.append(
            ((float(losses.sum()), int(counts.sum()), norm), [p.detach().clone() for p in backbone.model.parameters()])
        )
    (one, weights), (many, others) = found
    assert one == pytest.approx(many, rel=1e-5)
    for a, b in zip(weights, others, strict=True):
        # Adam turns the sign of a gradient near zero into a whole step, so only nearly all may agree exactly.
        assert (a - b).abs().gt(1e-5).float().mean() < 0.01


def test_the_loss_is_the_library_s_own(tiny_mt5: Path) -> None:
    """Sum over tokens divided by their count equals what transformers computes from labels alone."""
    from xlgen.backbones import loading
    from xlgen.backbones.base import IGNORED
    from xlgen.data.examples import EncodedExample
    from xlgen.training.loop import token_loss

    backbone = loading.load(str(tiny_mt5))
    inputs = backbone.collate([EncodedExample((5, 6, 1), (7, 8, 1), "en"), EncodedExample((5, 1), (9, 1), "en")])
    count = (inputs["labels"] != IGNORED).sum()
    own = token_loss(backbone.model, inputs) / count
    theirs = backbone.model(**{k: inputs[k] for k in ("input_ids", "attention_mask", "labels")}).loss
    assert own.item() == pytest.approx(theirs.item(), rel=1e-5)


def test_divergence_stops_with_advice(
    task_file: str, tiny_mt5: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xlgen.training import loop

    monkeypatch.setattr(
        loop, "token_loss", lambda model, inputs, smoothing, factor: next(model.parameters()).sum() * float("nan")
    )
    with pytest.raises(TrainingDivergedError, match=r"step 1 .*learning_rate"):
        train(recipe(task_file, tiny_mt5), tmp_path / "run")


def test_disk_full_keeps_the_checkpoint_before(
    task_file: str, tiny_mt5: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = store.save_file
    saved = 0

    def full(tensors: Any, path: Path) -> None:
        nonlocal saved
        saved += 1
        if saved > 3:
            Path(path).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        original(tensors, path)

    monkeypatch.setattr(store, "save_file", full)
    with pytest.raises(store.SaveError, match=r"No space left.*before it is untouched"):
        train(recipe(task_file, tiny_mt5, save_every=2), tmp_path / "run")
    left = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    monkeypatch.undo()
    assert left and all(name.startswith("step-") for name in left)
    train(recipe(task_file, tiny_mt5, save_every=2), tmp_path / "run", resume=True)
    assert events(tmp_path / "run", "step")[-1]["step"] == 8


def test_a_folder_of_another_run_is_refused(whole: Path, task_file: str, tiny_mt5: Path) -> None:
    with pytest.raises(FolderError, match=r"learning_rate is 0\.001, not 0\.01"):
        train(recipe(task_file, tiny_mt5, save_every=3, dropout=0.1, learning_rate=0.01), whole)
    with pytest.raises(FolderError, match="--resume"):
        train(recipe(task_file, tiny_mt5, save_every=3, dropout=0.1), whole)


def test_two_stages_hand_the_model_on(task_file: str, tiny_mt5: Path, tmp_path: Path) -> None:
    """Intermediate tuning followed by the task; the second stage starts from what the first one left."""
    unlabelled = [
        {"objective": {"name": "span_corruption", "max_tokens": 24}, "corpus": {"reader": "pocket", "size": 8}}
    ]
    training = {"steps": 2, "warmup_steps": 0, "batch_tokens": 300, "log_every": 1}
    data = {
        "name": "two",
        "backbone": str(tiny_mt5),
        "stages": [
            {"unlabelled": unlabelled, "training": training},
            {
                "task": task_file,
                "adaptation": {"method": "adapters", "bottleneck_dim": 4},
                "training": training,
                "evaluation": {"examples": 2, "bootstrap": 0, "max_new_tokens": 4},
            },
        ],
    }
    train(Recipe.model_validate(data), tmp_path / "run")
    about = read_about(tmp_path / "run" / "checkpoints" / "step-2")
    assert about.backbone == str(tmp_path / "run" / "stages" / "0" / "model")
    backbone, _, _ = store.load_checkpoint(tmp_path / "run" / "checkpoints" / "step-2")
    assert backbone.model.lm_head.weight is not backbone.model.shared.weight


@pytest.mark.exhaustive
def test_two_processes_get_the_loss_of_one(task_file: str, tiny_mt5: Path, tmp_path: Path) -> None:
    """`accelerate launch` on two CPU processes (gloo), the same global batches, the same losses and predictions."""
    data = recipe(task_file, tiny_mt5, steps=4).model_dump(mode="json")
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(data), encoding="utf-8")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    one = [sys.executable, "-m", "xlgen", "train", str(file), "--out", str(tmp_path / "one")]
    subprocess.run(one, env=environment, check=True, capture_output=True)
    options = "--multi_gpu --num_processes 2 --num_machines 1 --mixed_precision no --main_process_port 0"
    launch = ["accelerate.commands.launch", *options.split()]
    two = [sys.executable, "-m", *launch, "-m", "xlgen", "train", str(file), "--out", str(tmp_path / "two")]
    # Without MPI, accelerate starts several processes only through torchrun, whose flag is --multi_gpu.
    done = subprocess.run(
        two, env={**environment, "ACCELERATE_USE_CPU": "true"}, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads((tmp_path / "two" / "metrics.jsonl").read_text().splitlines()[0])["processes"] == 2
    losses = [[e["loss"] for e in events(tmp_path / name, "step")] for name in ("one", "two")]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    assert sorted(predictions(tmp_path / "two")) == sorted(predictions(tmp_path / "one"))


def test_a_run_of_before_a_key_was_there_is_gone_on_with(
    whole: Path, task_file: str, tiny_mt5: Path, tmp_path: Path
) -> None:
    """And where it runs does not decide what it is."""
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    text = yaml.safe_load((folder / "recipe.yaml").read_text(encoding="utf-8"))
    del text["recipe"]["resources"], text["recipe"]["stages"][0]["training"]["prefetch"]
    (folder / "recipe.yaml").write_text(yaml.safe_dump(text), encoding="utf-8")
    again = recipe(task_file, tiny_mt5, save_every=3, dropout=0.1).model_copy(update={"resources": Resources(cpus=4)})
    train(again, folder, resume=True)
    assert events(folder, "step") == events(whole, "step")


@pytest.mark.spread(1)
@pytest.mark.parametrize("method", ["full", "adapters", "lora"])
def test_modules_trained_on_random_weights_are_restored(
    task_file: str, tiny_mt5: Path, tmp_path: Path, method: str
) -> None:
    """A checkpoint of adapters holds no weights of the backbone: they are drawn again, not read."""
    backbone = {"name": str(tiny_mt5), "init": "random"}
    plain = recipe(task_file, tiny_mt5, steps=2)
    asked = plain.model_copy(
        update={
            "backbone": plain.backbone.model_validate(backbone),
            "stages": (plain.stages[0].model_copy(update={"adaptation": methods.options(method)}),),
        }
    )
    train(asked, tmp_path / "run")
    during = predictions(tmp_path / "run")
    _, folder = evaluate_checkpoint(tmp_path / "run", asked.stages[0].evaluation)
    assert {file.name: file.read_text(encoding="utf-8") for file in folder.rglob("*.jsonl")} == {
        Path(name).name: text for name, text in during.items()
    }
    pretrained = loading.load(str(tiny_mt5)).model.state_dict()
    start = store.load_start(read_about(find_checkpoint(tmp_path / "run"))).model.state_dict()
    assert not any(torch.equal(start[name], pretrained[name]) for name in start if name.endswith("q.weight"))
