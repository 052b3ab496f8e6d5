"""A study at a URL: only what changed is copied, nothing is half there, and another machine goes on from it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
import yaml

from xlgen.cli import main
from xlgen.core.config import Recipe
from xlgen.core.registry import InputError
from xlgen.experiments.mirror import Mirror
from xlgen.runs.checkpoints import checkpoints_of
from xlgen.training.run import train


@pytest.fixture
def url() -> Iterator[str]:
    """A file system in memory, where names are keys and nothing can be appended to."""
    yield "memory://bucket/study"
    fsspec.filesystem("memory").rm("/bucket", recursive=True)


def there(url: str) -> dict[str, bytes]:
    found = fsspec.filesystem("memory")
    root = "/" + url.split("://")[1]
    return {path[len(root) + 1 :]: found.cat_file(path) for path in found.find(root)}


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def test_what_changed_is_copied_and_nothing_else(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[str] = []
    kind = type(fsspec.filesystem("memory"))
    put = kind.put_file

    def counting(self: Any, local: str, remote: str, **rest: Any) -> Any:
        copied.append(remote.rsplit("study/", 1)[-1])
        return put(self, local, remote, **rest)

    monkeypatch.setattr(kind, "put_file", counting)
    here = Mirror(url, tmp_path / "a")
    write(here.folder, runs__x__metrics="1", runs__x__text="雨 ฝน مطر", x__tmp="")
    write(here.folder, **{"runs/x.lock": "", "runs/x/saving-step-3/weights": "half", "runs/x/y.json.tmp": "half"})
    here.push()
    assert sorted(copied) == ["runs/x/metrics", "runs/x/text", "x/tmp"]
    here.push()
    assert len(copied) == 3
    write(here.folder, runs__x__metrics="12")
    here.push()
    assert copied[3:] == ["runs/x/metrics"]
    other = Mirror(url, tmp_path / "b")
    other.pull()
    assert (other.folder / "runs/x/text").read_text(encoding="utf-8") == "雨 ฝน مطر"
    before = {path: path.stat().st_mtime_ns for path in other.folder.rglob("*") if path.is_file()}
    other.pull()
    other.push()
    assert {path: path.stat().st_mtime_ns for path in before if path.name != ".mirror.json"} == {
        path: time for path, time in before.items() if path.name != ".mirror.json"
    }
    assert len(copied) == 4


def test_checkpoints_go_where_runs_remove_them_and_nothing_else_does(url: str, tmp_path: Path) -> None:
    here = Mirror(url, tmp_path / "a")
    write(here.folder, runs__x__checkpoints__a="1", runs__x__metrics="1")
    here.push()
    (here.folder / "runs/x/checkpoints/a").unlink()
    (here.folder / "runs/x/metrics").unlink()
    here.push()
    assert set(there(url)) == {"runs/x/metrics"}


def test_a_checkpoint_that_was_copied_by_half_is_none(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Mirror(url, tmp_path / "a")
    for step in (3, 12):
        place = f"runs/x/checkpoints/step-{step}"
        write(here.folder, **{f"{place}/checkpoint.json": "{}", f"{place}/weights": "w", f"{place}/resume/rng": "r"})
        write(here.folder, **{"runs/x/state.json": json.dumps({"step": step})})
        if step == 3:
            here.push()
    kind = type(fsspec.filesystem("memory"))
    put, left = kind.put_file, [2]

    def failing(self: Any, *rest: Any, **more: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise OSError("connection lost")
        return put(self, *rest, **more)

    monkeypatch.setattr(kind, "put_file", failing)
    with pytest.raises(InputError, match="cannot write memory://bucket/study: connection lost"):
        here.push()
    monkeypatch.setattr(kind, "put_file", put)
    assert len(there(url)) == 6, "two files of the second checkpoint"
    other = Mirror(url, tmp_path / "b")
    other.pull()
    whole = checkpoints_of(other.folder / "runs/x")
    assert [path.name for path in whole] == ["step-3"]
    assert json.loads((other.folder / "runs/x/state.json").read_text(encoding="utf-8")) == {"step": 3}
    here.push()
    other.pull()
    assert len(checkpoints_of(other.folder / "runs/x")) == 2


def test_checkpoints_of_ended_runs_stay_where_they_are(url: str, tmp_path: Path) -> None:
    here = Mirror(url, tmp_path / "a")
    for name, status in (("ended", "done"), ("going", "running")):
        write(here.folder, **{f"runs/{name}/state.json": json.dumps({"status": status})})
        write(here.folder, **{f"runs/{name}/checkpoints/step-1/checkpoint.json": "{}", f"runs/{name}.log": "said"})
    here.push()
    other, one = Mirror(url, tmp_path / "b"), Mirror(url, tmp_path / "c", only="going")
    other.pull()
    one.pull()
    names = {path.relative_to(other.folder).as_posix() for path in other.folder.rglob("checkpoint.json")}
    assert names == {"runs/going/checkpoints/step-1/checkpoint.json"}
    assert {path.name for path in (one.folder / "runs").iterdir()} == {"going", "going.log"}
    other.push()
    assert len(there(url)) == 6, "what was not fetched is not missing"


@pytest.mark.exhaustive
def test_another_machine_goes_on_from_what_was_copied(
    url: str, checkpoint: Callable[[str], Path], tiny_task: Callable[..., str], tmp_path: Path
) -> None:
    """The machine is lost with its folder; the run ends as it would have."""
    recipe = Recipe.model_validate(
        {
            "name": "tiny", "backbone": str(checkpoint("mt5")), "task": tiny_task(["en", "th"]),
            "training": {"steps": 6, "warmup_steps": 0, "batch_tokens": 300, "dropout": 0.1, "save_every": 2},
            "evaluation": {"every": 3, "split": "test", "examples": 2, "bootstrap": 0, "max_new_tokens": 4},
        }
    )  # fmt: skip
    lost = Mirror(url, tmp_path / "lost")
    with lost.kept(seconds=0.05) as folder:
        train(recipe, folder / "runs" / "tiny", until=4)
    train(recipe, tmp_path / "whole")
    with Mirror(url, tmp_path / "found").kept() as folder:
        train(recipe, folder / "runs" / "tiny", resume=True)
    found = there(url)
    weights = [path.relative_to(tmp_path / "whole").as_posix() for path in (tmp_path / "whole").rglob("*.safetensors")]
    assert any("checkpoints/step-6/" in name for name in weights)
    for name in weights:
        assert found[f"runs/tiny/{name}"] == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.exhaustive
def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    base = {
        "backbone": "pocket-mt5",
        "task": "pocket-titles",
        "evaluation": {"split": "test", "examples": 2, "bootstrap": 0},
    }
    runs = {f"lead{n}": {"baseline": {"name": "lead", "tokens": n}} for n in (2, 3)}
    path, place = tmp_path / "study.yaml", tmp_path / "bucket" / "study"
    path.write_text(yaml.safe_dump({"name": "s", "base": base, "runs": runs}), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["xlgen", "study", str(path), "--out", place.as_uri(), "--workers", "1"])
    for machine in ("one", "two"):
        monkeypatch.setenv("XLGEN_CACHE", str(tmp_path / machine))
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code in (0, None)
        said = capsys.readouterr().err
        assert ("lead2: started" in said) == (machine == "one")
        assert "which is copied to file://" in said
    assert (place / "report.html").exists() and (place / "runs" / "lead3" / "predictions").is_dir()


def test_what_nothing_here_can_open(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="cannot open nothing://"):
        Mirror("nothing://x/y", Path())
    monkeypatch.setattr(sys, "argv", ["xlgen", "study", "quickstart", "--out", "s3.amazonaws://x"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2 and "cannot open" in capsys.readouterr().err


def test_a_checkpoint_is_no_longer_one_before_its_weights_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And where one is fetched, it becomes one with its last file: a kill on the way leaves no half of a checkpoint."""
    here, there = Mirror(f"file://{tmp_path}/there", tmp_path / "a"), Mirror(f"file://{tmp_path}/there", tmp_path / "b")
    names = ("adapter.safetensors", "checkpoint.json", "trained.safetensors")
    folder = here.folder / "runs" / "x" / "checkpoints" / "step-1"
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text(name, encoding="utf-8")
    here.push()
    order: list[str] = []
    kind = type(here._fs)
    get, remove = kind.get_file, kind.rm_file
    monkeypatch.setattr(kind, "get_file", lambda fs, path, *rest: (order.append(Path(path).name), get(fs, path, *rest)))
    monkeypatch.setattr(kind, "rm_file", lambda fs, path: (order.append(Path(path).name), remove(fs, path)))
    there.pull()
    assert sorted(order) == sorted(names) and order[-1] == "checkpoint.json"
    order.clear()
    for name in names:
        (folder / name).unlink()
    here.push()
    assert sorted(order) == sorted(names) and order[0] == "checkpoint.json"
