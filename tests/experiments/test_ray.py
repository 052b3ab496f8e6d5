"""A study on a Ray cluster of two nodes, one of which is lost in the middle: the runs of one machine, each once."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from xlgen.cli import app
from xlgen.core.registry import InputError
from xlgen.experiments.execute import execute
from xlgen.experiments.plan import Study, load_study

ray = pytest.importorskip("ray", reason="Ray is an extra: pip install 'xlgen[ray]'")
CONSOLE = Console(stderr=True, quiet=True)
STEPS = 60


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A head that trains nothing, so that what is lost is never the store of results, and two nodes of a core."""
    from ray.cluster_utils import Cluster

    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    yield found
    ray.shutdown()
    found.shutdown()


@pytest.fixture
def study(checkpoint: Callable[[str], Path], tiny_task: Callable[..., str], tmp_path: Path) -> Study:
    base = {
        "backbone": str(checkpoint("mt5")),
        "task": tiny_task(["en", "th"]),
        "training": {"steps": STEPS, "warmup_steps": 0, "batch_tokens": 300, "log_every": 1, "save_every": 5},
        "evaluation": {"every": None, "split": "test", "examples": 2, "bootstrap": 0, "max_new_tokens": 4},
    }
    runs = {f"run-{seed}": {"seed": seed} for seed in range(3)} | {"bad": {"source_languages": ["de"]}}
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump({"name": "tiny", "base": base, "runs": runs}), encoding="utf-8")
    return load_study(str(path))


def attempts(out: Path, name: str) -> list[dict[str, Any]]:
    """On which nodes a run was begun."""
    log = out / "runs" / f"{name}.log"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return [json.loads(line) for line in lines if line.startswith('{"node"')]


def steps(out: Path, name: str) -> list[tuple[int, float]]:
    file = out / "runs" / name / "metrics.jsonl"
    events = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []
    return [(event["step"], event["loss"]) for event in events if event["event"] == "step"]


def lose_one_that_trains(cluster: Any, nodes: list[Any], out: Path, lost: list[str]) -> None:
    """Kill a node once the run on it has a checkpoint to go on from."""
    while not lost:
        time.sleep(0.2)
        for name in ("run-0", "run-1", "run-2"):
            begun = attempts(out, name)
            whole = list((out / "runs" / name / "checkpoints").glob("step-*"))
            done = (out / "runs" / name / "state.json").exists() and len(steps(out, name)) == STEPS
            if len(begun) == 1 and len(whole) >= 2 and not done:
                node = next(node for node in nodes if node.node_id.startswith(begun[0]["node"]))
                cluster.remove_node(node, allow_graceful=False)
                lost.append(name)
                return


@pytest.mark.slow
def test_a_lost_node_costs_no_run(study: Study, cluster: Any, tmp_path: Path) -> None:
    from xlgen.experiments.on_ray import executor

    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    out, lost = tmp_path / "cluster", []  # type: ignore[var-annotated]
    watcher = threading.Thread(target=lose_one_that_trains, args=(cluster, nodes, out, lost), daemon=True)
    watcher.start()
    run = executor(cluster.address)
    failed = run(study, out, 1, CONSOLE)
    watcher.join(10)
    assert list(failed) == ["bad"] and "'de'" in failed["bad"]
    assert len(lost) == 1
    counts = {f"run-{seed}": len(attempts(out, f"run-{seed}")) for seed in range(3)}
    assert counts.pop(lost[0]) == 2 and set(counts.values()) == {1}, "each once, the lost one again"
    execute(study, tmp_path / "local", 2, CONSOLE)  # a thread each, as on the nodes
    for seed in range(3):
        name = f"run-{seed}"
        assert [step for step, _ in steps(out, name)] == list(range(1, STEPS + 1))
        assert steps(out, name) == steps(tmp_path / "local", name)
        files = ("predictions/step-60/th.jsonl", "checkpoints/step-60/model/model.safetensors")
        for file in files:
            ours, theirs = (root / "runs" / name / file for root in (out, tmp_path / "local"))
            assert ours.exists() == theirs.exists()
            assert not ours.exists() or ours.read_bytes() == theirs.read_bytes()
    assert run(study, out, 1, CONSOLE).keys() == {"bad"}
    assert sum(len(attempts(out, f"run-{seed}")) for seed in range(3)) == 4, "what is done is not run again"


@pytest.mark.slow
def test_nodes_that_share_no_folder_meet_at_a_url(study: Study, cluster: Any, tmp_path: Path) -> None:
    from xlgen.experiments.mirror import Mirror
    from xlgen.experiments.on_ray import executor

    for _ in range(2):
        cluster.add_node(num_cpus=1)
    bucket, mirror = tmp_path / "bucket", Mirror((tmp_path / "bucket").as_uri(), tmp_path / "here")
    with mirror.kept() as out:
        failed = executor(cluster.address, mirror)(study, out, 1, CONSOLE)
    assert list(failed) == ["bad"] and "'de'" in failed["bad"]
    execute(study, tmp_path / "local", 2, CONSOLE)
    for seed in range(3):
        name = f"run-{seed}"
        assert steps(bucket, name) == steps(out, name) == steps(tmp_path / "local", name) != []
        assert len(attempts(bucket, name)) == 1
        last = tmp_path / "local" / "runs" / name / "checkpoints" / "step-60"
        weights = [path for path in last.rglob("*.safetensors") if "resume" not in path.parts]
        assert weights
        for path in weights:
            assert (bucket / path.relative_to(tmp_path / "local")).read_bytes() == path.read_bytes()
        assert not (out / "runs" / name / "checkpoints").exists(), "who asked needs figures only"


def test_no_cluster_is_said(study: Study, tmp_path: Path) -> None:
    from xlgen.experiments.on_ray import executor

    with pytest.raises(InputError, match=r"no Ray cluster at 127\.0\.0\.1:1.*ray start --head"):
        executor("127.0.0.1:1")


def test_the_command_says_it_too(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["study", "quickstart", "--out", str(tmp_path / "out"), "--ray", "127.0.0.1:1"])
    assert isinstance(done.exception, InputError)
