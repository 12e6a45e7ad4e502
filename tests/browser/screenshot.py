"""Draws the picture of the leaderboard for the README; run by hand.

    .venv/bin/python -m tests.browser.screenshot REPORT/index.html docs/images/leaderboard.png [--view '#/']

1280 pixels wide, in light colours, of the page that `openbook-eval leaderboard --html` has written.
"""

import argparse
from pathlib import Path

from tests.browser.chromium import chromium

WIDTH, HEIGHT = 1280, 800


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--view", default="#/")
    parser.add_argument("--height", type=int, default=HEIGHT)
    arguments = parser.parse_args()
    with chromium() as browser:
        page = browser.new_page(viewport={"width": WIDTH, "height": arguments.height}, color_scheme="light")
        page.goto(arguments.index.resolve().as_uri() + arguments.view)
        page.locator(".view").wait_for()
        page.wait_for_load_state("networkidle")
        page.screenshot(path=arguments.picture)
    print(f"{arguments.picture}: {arguments.picture.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
