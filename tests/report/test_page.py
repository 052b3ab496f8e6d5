import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from synthetic import LANGUAGES, know_the_sentences, write_run, write_study
from xlgen.core.languages import language_name
from xlgen.report.page import headline, render
from xlgen.report.report_tables import ReportTables
from xlgen.runs.rows import load_results

pytestmark = pytest.mark.undrawn

VOID = {"meta", "br", "link", "input", "img"}


class Outline(HTMLParser):
    """Tags with their attributes, and whether they nest."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Drawn once: plots take seconds."""
    with pytest.MonkeyPatch.context() as patch:
        know_the_sentences(patch)
        study = write_study(tmp_path_factory.mktemp("page") / "my & study")
        return render(ReportTables(load_results(study)), "my & study")


def outline(page: str) -> Outline:
    parser = Outline()
    parser.feed(page)
    assert parser.open == []
    return parser


def test_the_page_needs_nothing_beside_itself(page: str) -> None:
    found = outline(page).found
    assert not {"link", "iframe", "object", "embed", "img"} & {tag for tag, _ in found}
    assert [attributes for tag, attributes in found if tag == "script"] == [{}]  # one, which has no address
    addresses = [
        value for _, attributes in found for key, value in attributes.items() if key in ("src", "href", "xlink:href")
    ]
    assert all(address and address.startswith("#") for address in addresses)
    assert "http" not in page.replace("http-equiv", "")
    assert not re.search(r"@import|\bimport\b\s*\(|fetch\(|XMLHttpRequest|WebSocket|sendBeacon|\.src\b", page)
    assert "default-src 'none'" in page  # so that a browser would refuse


def test_links_within_the_page_lead_somewhere_and_ids_are_unique(page: str) -> None:
    found = outline(page).found
    ids = [attributes["id"] for _, attributes in found if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for tag, a in found if tag == "a" and a["href"]} <= set(ids)


def test_without_analyses_there_is_no_section_of_them(page: str) -> None:
    assert 'id="analysis"' not in page and "#analysis" not in page


def test_every_language_has_a_row_with_its_interval(page: str) -> None:
    for code in LANGUAGES:
        assert page.count(f'<th scope="row">{language_name(code)}</th>') == 2 * 6  # figures and faults
    assert '27.3 <span class="interval">[26.1–28.6]</span>' in page


def test_text_is_escaped(page: str) -> None:
    assert page.count("<script") == page.count("</script") == 1
    assert "&lt;script&gt;alert(1)" in page
    assert "船沉了,船员&lt;获救&gt;了" in page
    assert "<h1>my &amp; study</h1>" in page


def test_languages_are_marked_up(page: str) -> None:
    assert '<dd class="prediction" lang="ar" dir="rtl">' in page
    assert '<dd lang="th" dir="ltr">' in page
    assert 'lang="ar" dir="ltr"' not in page


def test_wrong_languages_are_marked(page: str) -> None:
    badges = re.findall(r'<strong class="badge poor">(.*?)</strong>', page)
    # 14 of 20 in the worst run and 1 in the best one, in 11 languages; an empty one in both runs and 12 languages
    assert badges.count("✗ wrong language: English 97 %") == (14 + 1) * 11
    assert badges.count("✗ empty") == 2 * 12


def test_predictions_tell_their_faults_to_the_filters(page: str) -> None:
    found = [attributes["data-faults"] for tag, attributes in outline(page).found if "data-faults" in attributes]
    assert len(found) == 2 * 12 * 20
    assert found.count("wrong-language") == (14 + 1) * 11
    assert found.count("empty") == 2 * 12
    assert found.count("") == len(found) - 15 * 11 - 2 * 12
    assert "480 of the 960 predictions of 2 runs" in page


def test_filters_have_labels_and_wait_for_a_script(page: str) -> None:
    found = outline(page).found
    forms = [attributes for tag, attributes in found if tag == "form"]
    assert len(forms) == 1 and "hidden" in forms[0]
    assert (
        len(re.findall(r"<label>\w+ <(?:select|input)", page))
        == sum(tag in ("select", "input") for tag, _ in found)
        == 4
    )
    assert ("span", {"role": "status", "aria-live": "polite"}) in found


def test_rates_are_coloured(page: str) -> None:
    verdict = page[page.index('id="verdict-1"') : page.index('id="plots-1"')]
    assert '<td class="number poor"><span class="mark" title="poor">✗</span> 24.0' in verdict
    assert '<td class="number fair"><span class="mark" title="fair">!</span> 94.0' in verdict


def test_the_headline_names_the_best_run_and_its_language(study: Path) -> None:
    text = headline(load_results(study))
    assert "adapters lr 1e-3, ROUGE-L 28.2 (source language 39.0)" in text
    assert "strays into another language" in text


@pytest.mark.exhaustive
def test_two_tasks_have_a_section_each(tmp_path: Path) -> None:
    write_run(tmp_path / "a", task="pocket-summaries")
    write_run(tmp_path / "b", task="pocket-titles")
    found = [
        attributes.get("id")
        for tag, attributes in outline(render(ReportTables(load_results(tmp_path)), "x")).found
        if tag == "section"
    ]
    assert {"verdict-1", "verdict-2", "runs"} <= set(found)


def test_a_run_in_its_source_language_alone(tmp_path: Path) -> None:
    write_run(tmp_path / "run", source_languages=list(LANGUAGES))
    assert "in its source language" in render(ReportTables(load_results(tmp_path)), "x")
