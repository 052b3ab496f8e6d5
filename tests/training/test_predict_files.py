"""What ``xlgen predict`` reads and writes: no link of any kind empties the input, and an older output survives."""

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from xlgen.adaptation import checkpoints as store
from xlgen.adaptation.base import methods
from xlgen.backbones.loading import load
from xlgen.core.registry import InputError
from xlgen.data.readers import DataError
from xlgen.evaluation.checkpoint_inference import predict_file
from xlgen.evaluation.prediction_files import open_output

LINE = '{"input": "Il pleut."}\n'


@pytest.fixture
def trained(checkpoint: Callable[[str], Path], tmp_path: Path) -> Path:
    backbone = load(str(checkpoint("mt5")))
    method = methods.build({"method": "layernorm"})
    method.prepare(backbone)
    folder = tmp_path / "step-1"
    about = store.About(1, str(checkpoint("mt5")), {"method": "layernorm"}, "pocket-summaries", ".")
    store.save_checkpoint(folder, backbone, method, about)
    return folder


def link(kind: str, source: Path, target: Path) -> None:
    if kind == "hard":
        os.link(source, target)
    elif kind == "symbolic":
        target.symlink_to(source)
    else:
        target.parent.joinpath("folder").symlink_to(source.parent)


@pytest.mark.spread(2)
@pytest.mark.parametrize("kind", ["hard", "symbolic", "folder"])
@pytest.mark.parametrize("backwards", [False, True])
def test_an_output_that_is_a_link_of_the_input(trained: Path, tmp_path: Path, kind: str, backwards: bool) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(LINE)
    link(kind, source, target)
    if kind == "folder":
        target = tmp_path / "folder" / "in.jsonl"
    if backwards:
        source, target = target, source
    with pytest.raises(InputError, match="is also the input"):
        predict_file(trained, "fr", str(source), str(target))
    assert source.read_text() == target.read_text() == LINE


def test_standard_input_that_is_the_output(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text(LINE)
    with file.open("rb") as opened:
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=opened))
        with pytest.raises(InputError, match="is also the input"):
            predict_file(trained, "fr", "-", str(file))
    assert file.read_text() == LINE


@pytest.mark.spread(2)
@pytest.mark.parametrize("bad", ["{", "[1]", '{"title": "x"}', '{"input": "\\ud800"}', "\udcff"])
def test_an_older_output_survives_a_bad_first_row(trained: Path, tmp_path: Path, bad: str) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(bad.encode("utf-8", "surrogateescape"))
    target.write_text("older")
    with pytest.raises(DataError, match=r"in\.jsonl"):
        predict_file(trained, "fr", str(source), str(target))
    assert target.read_text() == "older"
    assert {path.name for path in tmp_path.iterdir()} == {"step-1", "in.jsonl", "out.jsonl"}


def test_outputs_before_a_bad_row_are_kept_next_to_the_older_output(trained: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(LINE + "{")
    target.write_text("older")
    with pytest.raises(
        DataError, match=r"line 2 is not valid JSON.*The outputs before the error are in .*out\.jsonl\.part"
    ):
        predict_file(trained, "fr", str(source), str(target))
    assert target.read_text() == "older"
    assert json.loads((tmp_path / "out.jsonl.part").read_text(encoding="utf-8"))["input"] == "Il pleut."
    source.write_text(LINE)
    assert predict_file(trained, "fr", str(source), str(target)) == 1
    assert json.loads(target.read_text(encoding="utf-8"))["id"] == "0"
    assert not (tmp_path / "out.jsonl.part").exists()


@pytest.mark.parametrize("name", ["pipe", "/dev/zero", "."])
def test_an_input_that_is_no_file(trained: Path, tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="a regular file is needed"):
        predict_file(trained, "fr", str(tmp_path / name), str(tmp_path / "out.jsonl"))
    assert not (tmp_path / "out.jsonl").exists()


def test_standard_input_is_read(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(LINE.encode())))
    assert predict_file(trained, "fr", "-", str(tmp_path / "out.jsonl")) == 1


def test_a_full_disk_names_the_file() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    said = r"^cannot write /dev/full: No space left on device$"
    with pytest.raises(InputError, match=said), open_output("/dev/full") as file:
        file.write("x")


def test_a_folder_that_is_not_there_is_made_and_goes_after_a_failure(tmp_path: Path) -> None:
    target = tmp_path / "none" / "out.jsonl"
    with pytest.raises(KeyError), open_output(str(target)):
        raise KeyError
    assert not target.parent.exists()
    with open_output(str(target)) as file:
        file.write("x")
    assert target.read_text(encoding="utf-8") == "x"
