"""Boards, runs and the paper's tables: order, sorting, filter, the choice of two runs."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.reports import BASE, HOSTILE, TUNED, Report

pytestmark = pytest.mark.browser

SHOWN = HOSTILE.replace("\u202e", "[U+202E]").replace("\u202c", "[U+202C]")


def names(page: Page) -> list[str]:
    return page.locator("tbody .model a").all_inner_texts()


def head(page: Page, name: str) -> str | None:
    return page.locator("th", has_text=name).get_attribute("aria-sort")


def test_the_best_run_comes_first_and_each_column_of_scores_sorts_by_click_and_key(
    report: Report, open_page: Open
) -> None:
    page = open_page(report.address())
    assert (head(page, "Rank"), names(page)) == ("ascending", [BASE, TUNED, SHOWN])
    # Of the last run three items have no response.
    expect(page.locator("tbody .place")).to_have_text(["1", "2", "–"])
    heads = page.locator("thead th.number")
    assert heads.count() == 11  # average, six exams, all items, three metrics
    for column in heads.all():
        place = column.evaluate("head => head.cellIndex")
        column.get_by_role("button").click()
        cells = page.locator(f"tbody tr > :nth-child({place + 1})").all_inner_texts()
        assert [float(cell) for cell in cells] == sorted(map(float, cells), reverse=True)
    page.get_by_role("button", name="Model").focus()
    for key, order, models in (
        ("Enter", "ascending", [SHOWN, TUNED, BASE]),
        ("Space", "descending", [BASE, TUNED, SHOWN]),
    ):
        page.keyboard.press(key)
        assert (head(page, "Model"), names(page)) == (order, models)


def test_sorting_and_filter_stand_in_the_address(report: Report, open_page: Open) -> None:
    page = open_page(report.address())
    page.get_by_role("button", name="Strict").click()
    page.get_by_role("searchbox").fill("QWEN7B")
    expect(page.get_by_role("status")).to_have_text("1 of 3 runs")
    page.wait_for_url("**sort=strict**q=QWEN7B**")
    again = open_page(page.url)
    assert head(again, "Strict") == "descending"
    expect(again.locator("tbody tr:visible .model a")).to_have_text(TUNED)


def test_each_condition_has_a_board_and_what_speaks_against_runs_is_said(report: Report, open_page: Open) -> None:
    page = open_page(report.address())
    expect(page.get_by_text("3 of 120 items have no response")).to_be_visible()
    assert page.locator(".refused summary").inner_text() == "1 run is not shown"
    assert "half__written" in page.locator(".refused li").inner_text()
    page.get_by_role("link", name="reading library 4k").click()
    expect(page.locator("tbody .model a")).to_have_text([BASE, TUNED])  # of the page that the link leads to
    page.get_by_role("link", name="closedbook").click()
    expect(page.locator("thead th.number").first).to_have_text("All items")
    expect(page.locator(".legend")).to_contain_text("Not all six exams were asked")


def test_two_chosen_runs_are_compared_and_a_third_choice_lets_the_first_go(report: Report, open_page: Open) -> None:
    page = open_page(report.address())
    compare, boxes = page.get_by_role("button", name="Compare two"), page.get_by_role("checkbox")
    expect(compare).to_be_disabled()
    for place in (2, 0, 1):
        boxes.nth(place).check()
    assert [box.is_checked() for box in boxes.all()] == [True, True, False]
    compare.click()
    expect(page.get_by_label("Run A")).to_have_value(report.run(BASE).id)
    expect(page.get_by_label("Run B")).to_have_value(report.run(TUNED).id)


def test_a_run_tells_where_it_comes_from(report: Report, open_page: Open) -> None:
    run = report.run(BASE)
    page = open_page(report.address())
    page.get_by_role("link", name=BASE).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(BASE)
    facts = page.locator(".facts").inner_text()
    for fact in (run.id, run.exam.sha256, run.items_sha256, run.task_version, *run.task_hashes, *run.versions.values()):
        assert fact in facts
    page.get_by_role("link", name="reading library 4k").click()
    expect(page.locator(".lead")).to_contain_text("reading library 4k")


def test_the_papers_rows_stand_without_runs_of_another_exam_and_each_plot_has_its_figures(
    report: Report, open_page: Open
) -> None:
    page = open_page(report.address("pages/paper.html"))
    assert page.locator("section").count() == 5
    for table in page.locator("section").all():
        assert table.locator(".source.own").count() == 0
        averages = [float(text) for text in table.locator("tbody .average").all_inner_texts()]
        assert averages == sorted(averages, reverse=True)
    page = open_page(report.address("pages/plots.html"))
    figures = page.locator("figure").all()
    assert len(figures) > 6
    for figure in figures:
        expect(figure.locator("svg.plot[role=img]").first).to_be_visible()
        figure.locator("summary").click()
        expect(figure.locator("tbody tr").first).to_be_visible()
    assert page.locator("#ratio tbody tr").count() == 20


@pytest.mark.parametrize("width", [390, 1400])
def test_reference_rows_stand_below_the_runs_and_stay_there_when_these_are_sorted(
    report: Report, open_page: Open, width: int
) -> None:
    page = open_page(report.address())
    page.set_viewport_size({"width": width, "height": 900})
    page.get_by_role("button", name="Model").click()
    readers = ["chance", "majority letter", "longest option", "string matching"]
    expect(page.locator("table > :last-child .model")).to_have_text([f"{name}reference" for name in readers])
    assert float(page.locator("tfoot tr:last-child .average").inner_text()) > 90
    page.get_by_role("link", name="The paper").click()
    expect(page.locator("#table-1 tfoot tr:first-child .average")).to_have_text("81.6")
    expect(page.locator("#table-1 tfoot tr")).to_have_count(
        1
    )  # runs of another exam do not stand there, nor its readers
