"""Named plugins: duplicates are errors, a wrong name gets the nearest right one."""

import sys
from pathlib import Path

import pytest

from xlgen.core.registry import InputError, Registry, UnknownNameError, nearest


@pytest.mark.parametrize(
    ("name", "choices", "expected"),
    [
        ("adaptors", ["adapters", "full"], "did you mean 'adapters'? (all: adapters, full)"),
        ("FULL", ["adapters", "full"], "did you mean 'full'? (all: adapters, full)"),
        ("zzz", ["b", "a"], "no similar name; there are: a, b"),
        ("x", [], "there are none"),
        ("item7", [f"item{n}" for n in range(61)], "did you mean 'item7'?"),
    ],
)
def test_nearest(name: str, choices: list[str], expected: str) -> None:
    assert nearest(name, choices) == expected


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry[type]:
    """A package of two plugin files that nothing lists."""
    package = tmp_path / "some_plugins"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from xlgen.core.registry import Registry\nall = Registry('thing', 'some_plugins', 'things')\n"
    )
    for name in ("red", "blue"):
        text = f"from some_plugins import all\n\n\n@all.register({name!r})\nclass Plugin:\n    pass\n"
        (package / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield __import__("some_plugins").all
    for name in [name for name in sys.modules if name.split(".")[0] == "some_plugins"]:
        del sys.modules[name]


def test_a_folder_finds_its_own_files(registry: Registry[type]) -> None:
    assert registry.names() == ("blue", "red")
    assert registry.get("red").__module__ == "some_plugins.red"


def test_an_unknown_name(registry: Registry[type]) -> None:
    with pytest.raises(UnknownNameError, match="unknown thing 'bleu': did you mean 'blue'") as caught:
        registry.get("bleu")
    assert isinstance(caught.value, InputError)


def test_two_plugins_of_one_name(registry: Registry[type]) -> None:
    registry.names()
    with pytest.raises(ValueError, match="two plugins are called thing 'red'"):
        registry.register("red")(int)
