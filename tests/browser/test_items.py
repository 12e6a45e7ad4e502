"""Items: the list and its filters, one item with its texts, two runs side by side, keys, and files that lack."""

import csv
import shutil
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Browser, Page, expect

from openbook_eval.console import percent
from openbook_eval.leaderboard.board import compare
from openbook_eval.leaderboard.export import comparison_sheet, conclusion
from tests.browser.conftest import Open, rectangle
from tests.browser.reports import BASE, LIBRARY, TUNED, Report

pytestmark = pytest.mark.browser


def counted(page: Page) -> str:
    expect(page.locator("#summary")).to_contain_text("items")
    return page.locator("#summary").inner_text()


def test_shares_are_rounded_as_in_the_terminal(report: Report, open_page: Open) -> None:
    shares = [(part, whole) for whole in (7, 8, 43, 80, 240, 2000) for part in range(whole + 1)]
    page = open_page(report.items_address(BASE))
    assert page.evaluate("shares => shares.map((share) => openbook.percent(...share))", shares) == [
        percent(part / whole) for part, whole in shares
    ]
    assert page.evaluate("openbook.percent(57, 80)") == "71.3"


def test_an_item_shows_prompt_book_options_and_how_its_response_was_read(report: Report, open_page: Open) -> None:
    item = report.items_of(BASE).filter(pl.col("id") == "nursing-3").row(0, named=True)
    page = open_page(report.items_address(BASE, item="nursing-3"))
    expect(page.get_by_role("article").get_by_role("heading", level=2)).to_have_text("nursing-3")
    expect(page.locator("mark")).to_be_visible()
    assert page.locator("mark").inner_text() in page.locator(".prompt").inner_text()
    expect(page.locator(".options li.right b")).to_have_text(list(item["expected"]))
    expect(page.locator(".read .letters")).to_have_text(item["letters"])
    expect(page.locator(".read code")).to_have_text(item["rule"])
    assert item["letters"] in page.locator(".response").inner_text()
    page.get_by_text("Chat template before it").click()
    expect(page.locator(".template .text").first).to_contain_text("<|im_start|>user")


def test_without_a_book_none_is_marked_and_ranked_letters_have_no_text(report: Report, open_page: Open) -> None:
    page = open_page(report.items_address(TUNED, condition="closedbook", item="nursing-3"))
    expect(page.get_by_role("article").locator("h3").first).to_contain_text("no book")
    expect(page.locator("mark")).to_have_count(0)
    item = report.items_of(BASE, "openbook_ranked").row(0, named=True)
    page = open_page(report.items_address(BASE, condition="openbook_ranked", item=item["id"]))
    expect(page.locator(".side")).to_contain_text("Letters were ranked: there is no text.")
    expect(page.locator(".read .letters")).to_have_text(item["letters"])


def test_the_needed_entry_of_a_shared_book_is_in_sight(report: Report, open_page: Open) -> None:
    items = report.items_of(BASE, LIBRARY).sort("depth")
    page = open_page(report.items_address(BASE, condition=LIBRARY, item=items["id"][-1]))
    page.locator("mark").wait_for()
    assert page.locator(".prompt").evaluate("box => box.scrollTop") > 0
    expect(page.locator("mark")).to_be_in_viewport()


