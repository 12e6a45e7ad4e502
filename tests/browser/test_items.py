import shutil
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Open, rectangle
from tests.browser.reports import BASE, TUNED, Report

pytestmark = pytest.mark.browser

LIBRARY = "reading_library_4k"


def counted(page: Page) -> str:
    return page.locator(".count").inner_text()


def test_an_item_shows_what_was_asked_and_answered(report: Report, open_page: Open) -> None:
    item = report.items_of(BASE).row(4, named=True)
    page = open_page(report.items_address(BASE))
    page.get_by_role("option", name=item["id"], exact=False).first.click()
    detail = page.get_by_role("article")
    expect(detail.get_by_role("heading", level=2)).to_have_text(item["id"])
    expect(detail.locator("mark")).to_have_count(1)
    right = detail.locator(".options li", has_text="✓ right").locator("b").all_inner_texts()
    assert "".join(right) == item["right"]
    chosen = detail.locator(".options li", has_text="chosen").locator("b").all_inner_texts()
    assert "".join(chosen) == item["letters"]
    read = detail.locator(".read").inner_text()
    assert ("right" if item["correct"] else "wrong") in read
    assert item["rule"] in read
    expect(detail.locator(".response")).to_contain_text(item["letters"])


def test_the_chat_template_is_folded(report: Report, open_page: Open) -> None:
    detail = open_page(report.items_address(BASE, item="physician-0")).get_by_role("article")
    template = detail.locator(".template").first
    expect(template.locator(".text")).to_be_hidden()
    template.locator("summary").click()
    expect(template.locator(".text")).to_contain_text("<|im_start|>user")


def test_without_a_book_the_prompt_says_so(report: Report, open_page: Open) -> None:
    page = open_page(report.items_address(TUNED, condition="closedbook", item="nursing-3"))
    expect(page.get_by_role("article").locator("h3").first).to_contain_text("no book")
    expect(page.locator("mark")).to_have_count(0)


def test_ranked_letters_have_no_text(report: Report, open_page: Open) -> None:
    item = report.items_of(BASE, "openbook_ranked").row(0, named=True)
    page = open_page(report.items_address(BASE, condition="openbook_ranked", item=item["id"]))
    expect(page.locator(".side")).to_contain_text("Letters were ranked: there is no text.")
    expect(page.locator(".read .letters")).to_have_text(item["letters"])


def test_the_needed_entry_of_a_shared_book_is_in_sight(report: Report, open_page: Open) -> None:
    items = report.items_of(BASE, LIBRARY).sort("depth")
    page = open_page(report.items_address(BASE, condition=LIBRARY, item=items["id"][-1]))
    prompt = page.locator(".prompt")
    mark = page.locator("mark")
    mark.wait_for()
    assert prompt.evaluate("box => box.scrollTop") > 0
    assert 0 <= rectangle(mark)["y"] - rectangle(prompt)["y"] < rectangle(prompt)["height"]


@pytest.mark.parametrize(
    ("label", "choice", "kept"),
    [
        ("Exam", "nursing", pl.col("exam") == "nursing"),
        ("Class", "class 1", pl.col("exam_class") == "class 1"),
        ("Type", "multi", pl.col("qtype") == "multi"),
        ("A is", "wrong", ~pl.col("correct")),
        ("Read by", "declared", pl.col("rule") == "declared"),
        ("Place in the book", "5", pl.col("depth") >= 0.8),
    ],
)
def test_a_filter_leaves_the_items_that_it_names(
    label: str, choice: str, kept: pl.Expr, report: Report, open_page: Open
) -> None:
    page = open_page(report.items_address(BASE, TUNED, condition=LIBRARY))
    page.get_by_label(label).select_option(choice)
    left = report.items_of(BASE, LIBRARY).filter(kept).height
    assert 0 < left < 120
    assert counted(page).startswith(f"{left} of 120 items")


def test_filters_work_together_and_stand_in_the_address(report: Report, open_page: Open) -> None:
    page = open_page(report.items_address(BASE))
    page.get_by_label("Exam").select_option("nursing")
    page.get_by_label("Type").select_option("multi")
    page.wait_for_url("**exam=nursing&type=multi**")
    left = report.items_of(BASE).filter((pl.col("exam") == "nursing") & (pl.col("qtype") == "multi")).height
    assert counted(open_page(page.url)).startswith(f"{left} of 120 items")


def test_flipped_only_leaves_the_items_where_two_runs_differ(report: Report, open_page: Open) -> None:
    pairs = report.items_of(BASE).join(report.items_of(TUNED), on="id").select("correct", "correct_right")
    only_a = pairs.filter(pl.col("correct") > pl.col("correct_right")).height
    only_b = pairs.filter(pl.col("correct") < pl.col("correct_right")).height
    page = open_page(report.items_address(BASE, TUNED))
    page.get_by_label("Flipped").select_option("flipped only")
    told = counted(page)
    assert told.startswith(f"{only_a + only_b} of 120 items")
    assert told.endswith(f"both right 0, only A {only_a}, only B {only_b}, neither 0")
    page.get_by_label("Flipped").select_option("only B right")
    assert counted(page).startswith(f"{only_b} of 120 items")


