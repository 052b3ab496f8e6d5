"""Nothing runs and nothing escapes: what the threat page promises, each promise with harmless stand-ins."""

import ast
import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xlgen.core.config import load_recipe
from xlgen.core.registry import InputError
from xlgen.core.untrusted import check_name, file_name, parse_json, read_json, safe_join, without_surrogates
from xlgen.data.readers import DataError
from xlgen.data.readers.hub import check_format
from xlgen.data.token_cache import pieces_of
from xlgen.experiments.mirror import Mirror
from xlgen.experiments.plan import load_study
from xlgen.experiments.worker_pool import Worker, isolated
from xlgen.report.analyses import read_analyses
from xlgen.report.svg import read_drawing
from xlgen.runs.evaluations import write_predictions
from xlgen.runs.folder import open_run
from xlgen.runs.rows import write_rows

ROOT = Path(__file__).resolve().parents[1]
ESCAPES = [
    "../x",
    "/etc/x",
    "a/../../x",
    "..",
    "",
    "a//b",
    "./x",
    "a/./b",
    "a\0b",
    "..\\x",
    "~/../x/../..",
    "x" * 5_000,
]


@pytest.mark.parametrize("name", ESCAPES)
def test_no_name_leads_out_of_a_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="leads out of"):
        safe_join(tmp_path / "in", name)


def test_names_inside_are_joined(tmp_path: Path) -> None:
    assert safe_join(tmp_path, "a/b c/ไทย.jsonl") == tmp_path / "a" / "b c" / "ไทย.jsonl"


def test_a_link_does_not_lead_out_either(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path)
    (tmp_path / "in" / "round").symlink_to(tmp_path / "in" / "round")
    for name in ("link/x", "round/x"):
        with pytest.raises(InputError, match="leads out of"):
            safe_join(tmp_path / "in", name)


@pytest.mark.parametrize(
    "name", ["", " ", "a/b", "a\\b", ".", "..", ".hidden", "a\n", "a\x1b", "x" * 201, "\u202e", " a"]
)
def test_what_cannot_be_a_name(name: str) -> None:
    with pytest.raises(InputError, match="cannot be the name of a file"):
        check_name(name, "the name")


@pytest.mark.parametrize(
    "parts", [("../..", "a/b"), ("", ""), ("\0", "x"), ("train[:10%]",), ("ไทย 中文",), ("x" * 999,)]
)
def test_a_name_made_of_anything_is_one(parts: tuple[str, ...], tmp_path: Path) -> None:
    found = file_name(*parts)
    assert "/" not in found and found not in ("", ".", "..") and len(found.encode()) <= 200
    assert safe_join(tmp_path, found).parent == tmp_path


def test_every_name_that_becomes_a_path(tmp_path: Path) -> None:
    """Languages of predictions, runs of studies, names of an object store."""
    with pytest.raises(InputError, match="leads out of"):
        write_predictions(tmp_path / "predictions", {"../../x": []})
    study = tmp_path / "study.yaml"
    for name in ("../x", "a/b", "..", ".x"):
        study.write_text(json.dumps({"base": {"backbone": "pocket-mt5"}, "runs": {name: {"task": "pocket-summaries"}}}))
        with pytest.raises(InputError, match="a run's name"):
            load_study(str(study))
    store = tmp_path / "store"
    store.mkdir()
    (store / "x").write_text("outside")
    mirror = Mirror(f"file://{store}", tmp_path / "local")
    remote = mirror._remote
    mirror._remote = lambda: {f"../{name}": version for name, version in remote().items()}  # type: ignore[method-assign]
    with pytest.raises(InputError, match="leads out of"):
        mirror.pull()
    assert not (tmp_path / "x").exists()


# -- workers


