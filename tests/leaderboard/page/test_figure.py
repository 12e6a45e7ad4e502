"""Names of models in a picture, and a picture that no name breaks out of."""

from collections.abc import Callable
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbook_eval.leaderboard.board import Board
from openbook_eval.leaderboard.page.plots.drawing import THEMES, draw
from openbook_eval.leaderboard.page.plots.figure import Figure, labels
from openbook_eval.leaderboard.page.plots.profile import by_exam, strictly
from tests.leaderboard.page.boards import make_board, make_row, make_run

Make = Callable[[Board, str], Figure | None]
# All that Vega draws with.
DRAWN = {"svg", "g", "path", "line", "text", "tspan", "defs", "linearGradient", "stop", "clipPath", "rect"}
HOSTILE = (
    "<script>alert(1)</script>",
    "</svg><img src=x onerror=alert(1)>",
    "'\"><a href='javascript:alert(1)'>",
    "\x00\x1b[31m\u202eevil\ud800",
    "{datum.url}",
    "=1+1",
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "datum.place === 0",
    "x" * 100_000,
)


def test_a_long_name_is_cut_in_the_middle() -> None:
    assert labels(["organisation/a-model-of-7b-trained-on-mix-41"]) == ["organisation/a-…ained-on-mix-41"]
    assert labels(["organisation/a-model-of-7b-mix41"]) == ["organisation/a-model-of-7b-mix41"]


def test_names_that_look_alike_are_numbered() -> None:
    assert labels(["a", "a\u202e", "a\ufffd", ""]) == ["a", "a\ufffd", "a\ufffd (2)", "(no name)"]


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=())), max_size=8))
def test_labels_are_short_printable_and_each_its_own(names: list[str]) -> None:
    found = labels(names)
    assert len(set(found)) == len(found) == len(names)
    assert all(label.isprintable() and 0 < len(label) < 40 for label in found)


@pytest.mark.parametrize("make", [by_exam, strictly])
def test_no_name_of_a_model_becomes_markup_or_script(make: Make) -> None:
    board = make_board(*(make_row(make_run(name), 0.5, correct_strict=0.4) for name in HOSTILE))
    figure = make(board, "name")
    assert figure is not None
    for picture in draw(figure).values():
        elements = list(ElementTree.fromstring(picture).iter())  # noqa: S314 - what is tested
        assert {element.tag.rpartition("}")[2] for element in elements} <= DRAWN
        assert not [name for element in elements for name in element.attrib if name.startswith("on") or "href" in name]
        assert "<script>alert(1)</script>" in {element.text for element in elements}
    assert [row[0] for row in figure.rows][-1] == HOSTILE[-1]


def test_a_figure_is_drawn_for_each_theme_in_its_own_colours() -> None:
    figure = strictly(make_board(make_row(make_run(), 0.5, correct_strict=0.4)), "strict")
    assert figure is not None
    pictures = draw(figure)
    assert list(pictures) == ["light", "dark"] == list(THEMES)
    for name, theme in THEMES.items():
        assert theme.ink in pictures[name]
        assert theme.colours[0] in pictures[name]


def test_the_same_figure_is_drawn_the_same() -> None:
    figure = by_exam(make_board(make_row(make_run())), "profile")
    assert figure is not None
    assert draw(figure) == draw(figure)


def test_a_picture_of_many_models_stays_small() -> None:
    rows = [make_row(make_run(f"organisation/model-{n}"), n / 100, correct_strict=n / 200) for n in range(60)]
    board = make_board(*rows)
    for figure in (by_exam(board, "profile"), strictly(board, "strict")):
        assert figure is not None
        assert "The picture shows 20 of 60 models, the table all." in figure.caption
        assert len(draw(figure)["light"].encode()) < 100_000
        assert {row[0] for row in figure.rows} == {f"organisation/model-{n}" for n in range(60)}
