"""The report of a study: what is written to its folder from whatever is there, its curves, and the terminal's part."""

import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from openbook_eval.errors import OpenbookError
from openbook_eval.leaderboard.svg import Plot, draw
from openbook_eval.study import report as reporting
from openbook_eval.study.report import Report, curves, lay_out
from openbook_eval.study.results import Arm
from openbook_eval.study.workflow import Workflow
from openbook_eval.types import Question
from tests.study.made import CONDITIONS, arm, as_it_is, examine, fail, printed, record, trained, workflow_of

HOSTILE = "<script>alert(1)</script> | [x](http://y) \x1b[31m`"


def right(share: float, seed: int = 0) -> Callable[[Question], bool]:
    """The same questions are hard whatever was trained; a seed changes a few of them."""

    def is_right(question: Question) -> bool:
        drawn = hashlib.sha256(question.id.encode()).digest()[0] / 256
        own = hashlib.sha256(f"{question.id} {seed} {share}".encode()).digest()[0] / 256
        return drawn + 0.1 * (own - 0.5) < share

    return is_right


def falling(work: Path) -> Workflow:
    """Two ratios far apart with two seeds each, and the base."""
    cells = [as_it_is()]
    examine(work, cells[0], right(0.9))
    for ratio, share in (("9:1", 0.8), ("1:9", 0.2)):
        for seed in (1, 2):
            cells.append(trained(ratio, seed))
            examine(work, cells[-1], right(share, seed))
    return workflow_of(cells)