@pytest.mark.parametrize(
    ("label", "choice", "kept"),
    [
        ("Exam", "nursing", pl.col("exam") == "nursing"),
        ("Class", "class 1", pl.col("exam_class") == "class 1"),
        ("Type", "multi", pl.col("qtype") == "multi"),
        ("A is", "wrong", ~pl.col("correct")),
        ("Read by", "concluded", pl.col("rule") == "concluded"),
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


def test_two_runs_stand_side_by_side_with_what_flipped(report: Report, open_page: Open) -> None:
    pairs = report.items_of(BASE).join(report.items_of(TUNED), on="id").select("correct", "correct_right")
    counts = [pairs.filter(correct=a, correct_right=b).height for a, b in ((1, 1), (1, 0), (0, 1), (0, 0))]
    page = open_page(report.items_address(BASE, TUNED, item="nursing-3"))
    expect(page.locator(".side h3 bdi")).to_have_text([BASE, TUNED])
    left, right = map(rectangle, page.locator(".side").all())
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"]
    words = ("both right", "only A", "only B", "neither")
    assert counted(page).endswith(", ".join(f"{name} {count}" for name, count in zip(words, counts, strict=True)))
    page.get_by_label("Flipped").select_option("flipped only")
    assert counted(page).startswith(f"{counts[1] + counts[2]} of 120 items")
    page.get_by_label("Flipped").select_option("only B right")
    assert counted(page).startswith(f"{counts[2]} of 120 items")


def test_another_run_keeps_filters_and_item_and_back_takes_it_away(report: Report, open_page: Open) -> None:
    page = open_page(report.items_address(BASE, item="nursing-3"))
    page.get_by_label("Exam").select_option("nursing")
    page.get_by_label("Type").select_option("multi")
    page.wait_for_url("**exam=nursing&type=multi**")
    page.get_by_label("Run B").select_option(TUNED)
    expect(page.locator(".side")).to_have_count(2)
    expect(page.get_by_role("article").get_by_role("heading", level=2)).to_have_text("nursing-3")
    left = report.items_of(BASE).filter((pl.col("exam") == "nursing") & (pl.col("qtype") == "multi")).height
    assert counted(page).startswith(f"{left} of 120 items")
    page.go_back()
    expect(page.locator(".side")).to_have_count(1)


@pytest.mark.parametrize("width", [390, 1400])
def test_lines_begin_with_the_stem_and_search_finds_ids_and_stems(width: int, report: Report, open_page: Open) -> None:
    page = open_page(report.items_address(BASE, TUNED), width=width)
    page.wait_for_function("openbook.loaded('stems-0')")
    stems = page.evaluate("openbook.loaded('stems-0')")
    first = page.locator(".line .what bdi").first
    expect(first).to_have_text(stems[0][:80])
    assert rectangle(first)["width"] > 90
    search = page.get_by_role("searchbox")
    search.fill("NURSING-1")
    assert counted(page).startswith("11 of 120 items")
    search.fill(stems[7])
    assert counted(page).startswith("1 of 120 items")


def test_two_runs_have_the_paired_difference_as_compare_prints_it_and_a_table_by_class(
    report: Report, open_page: Open
) -> None:
    page = open_page(report.items_address(TUNED, BASE))
    found = compare(report.found, report.run(TUNED), report.run(BASE))
    expect(page.locator("#paired tbody tr").last).to_have_text("".join(comparison_sheet(found).rows[-1]))
    expect(page.locator("#paired .notes li").first).to_have_text(conclusion(found))
    page.get_by_text("These items by class").click()
    pairs = report.items_of(TUNED).join(report.items_of(BASE), on="id").filter(exam_class="class 1")
    shares = [percent(pairs[column].mean()) for column in ("correct", "correct_right")]  # type: ignore[arg-type]
    only = [pairs.filter(correct=a, correct_right=1 - a).height for a in (1, 0)]
    row = page.locator("#by-class-table tbody tr", has_text="class 1")
    expect(row.locator("td")).to_have_text([str(pairs.height), *shares, *map(str, only)])


def test_one_item_across_all_models_and_what_is_filtered_can_be_taken_away(report: Report, open_page: Open) -> None:
    page = open_page(report.items_address(BASE, item="nursing-3"))
    page.get_by_text("This item across all models").click()
    right = [report.items_of(run.model).filter(id="nursing-3")["correct"][0] for run in report.runs[:3]]
    lines = page.locator(".across li")
    expect(lines).to_have_count(4)
    expect(lines.first).to_have_text(f"right in {right.count(True)} of 3")
    page.get_by_label("Exam").select_option("nursing")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Export these").click()
    rows = list(csv.DictReader(saved.value.path().read_text(encoding="utf-8-sig").splitlines()))
    assert [row["id"] for row in rows] == report.items_of(BASE).filter(exam="nursing")["id"].to_list()
    assert rows[3][f"{BASE} read"] == report.items_of(BASE).filter(id=rows[3]["id"])["letters"][0]


def test_keys_lead_from_item_to_item_but_not_out_of_a_field(report: Report, open_page: Open) -> None:
    ids = report.items_of(BASE)["id"]
    page = open_page(report.items_address(BASE, item=ids[0]))
    heading = page.get_by_role("article").get_by_role("heading", level=2)
    expect(heading).to_have_text(ids[0])
    for key in "jjk":
        page.keyboard.press(key)
    expect(heading).to_have_text(ids[1])
    page.get_by_role("searchbox").press_sequentially("kjk")
    page.get_by_role("searchbox").fill("")
    page.get_by_role("listbox").focus()
    page.keyboard.press("ArrowDown")
    expect(heading).to_have_text(ids[2])
    page.keyboard.press("End")
    expect(heading).to_have_text(ids[-1])
    expect(page.get_by_role("button", name="Next")).to_be_disabled()
    lines = page.locator(".line")
    expect(lines.last).to_have_attribute("aria-posinset", "120")
    assert 10 < lines.count() < 50  # only those in sight stand in the document


def test_what_cannot_be_shown_is_named(report: Report, browser: Browser, tmp_path: Path) -> None:
    copy = tmp_path / "report"
    shutil.copytree(report.index.parent, copy)
    (copy / "data" / "responses-0-0.js").unlink()
    (copy / "data" / "scores-1.js").write_text("openbook.piece('scores-1', {")
    page = browser.new_page()
    ids = [report.runs[0].id, report.runs[1].id, report.run(TUNED, LIBRARY).id]
    for settings, told in (
        (f"a={ids[0]}&item=physician-0", "physician-0 cannot be shown: the file data/responses-0-0.js is missing"),
        (f"a={ids[1]}", "This cannot be shown: the file data/scores-1.js is broken."),
        (f"a={ids[0]}&b={ids[2]}", "stand on different boards"),
        ("a=<img src=x onerror=window.ran=1>", "This cannot be shown: this page holds no run <img"),
    ):
        page.goto("about:blank")
        page.goto(f"{(copy / 'pages' / 'items.html').as_uri()}#{settings}")
        expect(page.get_by_role("alert")).to_contain_text(told)
    page.close()
