import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.reports import BASE, HOSTILE, TUNED, Report

pytestmark = pytest.mark.browser

NAMES = "tbody .model a"


def names(page: Page) -> list[str]:
    return page.locator(NAMES).all_inner_texts()


def head(page: Page, name: str) -> str | None:
    return page.locator("th", has_text=name).get_attribute("aria-sort")


def shown(name: str) -> str:
    return name.replace("\u202e", "[U+202E]").replace("\u202c", "[U+202C]")


def test_the_best_run_comes_first(report: Report, open_page: Open) -> None:
    page = open_page(report.address())
    assert names(page) == [BASE, TUNED, shown(HOSTILE)]
    assert head(page, "Rank") == "ascending"


def test_a_run_with_unanswered_items_has_no_rank_and_the_page_says_so(report: Report, open_page: Open) -> None:
    page = open_page(report.address())
    expect(page.locator("tbody .place")).to_have_text(["1", "2", "\u2013"])
    expect(page.get_by_text("3 of 120 items have no response; it has no rank")).to_be_visible()


def test_a_click_sorts_and_another_turns_the_order(report: Report, open_page: Open) -> None:
    page = open_page(report.address())
    button = page.get_by_role("button", name="Average")
    button.click()
    assert (head(page, "Average"), head(page, "Rank")) == ("descending", "none")
    assert names(page) == [BASE, TUNED, shown(HOSTILE)]
    button.click()
    assert head(page, "Average") == "ascending"
    assert names(page) == [shown(HOSTILE), TUNED, BASE]


def test_each_column_of_figures_sorts_by_them(report: Report, open_page: Open) -> None:
    page = open_page(report.address())
    heads = page.locator("thead th.number")
    assert heads.count() == 11  # average, six exams, by size, three marks
    for column in heads.all():
        place = column.evaluate("head => head.cellIndex")
        column.get_by_role("button").click()
        cells = page.locator(f"tbody tr > :nth-child({place + 1})").all_inner_texts()
        figures = [float(cell) for cell in cells]
        assert figures == sorted(figures, reverse=True)


def test_keys_sort_as_well(report: Report, open_page: Open) -> None:
    page = open_page(report.address())
    page.get_by_role("button", name="Model").focus()
    page.keyboard.press("Enter")
    assert head(page, "Model") == "ascending"
    assert names(page) == [shown(HOSTILE), TUNED, BASE]
    page.keyboard.press("Space")
    assert head(page, "Model") == "descending"
    assert names(page) == [BASE, TUNED, shown(HOSTILE)]


def test_the_filter_leaves_rows_that_hold_its_text(report: Report, open_page: Open) -> None:
    page = open_page(report.address())
    page.get_by_role("searchbox").fill("QWEN7B")
    expect(page.locator("tbody tr:visible")).to_have_count(1)
    assert page.locator("tbody tr:visible .model a").inner_text() == TUNED
    assert page.get_by_role("status").inner_text() == "1 of 3 runs"


def test_sorting_and_filter_stand_in_the_address(report: Report, open_page: Open) -> None:
    page = open_page(report.address())
    page.get_by_role("button", name="Strict").click()
    page.get_by_role("searchbox").fill("qwen")
    page.wait_for_url("**sort=correct_strict**q=qwen**")
    again = open_page(page.url)
    assert head(again, "Strict") == "descending"
    expect(again.locator("tbody tr:visible")).to_have_count(2)


def test_each_condition_has_a_board(report: Report, open_page: Open) -> None:
    page = open_page(report.address())
    page.get_by_role("link", name="reading library 4k").click()
    expect(page.locator(NAMES)).to_have_text([BASE, TUNED])
    page.go_back()
    expect(page.locator(NAMES)).to_have_count(3)


def test_runs_that_were_left_out_are_named(report: Report, open_page: Open) -> None:
    refused = open_page(report.address()).locator(".refused")
    assert refused.locator("summary").inner_text() == "1 run is not shown"
    assert "half__written" in refused.locator("li").inner_text()


def test_without_all_six_exams_there_is_no_average_of_them(report: Report, open_page: Open) -> None:
    page = open_page(report.address())
    page.get_by_role("link", name="closedbook").click()
    expect(page.locator("thead th.number").first).to_have_text("By size")
    expect(page.get_by_role("button", name="Average")).to_have_count(0)
    share = report.items_of(TUNED, "closedbook")["correct"].mean()
    assert isinstance(share, float)
    expect(page.locator("tbody .average")).to_have_text(f"{100 * share:.1f}")
    expect(page.locator(".legend")).to_contain_text("Not all six exams were asked")


def test_two_chosen_runs_are_compared(report: Report, open_page: Open) -> None:
    page = open_page(report.address())
    compare = page.get_by_role("button", name="Compare two")
    expect(compare).to_be_disabled()
    for name in (BASE, TUNED):
        page.get_by_label(f"Choose {name}").check()
    compare.click()
    expect(page.get_by_label("Run A")).to_have_value(report.run(BASE).id)
    expect(page.get_by_label("Run B")).to_have_value(report.run(TUNED).id)


def test_a_third_choice_lets_the_first_go(report: Report, open_page: Open) -> None:
    page = open_page(report.address())
    boxes = page.get_by_role("checkbox")
    for place in range(3):
        boxes.nth(place).check()
    assert [box.is_checked() for box in boxes.all()] == [False, True, True]


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


def test_the_papers_rows_stand_among_own_ones(report: Report, open_page: Open) -> None:
    page = open_page(report.address("#/paper"))
    assert page.locator(".tabs a").count() == 5
    page.get_by_role("link", name="Table 4").click()
    expect(page.locator("h2")).to_contain_text("Table 4")
    sources = page.locator("tbody .source").all_inner_texts()
    assert sources.count("own") == 3
    assert sources.count("paper") > 0
    approximate = page.locator("tbody tr", has=page.locator(".source.paper")).locator(".range")
    assert all(text.startswith("≈") for text in approximate.all_inner_texts())


def test_each_plot_has_its_figures_as_a_table(report: Report, open_page: Open) -> None:
    page = open_page(report.address("#/plots"))
    plots = page.locator("figure")
    assert plots.count() > 0
    for plot in plots.all():
        picture = plot.locator("img:visible")
        assert picture.get_attribute("alt")
        page.wait_for_function("image => image.complete && image.naturalWidth > 0", arg=picture.element_handle())
        plot.locator("summary").click()
        assert plot.locator("tbody tr").count() > 0
