"""Text from outside: shown whole, never run, and nothing of it turns or hides what stands beside it."""

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Error, Page, expect

from tests.browser.conftest import Open
from tests.browser.reports import ATTACKS, BASE, HOSTILE, LONG, TUNED, Report

pytestmark = pytest.mark.browser


def attacked(report: Report, place: int) -> str:
    return str(report.items_of(HOSTILE)["id"][place])


def views(report: Report) -> list[str]:
    pages = ("index.html", "pages/paper.html", "pages/plots.html", "pages/items.html")
    return [*map(report.address, pages), report.run_address(HOSTILE)]


def ran(page: Page) -> object:
    return page.evaluate("window.ran")


@pytest.mark.parametrize("place", range(len(ATTACKS)))
def test_no_response_runs(place: int, report: Report, open_page: Open) -> None:
    item = attacked(report, place)
    page = open_page(report.items_address(HOSTILE, TUNED, item=item))
    expect(page.get_by_role("article").get_by_role("heading", level=2)).to_have_text(item)
    expect(page.locator(".side")).to_have_count(2)
    assert ran(page) is None
    assert page.locator(".side img, .side script, .side a, .side > section svg").count() == 0


def test_no_name_runs_and_no_link_leads_out_of_the_page(report: Report, open_page: Open) -> None:
    for view in views(report):
        page = open_page(view)
        page.wait_for_load_state()
        assert ran(page) is None
        assert page.locator("main script").count() == 0
        links = page.locator("a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
        assert [link for link in links if not re.fullmatch(r"(\.\./)?(pages/)?[a-z0-9-]*(\.html)?(#.*)?", link)] == []


def test_what_cannot_be_seen_is_shown(report: Report, open_page: Open) -> None:
    page = open_page(report.items_address(HOSTILE, item=attacked(report, 4)))
    expect(page.locator(".response")).to_be_visible()
    assert page.locator(".response").text_content() == "A[U+0000][U+001B][31mB[U+007F][U+009F]\n\tC"
    page = open_page(report.items_address(HOSTILE, item=attacked(report, 5)))
    expect(page.locator(".response")).to_be_visible()
    shown = "答案[U+202E]CBA[U+202C]是[U+2066]D[U+2069][U+2028][U+2029][U+FEFF]"
    assert page.locator(".response").text_content() == shown
    name = open_page(report.address()).locator("tbody .model a").last
    assert name.inner_text() == "<script>window.ran=1</script>[U+202E]evil[U+202C]"
    assert name.locator("bdi").count() == 1


def test_a_long_response_is_cut_until_all_of_it_is_wanted(report: Report, open_page: Open) -> None:
    page = open_page(report.items_address(HOSTILE, item=attacked(report, LONG)))
    response = page.locator(".response")
    assert len(response.text_content() or "") == 20_000
    page.get_by_role("button", name="Show all 400,000 characters").click()
    assert len(response.text_content() or "") == 400_000
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_question_without_a_response_says_so(report: Report, open_page: Open) -> None:
    page = open_page(report.items_address(HOSTILE, item=attacked(report, 39)))
    expect(page.locator(".side")).to_contain_text("No response came.")
    expect(page.locator(".read")).to_contain_text("no response")


@pytest.mark.parametrize("view", ["index.html", "pages/plots.html", "pages/items.html"])
def test_the_page_forbids_scripts_within_it(view: str, report: Report, browser_page: Page, tmp_path: Path) -> None:
    copy = tmp_path / "report"
    shutil.copytree(report.index.parent, copy)
    html = (copy / view).read_text(encoding="utf-8")
    inline = '<script>window.ran = 1</script><img src="x" onerror="window.ran = 1">'
    (copy / view).write_text(html.replace("</main>", f"</main>{inline}"), encoding="utf-8")
    refused: list[str] = []
    browser_page.on("console", lambda message: refused.append(message.text))
    browser_page.goto((copy / view).as_uri())
    assert ran(browser_page) is None
    assert sum("Content Security Policy" in text for text in refused) == 3  # the script, the picture, its handler


@pytest.mark.parametrize(
    "sink", ["document.body.innerHTML = '<b>x</b>'", "document.createElement('script').src = 'x.js'"]
)
def test_the_page_makes_no_markup_or_script_of_text(sink: str, report: Report, browser_page: Page) -> None:
    browser_page.goto(report.items_address(BASE))
    with pytest.raises(Error, match=r"TrustedHTML|TrustedScriptURL"):
        browser_page.evaluate(f"() => {{ {sink} }}")