def files(folder: Path) -> dict[str, str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of `falling`, which no test changes."""
    work = tmp_path_factory.mktemp("work")
    return reporting.write(falling(work), work)


def test_a_report_has_its_parts_in_one_folder(written: Report) -> None:
    assert written.folder.parts[-2:] == ("reports", "tiny")
    there = set(files(written.folder))
    assert {"report.md", "points.csv", "index.html", "data/runs.js"} < there
    assert "plots/study-ratio.svg" in there
    assert (written.cells, written.done) == (5, 5)
    assert (written.found.undone, written.found.refused) == ((), ())
    points = pl.read_csv(written.folder / "points.csv")
    assert [points.filter(source=source).height for source in ("tiny", "paper")] == [10, 34]
    assert set(points.filter(source="tiny", seed=2)["cell"]) == {"tiny_mix91_400-seed2", "tiny_mix19_400-seed2"}


def test_what_replicates_is_said_with_its_figures(written: Report) -> None:
    text = (written.folder / "report.md").read_text(encoding="utf-8")
    head, own, paper, _ = re.findall(r"^ *- .*$", text, re.M)[:4]
    assert head.startswith("- **replicates**: The more of the data is medical")
    assert own == (
        "  - this study: -56.7 points (-70.7 to -42.6), p &lt;0.001 (t over questions and seeds, 2 seeds); "
        "the tiny model -56.7"
    )
    assert paper.startswith("  - the paper's own figures bear it out: -4.5 points (-6.6 to -2.4), p &lt;0.001 (Page's")
    assert "Only directions are compared with the paper" in text


def test_figures_stand_beside_what_readers_without_understanding_get(written: Report) -> None:
    readers = "without understanding: chance: 21.3, majority letter: 50.0, longest option: 20.0"
    text = (written.folder / "report.md").read_text(encoding="utf-8")
    assert f"- openbook, {readers}, string matching: 100.0\n- closedbook, {readers}\n\n## Files" in text
    assert "](plots/study-ratio.svg)" in text


def test_the_page_shows_the_runs_by_their_cells_and_the_curves_of_the_study(written: Report) -> None:
    board = (written.folder / "data" / "runs.js").read_text(encoding="utf-8")
    assert '"model":"tiny_mix91_400-seed2"' in board
    plots = (written.folder / "pages" / "plots.html").read_text(encoding="utf-8")
    assert "Beside the paper&#39;s table 4. Points are means over seeds" in plots
    assert str(written.folder.parents[1]) not in board


def test_the_same_results_make_the_same_bytes(tmp_path: Path) -> None:
    graph = falling(tmp_path)
    once = files(reporting.write(graph, tmp_path).folder)
    assert files(reporting.write(graph, tmp_path).folder) == once


def test_of_nothing_there_is_a_report_that_says_so(tmp_path: Path) -> None:
    report = reporting.write(workflow_of([trained("9:1", 1)]), tmp_path)
    assert set(files(report.folder)) == {"report.md", "points.csv"}
    text = (report.folder / "report.md").read_text(encoding="utf-8")
    assert "0 failed, 1 are to be done" in text
    assert "index.html" not in text
    assert "0 of 1 cells are evaluated" in printed(lay_out(report))


def test_what_failed_waits_cannot_be_read_or_was_asked_something_else_stands_beside_what_is_counted(
    tmp_path: Path,
) -> None:
    graph = falling(tmp_path)
    failed, waiting, broken, other = (trained("4:1", seed) for seed in (1, 2, 3, 4))
    fail(tmp_path, "train", failed, "CUDA out of memory")
    (tmp_path / f"evaluate/{broken.name}").mkdir(parents=True)
    record(tmp_path, "evaluate", broken, CONDITIONS)
    examine(tmp_path, other, right(0.5), limit=5)
    report = reporting.write(workflow_of([*graph.cells, waiting, failed, broken, other]), tmp_path)
    text = (report.folder / "report.md").read_text(encoding="utf-8")
    for said in (
        "5 of 9 cells are evaluated",
        "2 more have no run that is in a figure.",
        "1 failed, 1 are to be done.",
    ):
        assert said in text
    missing, asked = text.partition("## What is missing")[2].splitlines(), "asks 30 of 60 questions (--limit)"
    lines = [line for line in missing if r"4-seed" in line or line.startswith("- ")][:5]
    assert lines[:2] == [
        r"- failed: tiny\_mix41\_400-seed1: train/tiny\_mix41\_400-seed1: CUDA out of memory (log: log.txt)",
        r"- to be done: tiny\_mix41\_400-seed2: train/tiny\_mix41\_400-seed2: not done yet",
    ]
    assert lines[2].startswith("- in no figure: ")
    assert report.found.refused[1:] == tuple(f"{other.name}, {name}: {asked}" for name in CONDITIONS)
    assert str(tmp_path) not in text.replace("\\", "")
    assert "CUDA out of memory" in printed(lay_out(report))
    assert {each.cell.mix and each.cell.mix.ratio for each in report.found.arms} == {None, "9:1", "1:9"}


def test_text_from_outside_is_shown_and_never_markup(tmp_path: Path) -> None:
    cell, failed = as_it_is(f"owner/{HOSTILE.replace('/', '')}"), trained("9:1", 1)
    examine(tmp_path, cell, 0.5)
    fail(tmp_path, "train", failed, HOSTILE)
    graph = workflow_of([cell, failed], title=HOSTILE)
    report = reporting.write(graph, tmp_path)
    for path in report.folder.rglob("*"):
        if path.suffix in (".md", ".html", ".svg", ".js") and "assets" not in path.parts:
            assert b"<script>alert" not in path.read_bytes()
    text = (report.folder / "report.md").read_text(encoding="utf-8")
    assert r"&lt;script&gt;alert(1)&lt;/script&gt; \| \[x\](http\://y)" in text
    assert "\x1b" not in text + printed(lay_out(report))


def test_the_terminal_shows_cells_claims_and_where_the_files_lie(written: Report) -> None:
    text = printed(lay_out(written))
    for part in ("5 of 5 cells are evaluated", "Table 4", "as it is", "replicates", "not in this study", "index.html"):
        assert part in text


def test_a_folder_that_is_no_report_is_left_alone(tmp_path: Path) -> None:
    graph = workflow_of([trained("9:1", 1)])
    folder = tmp_path / "reports" / "tiny"
    folder.mkdir(parents=True)
    (folder / "thesis.tex").write_text("years of work", encoding="utf-8")
    with pytest.raises(OpenbookError, match="is not a report of a study"):
        reporting.write(graph, tmp_path)
    assert (folder / "thesis.tex").read_text(encoding="utf-8") == "years of work"


RATIOS = ("9:1", "4:1", "1:1", "1:4", "1:9")
HALF = np.tile([1.0, 0.0], 60)


def own(figure: Plot, panel: str = "open book") -> list[tuple[Any, ...]]:
    return [row for row in figure.frame.rows() if row[0] == panel]


def study(model: str = "models/tiny", conditions: Sequence[str] = ("openbook", "closedbook")) -> list[Arm]:
    scores = np.stack([HALF, HALF, np.ones(120)])
    return [
        *(arm(scores, ratio, condition=name, model=model) for name in conditions for ratio in RATIOS),
        *(
            arm(scores, "0:1", table=5, rows=rows, condition=name, model=model)
            for name in conditions
            for rows in (100, 400)
        ),
        *(arm(HALF[None, :], None, table=None, condition=name, model=model) for name in conditions),
    ]


def test_a_study_without_trainings_of_tables_4_and_5_has_no_curve() -> None:
    assert list(curves([arm(HALF[None, :], None, table=1), arm(HALF[None, :], "1:0", table=3)])) == []


def test_a_ratio_has_the_mean_over_seeds_and_stands_beside_the_paper() -> None:
    ratio, _ = curves(study())
    panel, model, _, x, seeds, share, low, high = own(ratio)[0]
    assert (panel, model, x, seeds) == ("open book", "the tiny model", "9:1", 3)
    assert share == (0.5 + 0.5 + 1) / 3
    assert low == 0.0
    assert high == 1.0
    assert [row[2:4] for row in own(ratio)] == [*((None, ratio) for ratio in RATIOS), ("before training", None)]
    assert len(own(ratio, "closed book")) == 6
    assert len(own(ratio, "the paper, open book")) == 20


def test_names_of_models_are_text_in_a_picture_and_chinese_ones_stand_whole() -> None:
    for model in ("x/<script>alert(1)</script>", "owner/医学模型"):
        picture = draw(next(curves(study(model))))
        assert "<script" not in picture
        assert ("医学模型" in picture) is (model == "owner/医学模型")


def test_what_was_trained_twice_in_other_ways_is_two_lines() -> None:
    twice = [arm(HALF[None, :], ratio) for ratio in ("9:1", "1:9", "9:1", "1:9")]
    (ratio,) = curves(twice)
    assert [row[3] for row in own(ratio)] == ["9:1", "1:9", "9:1", "1:9"]
    assert sum(mark.css == "c0 line" for mark in ratio.panels[0].marks) == 2