def test_workers_do_not_import_from_the_folder_that_they_are_started_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module called as one that the worker imports leaves a mark if it is imported."""
    mark = tmp_path / "imported"
    for name in ("yaml", "torch", "filelock"):
        (tmp_path / f"{name}.py").write_text(f"open({str(mark)!r}, 'w').close()\nraise SystemExit(3)\n")
    monkeypatch.chdir(tmp_path)
    for path in (os.environ.get("PYTHONPATH", ""), f":{os.environ.get('PYTHONPATH', '')}:", "."):
        monkeypatch.setenv("PYTHONPATH", path)
        environment = {**os.environ, **isolated()}
        command = [sys.executable, "-m", "xlgen.experiments.worker"]
        if path == ".":  # without the sources there is nothing to start, but nothing of the folder is imported either
            subprocess.run(command, env=environment, input=b"", capture_output=True, check=False)
        else:
            done = subprocess.run(command, env=environment, input=b"", capture_output=True, check=False)
            assert done.returncode == 0, done.stderr
        assert not mark.exists()
    assert Worker(1).environment["PYTHONSAFEPATH"] == "1"


def test_every_child_process_is_isolated_or_is_not_python() -> None:
    """Whoever starts a process of Python says so here."""
    starts = []
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("Popen", "run", "check_output", "call", "system"):
                owner = node.value
                if isinstance(owner, ast.Name) and owner.id in ("subprocess", "os"):
                    starts.append(path.relative_to(ROOT / "src" / "xlgen").as_posix())
    assert set(starts) == {"experiments/worker_pool.py", "runs/folder.py"}


# -- data


@pytest.mark.parametrize("name", ["pandas", "webdataset", "arrow", "imagefolder", "xml", "hdf5"])
def test_other_formats_of_data_sets_are_refused(name: str) -> None:
    import importlib

    from datasets import DatasetBuilder

    module = pytest.importorskip(f"datasets.packaged_modules.{name}.{name}")
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, DatasetBuilder)]
    own = [kind for kind in kinds if kind.__module__ == importlib.import_module(module.__name__).__name__]
    for kind in own:
        with pytest.raises(DataError, match="only parquet, JSON, CSV and text files"):
            check_format(object.__new__(kind), "a/b")
    assert own


@pytest.mark.parametrize("name", ["parquet", "json", "csv", "text"])
def test_plain_formats_are_read(name: str) -> None:
    import importlib

    module = importlib.import_module(f"datasets.packaged_modules.{name}.{name}")
    check_format(object.__new__(getattr(module, name.capitalize())), "a/b")


def test_nothing_here_unpickles() -> None:
    """No module reads pickled data, and none runs text as code."""
    allowed = {"experiments/on_ray.py"}
    for path in sorted((ROOT / "src").rglob("*.py")):
        name = path.relative_to(ROOT / "src" / "xlgen").as_posix()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [each.name for each in node.names] + [getattr(node, "module", None) or ""]
                assert not {"pickle", "shelve", "marshal", "dill"} & set(names) or name in allowed, name
            if isinstance(node, ast.Call):
                called = node.func.id if isinstance(node.func, ast.Name) else ""
                assert called not in ("eval", "exec", "compile"), name
                if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
                    assert (node.func.value.id, node.func.attr) not in (("torch", "load"), ("os", "system")), name
                for keyword in node.keywords:
                    value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
                    assert not (keyword.arg in ("allow_pickle", "trust_remote_code") and value is not False), name


# -- the cache of token ids


class Letters:
    """A tokenizer of one id a character."""

    fingerprint = b"letters"

    def __init__(self) -> None:
        self.asked = 0

    def tokenize(self, texts: Any) -> list[list[int]]:
        self.asked += 1
        return [[ord(sign) for sign in text] for text in texts]


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XLGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("xlgen.data.token_cache._WORTH_KEEPING", 1)
    pieces_of(["abc", "de"], Letters())
    return next((tmp_path / "cache" / "pieces").glob("*.npy"))


def found(asked: int) -> None:
    tokenizer = Letters()
    assert [ids.tolist() for ids in pieces_of(["abc", "de"], tokenizer)] == [[97, 98, 99], [100, 101]]
    assert tokenizer.asked == asked


def test_the_cache_is_private_and_is_believed(cached: Path) -> None:
    assert stat.S_IMODE(cached.stat().st_mode) == 0o600
    assert stat.S_IMODE(cached.parent.stat().st_mode) == 0o700
    found(asked=0)


@pytest.mark.parametrize("place", [-1, 0, 8, 9])
def test_a_cache_that_was_changed_is_not_believed(cached: Path, place: int) -> None:
    numbers = np.load(cached)
    numbers[place] += 1
    np.save(cached, numbers)
    found(asked=1)


@pytest.mark.parametrize("mode", [0o666, 0o620])
def test_a_cache_that_others_can_write_is_not_believed(cached: Path, mode: int) -> None:
    cached.chmod(mode)
    found(asked=1)
    cached.parent.chmod(0o777)
    found(asked=1)


def test_a_cache_of_another_user_is_not_believed(cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getuid", lambda: 12_345)
    found(asked=1)


# -- git


def test_a_machine_without_git_begins_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    folder = open_run(tmp_path / "run", load_recipe("pocket-mt5"), False)
    assert re.search(r"git_revision: null", (folder.path / "recipe.yaml").read_text(encoding="utf-8"))


# -- drawings

DRAWING = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" height="9">{}</svg>'
)


@pytest.mark.parametrize(
    "inside",
    [
        "<script>1</script>",
        "<foreignObject><p>x</p></foreignObject>",
        '<a xlink:href="#x"><rect/></a>',
        '<image xlink:href="http://example.org/x.png"/>',
        '<use xlink:href="other.svg#x"/>',
        '<use href="data:image/svg+xml,x"/>',
        '<rect onclick="1"/>',
        '<rect style="fill: url(http://example.org)"/>',
        '<rect style="position: fixed"/>',
        '<rect fill="url(other.svg#x)"/>',
        "<style>* { color: red }</style>",
        "<animate/>",
        '<set attributeName="href"/>',
        '<h:p xmlns:h="http://www.w3.org/1999/xhtml">x</h:p>',
        '<rect data-x="1"/>',
        "<rect>",
        "&nbsp;",
    ],
)
def test_a_drawing_that_does_more_than_draw_is_left_out(tmp_path: Path, inside: str) -> None:
    file = tmp_path / "overlap.svg"
    file.write_text(DRAWING.format(inside))
    with pytest.raises(InputError, match=r"overlap\.svg"):
        read_drawing(file)
    write_rows([{"analysis": "overlap", "language": "th", "value": 12.5, "n": 8}], tmp_path / "overlap.json")
    said: list[str] = []
    (analysis,) = read_analyses(tmp_path, said.append)
    assert not analysis.plots and analysis.tables
    assert "overlap.svg" in said[0]


def test_what_draws_is_let_through(tmp_path: Path) -> None:
    file = tmp_path / "x.svg"
    inside = '<metadata>x</metadata><defs><path id="m" d="M0 0"/></defs><use xlink:href="#m" style="fill: #123"/>'
    file.write_text('<?xml version="1.0"?>\n<!DOCTYPE svg>\n' + DRAWING.format(inside + "<text>a &lt;b&gt;</text>"))
    found_text = read_drawing(file)
    assert "metadata" not in found_text
    assert 'xlink:href="#m"' in found_text and "a &lt;b&gt;" in found_text


def test_entities_are_not_expanded(tmp_path: Path) -> None:
    file = tmp_path / "x.svg"
    file.write_text('<!DOCTYPE svg [<!ENTITY a "b">]>\n' + DRAWING.format("<text>&a;</text>"))
    with pytest.raises(InputError, match="declares entities"):
        read_drawing(file)


# -- JSON


def test_json_is_bounded(tmp_path: Path) -> None:
    for text in ("[" * 100_000, "[" * 100 + "]" * 100, '{"a":' * 65 + "1" + "}" * 65, "9" * 5_000, "{", ""):
        with pytest.raises(InputError, match="here"):
            parse_json(text, "here")
    assert parse_json("[" * 64 + "]" * 64, "here")
    (tmp_path / "x.json").write_bytes(b"\xff")
    with pytest.raises(InputError, match="is not UTF-8 text, from byte 1 on"):
        read_json(tmp_path / "x.json")
    assert without_surrogates({"\ud800": ["\udfff", 3]}) == {"\ufffd": ["\ufffd", 3]}
