import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Error, Page, expect

from openbook_eval.leaderboard import page as page_room
from tests.browser.conftest import Open
from tests.browser.reports import ATTACKS, HOSTILE, LONG, TUNED, Report

pytestmark = pytest.mark.browser

STATIC = Path(page_room.__file__).parent / "static"


def attacked(report: Report, place: int) -> str:
    return str(report.items_of(HOSTILE)["id"][place])


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


@pytest.mark.parametrize("view", ["#/", "#/paper", "#/plots", "#/items", "#/run/"])
def test_no_name_runs(view: str, report: Report, open_page: Open) -> None:
    page = open_page(report.address(view + report.run(HOSTILE).id if view.endswith("/run/") else view))
    page.wait_for_load_state()
    assert ran(page) is None
    assert page.locator("main script").count() == 0


def test_no_address_runs(report: Report, open_page: Open) -> None:
    for view in (
        "#/<img src=x onerror=window.ran=1>",
        "#/run/<script>window.ran=1</script>",
        "#/__proto__",
        "#/items?a=x",
    ):
        page = open_page(report.address(view))
        expect(page.get_by_role("alert")).to_contain_text("This cannot be shown")
        assert ran(page) is None


def test_what_cannot_be_seen_is_shown(report: Report, open_page: Open) -> None:
    page = open_page(report.items_address(HOSTILE, item=attacked(report, 4)))
    assert page.locator(".response").text_content() == "A[U+0000][U+001B][31mB[U+007F][U+009F]\n\tC"
    page = open_page(report.items_address(HOSTILE, item=attacked(report, 5)))
    shown = "答案[U+202E]CBA[U+202C]是[U+2066]D[U+2069][U+2028][U+2029][U+FEFF]"
    assert page.locator(".response").text_content() == shown


def test_a_name_that_turns_the_direction_turns_nothing(report: Report, open_page: Open) -> None:
    page = open_page(report.address())
    name = page.locator("tbody .model a").last
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


def test_the_page_forbids_scripts_within_it(report: Report, browser_page: Page, tmp_path: Path) -> None:
    copy = tmp_path / "report"
    shutil.copytree(report.index.parent, copy)
    html = (copy / "index.html").read_text(encoding="utf-8")
    inline = '<script>window.ran = 1</script><img src="x" onerror="window.ran = 1">'
    (copy / "index.html").write_text(html.replace("</main>", f"</main>{inline}"), encoding="utf-8")
    refused: list[str] = []
    browser_page.on("console", lambda message: refused.append(message.text))
    browser_page.goto((copy / "index.html").as_uri())
    browser_page.locator(".view").wait_for()
    assert ran(browser_page) is None
    assert sum("Content Security Policy" in text for text in refused) == 2


@pytest.mark.parametrize(
    "sink", ["document.body.innerHTML = '<b>x</b>'", "document.createElement('script').src = 'x.js'"]
)
def test_the_page_makes_no_markup_or_script_of_text(sink: str, report: Report, browser_page: Page) -> None:
    browser_page.goto(report.address())
    browser_page.locator(".view").wait_for()
    with pytest.raises(Error, match=r"TrustedHTML|TrustedScriptURL"):
        browser_page.evaluate(f"() => {{ {sink} }}")


def test_no_script_of_ours_makes_markup_of_text() -> None:
    scripts = sorted(STATIC.glob("*.js"))
    assert len(scripts) > 10
    sinks = re.compile(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(|new Function|srcdoc|DOMParser|fetch\("
    )
    assert [path.name for path in scripts if sinks.search(path.read_text(encoding="utf-8"))] == []


def test_no_link_leads_out_of_the_page(report: Report, open_page: Open) -> None:
    for view in ("#/", "#/paper", "#/plots", "#/items", f"#/run/{report.run(HOSTILE).id}"):
        links = open_page(report.address(view)).locator("a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
        assert links
        assert all(link.startswith("#") for link in links)
