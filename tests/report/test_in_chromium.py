"""The page as a reader has it: in Debian's Chromium, from a file, with nothing else to reach."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from report.test_analyses import write_all
from synthetic import LANGUAGES, know_the_sentences, write_run, write_study
from xlgen.report.build import build_report

CHROMIUM = Path("/usr/bin/chromium")
if not CHROMIUM.exists():
    pytest.skip("there is no /usr/bin/chromium: apt-get install chromium", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")

FIGURES = 9
SHOWN = 2 * len(LANGUAGES) * 20


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A report in a folder whose name needs escapes."""
    with pytest.MonkeyPatch.context() as patch:
        know_the_sentences(patch)
        return build_report(write_study(tmp_path_factory.mktemp("report") / "my & study")).page.as_uri()


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of a run with every kind of analysis."""
    folder = tmp_path_factory.mktemp("report") / "run"
    write_run(folder)
    write_all(folder / "analysis")
    with pytest.MonkeyPatch.context() as patch:
        know_the_sentences(patch)
        return build_report(folder).page.as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    # Chromium refuses a sandbox to root.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=str(CHROMIUM), args=options)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The open page; at the end, that it asked for nothing and complained of nothing."""
    opened = browser.new_page(viewport={"width": 1200, "height": 900})
    asked: list[str] = []
    said: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.goto(address)
    yield opened
    opened.close()
    assert asked == [address]
    assert said == []


def shown(page: Any) -> int:
    return int(page.locator(".predictions li:visible").count())


def choice(page: Any, name: str) -> Any:
    return page.get_by_role("combobox", name=name)


def status(page: Any) -> str:
    return str(page.get_by_role("status").inner_text())


@pytest.mark.keep("375-light")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 375])
def test_every_figure_is_seen(page: Any, width: int, scheme: str) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    figures = page.locator("figure svg")
    assert figures.count() == FIGURES
    for box in (figure.bounding_box() for figure in figures.all()):
        assert box["width"] > 300 and box["height"] > 60
    # Text has the ink of the page, whatever the reader's colours are.
    inks = page.evaluate("() => [...document.querySelectorAll('figure svg text')].map(e => getComputedStyle(e).fill)")
    assert set(inks) == {page.evaluate("() => getComputedStyle(document.body).color")}


@pytest.mark.keep("375")
@pytest.mark.parametrize("width", [1200, 375, 360])
def test_the_page_does_not_scroll_sideways(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.evaluate("() => document.querySelectorAll('details').forEach(e => { e.open = true })")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width


@pytest.mark.exhaustive
@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (375, "dark")])
def test_analyses_are_seen_on_a_screen_and_a_phone(browser: Any, analysed: str, width: int, scheme: str) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(analysed)
    page.evaluate("() => document.querySelectorAll('#analysis details').forEach(e => { e.open = true })")
    figures = page.locator("#analysis figure svg").all()
    assert len(figures) == 6
    for box in (figure.bounding_box() for figure in figures):
        assert box["width"] > 300 and box["height"] > 60
    # Black ink needs paper, in the dark too.
    paper = "() => getComputedStyle(document.querySelector('#analysis .drawn')).backgroundColor"
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    # What is wider than the page is scrolled by itself, by keyboard as well.
    stops = "() => [...document.querySelectorAll('#analysis .plot, #analysis .wide')].every(e => e.tabIndex == 0)"
    assert page.evaluate(stops)
    page.get_by_role("link", name="analysis", exact=True).focus()
    page.keyboard.press("Enter")
    assert page.url.endswith("#analysis") and {url.partition("#")[0] for url in asked} == {analysed}
    page.close()


@pytest.mark.exhaustive
def test_filters_show_what_they_say(page: Any) -> None:
    assert status(page) == f"{SHOWN} of {SHOWN} predictions"
    assert shown(page) == 0  # closed, as without a script
    choice(page, "Language").select_option("th")
    assert status(page) == f"40 of {SHOWN} predictions"
    assert shown(page) == 40
    choice(page, "Fault").select_option("wrong-language")
    assert shown(page) == 15
    assert page.locator(".predictions li:visible >> text=wrong language: English").count() == 15
    choice(page, "Run").select_option(label="full lr 1e-3 (14)")
    assert status(page) == f"14 of {SHOWN} predictions"
    page.get_by_role("searchbox", name="Text").fill("NO SUCH TEXT")
    assert status(page) == f"0 of {SHOWN} predictions"
    page.get_by_role("button", name="Show all").click()
    page.wait_for_function("() => !document.querySelector('.predictions details[open]')")
    assert status(page) == f"{SHOWN} of {SHOWN} predictions"


@pytest.mark.exhaustive
def test_choices_say_how_many_there_are(page: Any) -> None:
    choice(page, "Fault").select_option("empty")
    options = choice(page, "Language").locator("option").all_inner_texts()
    assert options[0] == "all languages (24)"
    assert "Arabic (ar) (2)" in options
    choice(page, "Fault").select_option("none")
    assert shown(page) == SHOWN - 15 * 11 - 24


@pytest.mark.exhaustive
def test_text_is_found_in_any_script(page: Any) -> None:
    page.get_by_role("searchbox", name="Text").fill("عاد إلى")
    languages = page.locator(".predictions details:visible").evaluate_all("all => all.map(e => e.dataset.language)")
    assert set(languages) == {"ar"}
    assert shown(page) == 40  # every input and reference has it


@pytest.mark.exhaustive
def test_the_keyboard_is_enough(page: Any) -> None:
    reached = set()
    for _ in range(200):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("() => document.activeElement.name || document.activeElement.tagName"))
        if page.evaluate("() => document.activeElement.name") == "fault":
            break
    assert {"run", "language", "fault", "SUMMARY", "A"} <= reached
    page.keyboard.type("wrong")
    assert status(page) == f"{15 * 11} of {SHOWN} predictions"
    page.keyboard.press("Tab")
    page.keyboard.type("الميناء")
    page.keyboard.press("Enter")  # sends no form
    assert status(page) == f"15 of {SHOWN} predictions"


@pytest.mark.exhaustive
def test_arabic_runs_from_right_to_left(page: Any) -> None:
    choice(page, "Language").select_option("ar")
    choice(page, "Fault").select_option("none")
    texts = page.locator(".predictions li:visible .prediction").all()
    assert texts
    for text in texts:
        assert text.evaluate("e => getComputedStyle(e).direction") == "rtl"
    # The first letter stands at the right end of its line.
    first, whole = texts[0].evaluate(
        """e => {
          const range = document.createRange(), text = e.firstChild;
          range.setStart(text, 0); range.setEnd(text, 1);
          const box = e.getBoundingClientRect();
          return [range.getBoundingClientRect().right, box.right];
        }"""
    )
    assert abs(first - whole) < 5
    choice(page, "Language").select_option("fr")
    french = page.locator(".predictions li:visible .prediction").first
    assert french.evaluate("e => getComputedStyle(e).direction") == "ltr"


@pytest.mark.exhaustive
def test_without_a_script_everything_can_be_read(browser: Any, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    assert not page.locator("form").is_visible()
    assert page.locator(".predictions details").count() == 2 * len(LANGUAGES)
    page.locator(".predictions summary").first.click()
    assert page.locator(".predictions li:visible").count() == 20
    context.close()
