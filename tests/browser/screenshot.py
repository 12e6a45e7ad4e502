"""Draw a picture of a page that `openbook-eval leaderboard --html` has written, for the README; run by hand.

.venv/bin/python -m tests.browser.screenshot REPORT/index.html docs/images/leaderboard.png [WIDTH HEIGHT]
"""

import sys
from pathlib import Path

from tests.browser.chromium import chromium


def main(view: str, picture: str, width: int = 1280, height: int = 800) -> None:
    with chromium() as browser:
        page = browser.new_page(viewport={"width": int(width), "height": int(height)}, color_scheme="light")
        page.goto(Path(view).resolve().as_uri())
        page.screenshot(path=picture)


if __name__ == "__main__":
    main(*sys.argv[1:])  # type: ignore[arg-type]
