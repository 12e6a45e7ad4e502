"""How soon the leaderboard's page shows and filters many runs, in Chromium, from disk.

    .venv/bin/python -m benchmarks.leaderboard_page [--runs 60] [--questions 11200] [--rounds 5]

Two runs of an invented exam are written, read and made many: the others have their items, marks drawn anew, and no
texts. Prints the median seconds to the first table (limit 2 s), to the list of items, of one item with its texts, and
the milliseconds of each filter until the next picture is drawn (limit 300 ms), and what the page weighs.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl
from playwright.sync_api import Browser, Page

from openbook_eval.leaderboard import board
from openbook_eval.leaderboard.page import build
from openbook_eval.results import Runs, read_runs
from tests.browser.chromium import chromium
from tests.results.lm_eval_output import invented, write_run

TABLE_SECONDS, FILTER_MILLISECONDS = 2.0, 300.0
MODELS = ("first/model", "second/model")
# By the ids of the controls: what is chosen or typed.
FILTERS = {"by-exam": "nursing", "by-type": "multi", "by-right": "wrong", "by-flipped": "1", "by-q": "nursing-77"}

# From the change to the frame after the one that shows it.
_CHANGE = """([id, value]) => new Promise((done) => {
  const control = document.getElementById(id);
  const start = performance.now();
  control.value = value;
  control.dispatchEvent(new Event("input"));
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - start)));
})"""


def many(folder: Path, runs: int, questions: int) -> Runs:
    """`runs` runs of `questions` items, the first two of them with texts."""
    exam = invented(questions, classes=5)
    for number, model in enumerate(MODELS):
        write_run(folder, model=model, questions=exam, right=0.75 - 0.1 * number)
    taken = read_runs([folder])
    draw = np.random.default_rng(1)
    items = taken.items.filter(pl.col("run") == taken.runs[0].id)
    copies = [
        taken.runs[0].model_copy(update={"id": f"{number:016x}", "model": f"copy/{number}", "samples": ()})
        for number in range(runs - len(MODELS))
    ]
    frames = [
        items.with_columns(pl.lit(run.id).alias("run"), pl.Series("correct", draw.random(len(items)) < 0.7))
        for run in copies
    ]
    return Runs((*taken.runs, *copies), pl.concat([taken.items, *frames]), ())


def seconds(rounds: int, action: Callable[[], object]) -> float:
    """Median of several."""
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return median(taken)


def first_table(browser: Browser, index: str) -> None:
    """Opens the board in a window without a memory."""
    page = browser.new_page()
    page.goto(index)
    page.locator("tbody tr").first.wait_for()
    page.close()


def filter_milliseconds(page: Page, control: str, value: str, rounds: int) -> float:
    """Median of setting a filter; it is taken off in between."""
    found: list[float] = []
    for _ in range(rounds):
        found.append(page.evaluate(_CHANGE, [control, value]))
        page.evaluate(_CHANGE, [control, ""])
    return median(found)


def measure(browser: Browser, index: str, ids: tuple[str, str], rounds: int) -> None:
    """Prints all figures of a built page."""
    table = seconds(rounds, lambda: first_table(browser, index))
    print(f"first table: {table:.2f} s ({table / TABLE_SECONDS:.0%} of the limit)")
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    address = f"{index.removesuffix('index.html')}pages/items.html#a={ids[0]}&b={ids[1]}"
    page.goto(index)
    start = time.perf_counter()
    page.goto(address)
    page.locator(".line").first.wait_for()
    print(
        f"items of two runs: {time.perf_counter() - start:.2f} s, {page.locator('.line').count()} lines in the document"
    )
    start = time.perf_counter()
    page.locator(".line").nth(5).click()
    page.locator(".response").first.wait_for()
    print(f"one item with its texts: {time.perf_counter() - start:.2f} s")
    for control, value in FILTERS.items():
        took = filter_milliseconds(page, control, value, rounds)
        print(f"filter {control.removeprefix('by-')}: {took:.0f} ms ({took / FILTER_MILLISECONDS:.0%} of the limit)")
    print(f"memory of the page: {page.evaluate('performance.memory.usedJSHeapSize') / 1e6:.0f} MB")


def main() -> None:
    """Writes, builds, measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--questions", type=int, default=11_200)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        taken = many(Path(folder) / "runs", arguments.runs, arguments.questions)
        boards = board.boards(taken)
        start = time.perf_counter()
        index = build(taken, boards, Path(folder) / "report")
        files = [path for path in index.parent.rglob("*") if path.is_file()]
        weight = sum(path.stat().st_size for path in files) / 1e6
        built = f"{time.perf_counter() - start:.0f} s, {weight:.0f} MB in {len(files):,} files"
        print(f"{len(taken.runs)} runs of {arguments.questions:,} items: built in {built}")
        with_texts = [run.id for run in taken.runs if run.samples]
        with chromium() as browser:
            measure(browser, index.as_uri(), (with_texts[0], with_texts[1]), arguments.rounds)


if __name__ == "__main__":
    main()
