"""The documentation site: its generated reference is complete, its links work, and it names no path of a machine."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
from pydantic import BaseModel
from typer.testing import CliRunner

import xlgen
from xlgen.api.catalog import registries
from xlgen.cli import app
from xlgen.cli.dependent import dependencies_of
from xlgen.core.config import Recipe
from xlgen.data.tasks import TaskConfig
from xlgen.experiments.plan import StudyConfig
from xlgen.metrics.base import metrics
from xlgen.metrics.options import options_of

ROOT = Path(__file__).resolve().parents[1]
MACHINE_PATH = re.compile(r"(?<![\w.}*/-])/(?:work|root|tmp|home|Users|opt)/|\.\./shared")
REPOSITORY = re.compile(
    r"https://(?:github\.com/xlgen/xlgen/blob|raw\.githubusercontent\.com/xlgen/xlgen)/main/([^)\s]+)"
)


@cache
def generator() -> ModuleType:
    """The module that generates the reference."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "scripts" / "docs"))
        return import_module("reference_pages")


@cache
def pages() -> dict[str, str]:
    """The generated pages, by their path in the site."""
    found: dict[str, str] = generator().pages()
    return found


def section(page: str, heading: str) -> str:
    """The text of a section of a generated page, without the sections after it."""
    level = heading.partition(" ")[0]
    (start,) = re.finditer(rf"^{re.escape(heading)}(?: \{{.*)?$", pages()[page], re.MULTILINE)
    return re.split(rf"^#{{2,{len(level)}}} ", pages()[page][start.end() :], maxsplit=1, flags=re.MULTILINE)[0]


def has_key(text: str, key: str) -> bool:
    return f"`{key}` <small>" in text


@pytest.mark.parametrize(
    ("page", "model"), [("recipe-keys", Recipe), ("task-keys", TaskConfig), ("study-keys", StudyConfig)]
)
def test_every_key_of_a_file_is_documented(page: str, model: type[BaseModel]) -> None:
    """The keys that pydantic's own JSON schema has, each as often as models have it."""
    schema = model.model_json_schema()
    objects = [schema, *schema.get("$defs", {}).values()]
    keys = [key for each in objects for key in each.get("properties", {})]
    assert len(keys) >= 5
    for key in set(keys):
        assert pages()[f"reference/{page}.md"].count(f"`{key}` <small>") >= keys.count(key), key


@pytest.mark.parametrize("page", ["recipe-keys", "task-keys", "study-keys", "plugins", "metrics"])
def test_every_key_has_a_meaning(page: str) -> None:
    entries = re.findall(r"^`(\w+)` <small>.*\n:   (.*)", pages()[f"reference/{page}.md"], re.MULTILINE)
    assert entries and not [name for name, meaning in entries if not meaning.strip() or meaning.startswith("Keys: ")]


def commands(group: Any, name: str = "xlgen") -> Iterator[tuple[str, Any]]:
    for each, command in getattr(group, "commands", {}).items():
        if not command.hidden:
            yield f"{name} {each}", command
            yield from commands(command, f"{name} {each}")


COMMANDS = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_is_documented(name: str) -> None:
    text = section("reference/cli.md", f"## `{name}`")
    options = [option for each in COMMANDS[name].params for option in each.opts if option.startswith("-")]
    assert all(f"`{option}`" in text for option in options if option != "--help")
    arguments = [each.name for each in COMMANDS[name].params if not each.opts[0].startswith("-")]
    assert all(f"`{argument.upper()}`" in text for argument in arguments)


def test_options_that_depend_on_others_are_documented() -> None:
    lines = section("reference/cli.md", "## `xlgen train`").splitlines()
    assert "- `--hours` has no effect without `--auto`" in lines
    assert any(line.startswith("- `--resume` has no effect with `--auto`, which resumes") for line in lines)
    for name, command in COMMANDS.items():
        count = sum(len(each.options) for each in dependencies_of(command.callback))
        found = re.findall(r"^- `--[\w-]+` has no effect ", section("reference/cli.md", f"## `{name}`"), re.MULTILINE)
        assert len(found) == count, name


@pytest.mark.parametrize("kind", sorted(set(registries()) - {"metrics"}))
def test_every_plugin_is_documented_with_its_options(kind: str) -> None:
    text = section("reference/plugins.md", f"## {kind.capitalize()}")
    registry = registries()[kind].registry
    assert [name for name in registry.names() if f"### `{name}` " not in text] == []
    for name in registry.names():
        options = getattr(getattr(registry.get(name), "Options", None), "model_fields", {})
        own = text.split(f"### `{name}` ")[1].split("\n### ")[0]
        assert all(has_key(own, option) for option in options if option != "name"), name


@pytest.mark.parametrize("name", metrics.names())
def test_every_metric_is_documented_with_its_values_and_options(name: str) -> None:
    text = section("reference/metrics.md", f"## `{name}`")
    assert all(f"- `{value.name}`: " in text for value in metrics.get(name).figures)
    assert all(has_key(text, option) for option in options_of(name))


def test_no_page_and_no_help_names_a_path_of_a_machine() -> None:
    texts = dict(pages())
    texts |= {
        str(path): path.read_text(encoding="utf-8") for path in [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
    }
    for name in ("xlgen", *COMMANDS):
        texts[name] = CliRunner().invoke(app, [*name.split()[1:], "--help"]).stdout
        assert texts[name]
    assert {name: found[0] for name, text in texts.items() if (found := MACHINE_PATH.search(text))} == {}


def test_links_of_the_readme_lead_to_files_of_the_repository() -> None:
    """A registry shows the README without the repository: its links and pictures are absolute."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    paths = REPOSITORY.findall(text)
    assert len(paths) > 10 and [path for path in paths if not (ROOT / path).is_file()] == []
    assert all(target.startswith("https://") for target in re.findall(r"\]\(([^)]+)\)", text))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site. A broken link, or a page outside the navigation, fails the build."""
    pytest.importorskip("mkdocs", reason="MkDocs comes with the docs extra")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_page_of_the_api_names_every_public_name() -> None:
    headings = re.findall(r"^      heading: (\S+)$", pages()["reference/api.md"], re.MULTILINE)
    own = set(xlgen.__all__) - {"__version__", "analyze"}
    assert set(headings) == {f"xlgen.{name}" for name in own | {f"analyze.{name}" for name in xlgen.analyze.__all__}}


# Building takes long, and `make docs` builds the site too, on each change.
@pytest.mark.exhaustive
def test_every_public_name_is_in_the_built_reference(site: Path) -> None:
    text = (site / "reference" / "api.html").read_text(encoding="utf-8")
    for name, public in generator().public_names():
        anchor = f'id="{public.__module__}.{public.__name__}"'
        assert anchor in text and f"xlgen.{name}" in text, name
        if inspect.isfunction(public):
            own = text.split(anchor)[1].split("<h2 ")[0]
            assert all(f">{argument}<" in own for argument in inspect.signature(public).parameters), name


@pytest.mark.exhaustive
def test_the_built_pages_load_nothing_from_elsewhere(site: Path) -> None:
    loading = re.compile(r'<(?:script|img|iframe)[^>]*\ssrc="https?:|<link[^>]*rel="stylesheet"[^>]*href="https?:')
    built = list(site.rglob("*.html"))
    assert len(built) > 35
    assert [page.name for page in built if loading.search(page.read_text(encoding="utf-8"))] == []
