"""How the page looks: themes, contrast, narrow screens, keyboard, paper."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, rectangle
from tests.browser.reports import BASE, LIBRARY, TUNED, Report
from tests.browser.test_hostile import views

pytestmark = pytest.mark.browser

WCAG_AA = 4.5

# The contrast of each piece of text in sight with what lies behind it, by WCAG 2.2: [ratio, text] of the least.
CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const linear = (part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b) + 0.05;
  const ground = (element) => element && rgb(getComputedStyle(element).backgroundColor);
  const behind = (element) => (ground(element)[3] === 255 ? ground(element) : behind(element.parentElement));
  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element.checkVisibility() || element.closest(":disabled, title")) continue;
    const [less, more] = [light(rgb(getComputedStyle(element).color)), light(behind(element))].sort((a, b) => a - b);
    found.push([more / less, texts.currentNode.data.slice(0, 40)]);
  }
  return found.sort((a, b) => a[0] - b[0])[0];
}"""


def all_views(report: Report) -> list[str]:
    return [*views(report), report.items_address(BASE, TUNED, item="nursing-3")]


def background(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_the_theme_is_the_systems_until_the_button_turns_it(report: Report, open_page: Open) -> None:
    assert background(open_page(report.address(), color_scheme="dark")) == "rgb(20, 23, 27)"
    page = open_page(report.address("pages/plots.html"), color_scheme="light")
    assert background(page) == "rgb(255, 255, 255)"
    line = page.locator("#ratio .c0.line").first
    assert line.evaluate("line => getComputedStyle(line).stroke") == "rgb(0, 114, 178)"
    page.get_by_role("button", name="Dark colours").click()
    assert background(page) == "rgb(20, 23, 27)"
    assert line.evaluate("line => getComputedStyle(line).stroke") == "rgb(86, 180, 233)"
    page.reload()
    assert background(page) == "rgb(20, 23, 27)"
    expect(page.get_by_role("button", name="Light colours")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_the_contrast_of_wcag_aa(scheme: str, report: Report, open_page: Open) -> None:
    for address in all_views(report):
        page = open_page(address, color_scheme=scheme)
        page.wait_for_load_state()
        ratio, text = page.evaluate(CONTRAST)
        assert ratio >= WCAG_AA, text


@pytest.mark.parametrize("width", [390, 768, 1400])
def test_a_page_scrolls_in_its_boxes_only_and_plots_fill_its_grid(width: int, report: Report, open_page: Open) -> None:
    for address in all_views(report):
        page = open_page(address, width=width, height=780)
        page.wait_for_load_state()
        assert page.evaluate("document.documentElement.scrollWidth") == width, address
    plots = open_page(report.address("pages/plots.html"), width=width).locator("figure").all()
    places = [rectangle(figure) for figure in plots[:2]]
    assert (places[0]["y"] == places[1]["y"]) is (width > 900)
    assert all(place["x"] > 0 and place["x"] + place["width"] <= width for place in places)


def test_keys_alone_reach_the_content_and_a_run(report: Report, open_page: Open) -> None:
    page = open_page(report.address())
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    run = page.get_by_role("link", name=BASE)
    for _ in range(60):
        page.keyboard.press("Tab")
        if run.evaluate("link => link === document.activeElement"):
            break
    assert run.evaluate("link => getComputedStyle(link).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(BASE)


def test_paper_holds_the_table_the_prompt_and_light_plots_but_no_controls(report: Report, open_page: Open) -> None:
    page = open_page(report.address(), color_scheme="dark")
    page.emulate_media(media="print")
    assert background(page) == "rgb(255, 255, 255)"
    for control in ("#theme", ".tools", ".choose", ".top nav"):
        expect(page.locator(control).first).to_be_hidden()
    assert page.locator(".box").evaluate("box => getComputedStyle(box).overflowX") == "visible"
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    page = open_page(report.items_address(BASE, condition=LIBRARY, item="nursing-3"))
    page.locator("mark").wait_for()
    page.emulate_media(media="print")
    assert page.locator(".prompt").evaluate("box => box.scrollHeight <= box.clientHeight + 1")
    expect(page.get_by_role("listbox")).to_be_hidden()