def test_two_runs_stand_side_by_side(report: Report, open_page: Open) -> None:
    page = open_page(report.items_address(BASE, TUNED, item="nursing-3"))
    sides = page.locator(".side")
    expect(sides).to_have_count(2)
    assert [side.locator("h3 bdi").inner_text() for side in sides.all()] == [BASE, TUNED]
    left, right = (rectangle(side) for side in sides.all())
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"]


def test_another_run_keeps_filter_and_item(report: Report, open_page: Open) -> None:
    page = open_page(report.items_address(BASE, exam="nursing", item="nursing-3"))
    page.get_by_label("Run B").focus()
    page.get_by_label("Run B").select_option(TUNED)
    expect(page.locator(".side")).to_have_count(2)
    expect(page.get_by_label("Exam")).to_have_value("nursing")
    expect(page.get_by_label("Run B")).to_be_focused()
    expect(page.get_by_role("article").get_by_role("heading", level=2)).to_have_text("nursing-3")


def test_runs_of_different_boards_are_not_compared(report: Report, open_page: Open) -> None:
    address = report.address(f"#/items?a={report.run(BASE).id}&b={report.run(TUNED, LIBRARY).id}")
    expect(open_page(address).get_by_role("alert")).to_contain_text("stand on different boards")


def test_search_finds_ids_and_loaded_stems(report: Report, open_page: Open) -> None:
    page = open_page(report.items_address(BASE))
    search = page.get_by_role("searchbox")
    search.fill("NURSING-1")
    assert counted(page).startswith("11 of 120 items")
    page.get_by_role("button", name="Load all stems").click()
    expect(page.get_by_role("button", name="Load all stems")).to_be_hidden()
    stem = page.evaluate("openbook.loaded('questions-0-0')[7].stem")
    search.fill(stem)
    assert counted(page).startswith("1 of 120 items")


def test_keys_lead_from_item_to_item(report: Report, open_page: Open) -> None:
    ids = report.items_of(BASE)["id"]
    page = open_page(report.items_address(BASE, item=ids[0]))
    heading = page.get_by_role("article").get_by_role("heading", level=2)
    expect(heading).to_have_text(ids[0])
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(heading).to_have_text(ids[2])
    page.keyboard.press("k")
    expect(heading).to_have_text(ids[1])
    page.get_by_role("listbox").focus()
    page.keyboard.press("ArrowDown")
    expect(heading).to_have_text(ids[2])
    page.keyboard.press("End")
    expect(heading).to_have_text(ids[-1])
    expect(page.get_by_role("button", name="Next")).to_be_disabled()


def test_letters_typed_into_the_search_move_nothing(report: Report, open_page: Open) -> None:
    page = open_page(report.items_address(BASE, item="physician-0"))
    page.get_by_role("searchbox").press_sequentially("jk")
    expect(page.get_by_role("article").get_by_role("heading", level=2)).to_have_text("physician-0")


def test_only_lines_in_sight_stand_in_the_document(report: Report, open_page: Open) -> None:
    page = open_page(report.items_address(BASE))
    lines = page.get_by_role("option", include_hidden=True).and_(page.locator(".line"))
    assert 10 < lines.count() < 50
    page.get_by_role("listbox").scroll_into_view_if_needed()
    page.get_by_role("listbox").evaluate("box => box.scrollTop = box.scrollHeight")
    expect(lines.last).to_have_attribute("aria-posinset", "120")
    expect(lines.last).to_be_in_viewport()
    assert 10 < lines.count() < 50


def test_back_leads_to_the_board(report: Report, open_page: Open) -> None:
    page = open_page(report.address())
    page.get_by_role("link", name=BASE).click()
    page.get_by_role("link", name="Items of this run").click()
    page.get_by_role("option").and_(page.locator(".line")).nth(3).click()
    page.wait_for_url("**item=**")
    page.go_back()
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Leaderboard")


def test_a_missing_piece_is_named(report: Report, browser: Browser, tmp_path: Path) -> None:
    copy = tmp_path / "report"
    shutil.copytree(report.index.parent, copy)
    (copy / "data" / "answers-0-0.js").unlink()
    (copy / "data" / "marks-1.js").write_text("openbook.piece('marks-1', {")
    runs = [run for board in ("openbook", LIBRARY) for run in report.runs if run.condition == board]
    page = browser.new_page()
    page.goto((copy / "index.html").as_uri())
    first, second = (page.evaluate(f"openbook.loaded('board').runs[{number}].id") for number in (0, 1))
    assert {first, second} <= {run.id for run in runs}
    page.goto((copy / "index.html").as_uri() + f"#/items?a={first}&item=physician-0")
    expect(page.get_by_role("alert")).to_have_text(
        "physician-0 cannot be shown: the file data/answers-0-0.js is missing"
    )
    page.goto((copy / "index.html").as_uri() + f"#/items?a={second}")
    expect(page.get_by_role("alert")).to_have_text("This cannot be shown: the file data/marks-1.js is broken.")
    page.close()
