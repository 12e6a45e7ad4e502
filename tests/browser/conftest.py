"""A browser, a report built once, and pages that fail a test by what they print or ask for."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, FloatRect, Locator, Page, Request

from tests.browser.chromium import chromium
from tests.browser.reports import Report, build_report

Open = Callable[..., Page]


def rectangle(locator: Locator) -> FloatRect:
    """Where something lies on the page, in pixels."""
    found = locator.bounding_box()
    assert found is not None
    return found


# Closed with the last test here: as long as it is open an event loop runs, and no other test could start one.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return build_report(tmp_path_factory.mktemp("report"))


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Opens an address in a window of its own; errors, messages in the console and foreign requests fail the test."""
    faults: list[str] = []
    contexts = []

    def asked(request: Request) -> None:
        if not request.url.startswith("file:"):
            faults.append(f"asked for {request.url}")

    def opened(address: str, *, width: int = 1280, height: int = 900, **settings: object) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **settings)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        page.on("console", lambda message: faults.append(f"{message.type}: {message.text}"))
        page.on("request", asked)
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def browser_page(browser: Browser) -> Iterator[Page]:
    """A page whose faults are wanted."""
    page = browser.new_page()
    yield page
    page.close()
