"""The folders of checkpoints: found, written completely or not at all, copied and removed; their state for resuming."""

from pathlib import Path

import pytest

from xlgen.core.registry import InputError
from xlgen.runs.checkpoint_description import About, read_about, write_about
from xlgen.runs.checkpoints import (
    checkpoints_of,
    copy_checkpoint,
    find_checkpoint,
    is_unfinished,
    new_checkpoint,
    newest_checkpoint,
    remove_unneeded,
    step_of,
)
from xlgen.runs.paths import RunPaths, stage_of_checkpoint
from xlgen.runs.resume_state import (
    evaluation_due,
    is_temporary,
    mark,
    mark_evaluated,
    read_resume_state,
    write_resume_state,
)

STATE = {"stream": {"taken": [1], "streams": [[0, 1, 2]]}, "reduction": {}}


def save(run: Path, step: int, evaluation_due: bool = False, temporary: bool = False) -> Path:
    """A checkpoint without weights."""
    folder = RunPaths(run).checkpoint(step)
    with new_checkpoint(folder) as unfinished:
        write_resume_state(unfinished, STATE)
        write_about(unfinished, About(step, "pocket-mt5", {"name": "full"}, None, "."))
        mark(unfinished, evaluation_due=evaluation_due, temporary=temporary)
    return folder


def names(run: Path) -> list[str]:
    return sorted(path.name for path in RunPaths(run).checkpoints.iterdir())


def test_checkpoints_are_found_in_the_order_of_their_steps(tmp_path: Path) -> None:
    assert checkpoints_of(tmp_path) == [] and newest_checkpoint(tmp_path) is None
    with pytest.raises(InputError, match="neither a checkpoint nor a run"):
        find_checkpoint(tmp_path)
    saved = [save(tmp_path, step) for step in (10, 9)]
    (RunPaths(tmp_path).checkpoints / "step-11").mkdir()  # without a description
    assert checkpoints_of(tmp_path) == saved[::-1]
    assert newest_checkpoint(tmp_path) == find_checkpoint(tmp_path) == find_checkpoint(saved[0]) == saved[0]
    assert step_of(saved[0]) == read_about(saved[0]).step == 10


def test_an_error_leaves_no_part_of_a_checkpoint(tmp_path: Path) -> None:
    save(tmp_path, 1)
    with pytest.raises(OSError, match="disk full"), new_checkpoint(RunPaths(tmp_path).checkpoint(2)) as unfinished:
        assert is_unfinished(unfinished.name)
        (unfinished / "weights").touch()
        raise OSError("disk full")
    assert names(tmp_path) == ["step-1"]


def test_what_is_no_longer_needed_is_removed(tmp_path: Path) -> None:
    for step in (1, 2, 3, 4):
        save(tmp_path, step, temporary=step == 2)
    (RunPaths(tmp_path).checkpoints / "saving-step-5").mkdir()
    remove_unneeded(tmp_path)
    assert names(tmp_path) == ["step-1", "step-3", "step-4"]
    assert [(path / "resume").exists() for path in checkpoints_of(tmp_path)] == [False, False, True]
    remove_unneeded(tmp_path, 1, [1])
    assert names(tmp_path) == ["step-1", "step-4"]


def test_a_copy_has_no_files_for_resuming_and_is_found(tmp_path: Path) -> None:
    source = save(tmp_path / "run", 3)
    for _ in range(2):  # the second copy replaces the first one
        copy_checkpoint(source, tmp_path / "chosen")
    assert [path.name for path in (tmp_path / "chosen").iterdir()] == ["checkpoint.json"]
    assert find_checkpoint(tmp_path) == tmp_path / "chosen"


def test_an_evaluation_is_due_until_it_is_recorded(tmp_path: Path) -> None:
    assert not evaluation_due(save(tmp_path, 1))
    checkpoint = save(tmp_path, 2, evaluation_due=True, temporary=True)
    assert evaluation_due(checkpoint) and is_temporary(checkpoint)
    assert read_resume_state(checkpoint, 1)["reduction"] == {}
    reduction = {"factor": 0.5, "best": 30.0, "bad": 1}
    mark_evaluated(checkpoint, reduction)
    assert not evaluation_due(checkpoint)
    assert read_resume_state(checkpoint, 1)["reduction"] == reduction
    (checkpoint / "resume" / "evaluated.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"evaluated\.json is damaged"):
        read_resume_state(checkpoint, 1)


def test_the_stage_of_a_checkpoint(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    assert stage_of_checkpoint(paths.checkpoint(3)) == (tmp_path, -1)
    assert stage_of_checkpoint(RunPaths(paths.stage(1, 3)).checkpoint(3)) == (tmp_path, 1)
