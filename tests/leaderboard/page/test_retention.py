"""Maps of retention hold what openbook_eval.measures says."""

from collections.abc import Sequence
from xml.etree import ElementTree

import polars as pl

from openbook_eval.leaderboard.board import Board
from openbook_eval.leaderboard.page.plots.drawing import draw
from openbook_eval.leaderboard.page.plots.retention import by_depth
from openbook_eval.leaderboard.page.plots.sittings import sittings
from openbook_eval.results import ITEMS
from tests.leaderboard.page.boards import make_board, make_row, make_run

OPEN, LIBRARY = "some/model reading_open", "some/model reading_library_4k"


def items(run: str, correct: Sequence[bool | None], depths: Sequence[float | None]) -> pl.DataFrame:
    rows = [
        {"run": run, "id": f"q{n}", "exam": "nursing", "depth": depth, "correct": mark}
        for n, (mark, depth) in enumerate(zip(correct, depths, strict=True))
    ]
    return pl.DataFrame(rows, schema=ITEMS)


def boards_of(*conditions: str) -> list[Board]:
    return [make_board(make_row(make_run(condition=condition))) for condition in conditions]


def test_retention_stands_for_the_whole_book_and_for_each_fifth_of_it() -> None:
    (group,) = sittings(boards_of("reading_open", "reading_library_4k"))
    marks = {
        OPEN: items(OPEN, [True, True, True, False], [None] * 4),
        LIBRARY: items(LIBRARY, [True, False, False, True], [0.0, 0.1, 0.5, 1.0]),
    }
    figure = by_depth(group, marks, "retention")
    assert figure is not None
    # At the back none was right on its own entry: there is nothing to retain.
    assert figure.rows == (
        ("some/model", "4k", "all", 2 / 3, 4),
        ("some/model", "4k", "0–0.2", 1 / 2, 2),
        ("some/model", "4k", "0.4–0.6", 0.0, 1),
    )
    assert "67" in draw(figure)["dark"]


def test_names_that_mean_something_elsewhere_are_names_of_maps() -> None:
    names = ("constructor", "__proto__", "datum.place", "<b>'\"")
    boards = [
        make_board(*(make_row(make_run(name, c)) for name in names)) for c in ("reading_open", "reading_library_4k")
    ]
    (group,) = sittings(boards)
    marks = {run.id: items(run.id, [True], [0.0]) for sitting in group for run in sitting.runs.values()}
    figure = by_depth(group, marks, "retention")
    assert figure is not None
    texts = {element.text for element in ElementTree.fromstring(draw(figure)["light"]).iter()}  # noqa: S314 - ours
    assert texts >= set(names)


def test_a_question_without_a_response_is_in_no_retention() -> None:
    (group,) = sittings(boards_of("reading_open", "reading_library_4k"))
    marks = {OPEN: items(OPEN, [True, True], [None] * 2), LIBRARY: items(LIBRARY, [True, None], [0.0, 0.0])}
    figure = by_depth(group, marks, "retention")
    assert figure is not None
    assert figure.rows[0] == ("some/model", "4k", "all", 1.0, 1)


def test_without_both_conditions_there_is_no_map() -> None:
    for conditions in (("reading_open",), ("reading_library_4k",), ("openbook", "closedbook")):
        (group,) = sittings(boards_of(*conditions))
        assert by_depth(group, {OPEN: items(OPEN, [], []), LIBRARY: items(LIBRARY, [], [])}, "retention") is None


def test_runs_on_another_exam_or_asked_in_another_way_are_no_sitting_together() -> None:
    opened = make_board(make_row(make_run(condition="reading_open")))
    for changes in ({"shots": 2}, {"system_instruction": "a" * 64}):
        other = make_board(make_row(make_run(condition="reading_closed", **changes)))
        assert [list(group[0].runs) for group in sittings([opened, other])] == [["reading_open"], ["reading_closed"]]


def test_a_chat_template_under_one_condition_only_makes_another_sitting() -> None:
    opened = make_board(make_row(make_run(condition="reading_open")))
    closed = make_board(make_row(make_run(condition="reading_closed", chat_template="a" * 64)))
    ((one, other),) = sittings([opened, closed])
    assert (list(one.runs), list(other.runs)) == (["reading_open"], ["reading_closed"])


def test_of_two_runs_under_one_condition_that_which_asked_more_stands() -> None:
    few = make_board(make_row(make_run(id="few", asked=6, items_sha256="1" * 64)))
    many = make_board(make_row(make_run(id="many", asked=60)))
    for boards in ([few, many], [many, few]):
        ((sitting,),) = sittings(boards)
        assert sitting.runs["openbook"].id == "many"
