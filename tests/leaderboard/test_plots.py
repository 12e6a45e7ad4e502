"""Plots as data with values that a test can tell beforehand, and their drawing as text that nothing escapes from."""

from typing import Any
from xml.etree import ElementTree

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbook_eval.leaderboard import svg
from openbook_eval.leaderboard.board import Board, Row, boards
from openbook_eval.leaderboard.plots import PLOTS, Shown, plots
from openbook_eval.leaderboard.stats import Averages, Estimate, Interval, Rank
from openbook_eval.leaderboard.svg import Axis, Plot
from openbook_eval.results import Run, Runs, comparable_groups
from openbook_eval.results.runs import AskedExam, TrainingRecord
from openbook_eval.types import SIX_EXAMS
from tests.leaderboard.hand_made import first, make_run, make_runs

SHARE = st.integers(0, 4).map(lambda fifth: fifth / 4)


def shown(found: Runs) -> Shown:
    return Shown(boards(found), {run.id: found.items_of(run) for run in found.runs})


def together(*found: Runs) -> Runs:
    return Runs(tuple(run for each in found for run in each.runs), pl.concat([each.items for each in found]))


def of(name: str, given: Shown) -> list[Plot]:
    return list(PLOTS[name](given))


def board_of(*runs: Run, share: float = 0.6) -> Shown:
    estimate = Estimate(share, Interval(share - 0.02, share + 0.02), 60)
    averages = Averages((estimate,) * 6, estimate, estimate)
    runs = tuple(run.model_copy(update={"exam": AskedExam(name="cmb", version="1", sha256="e")}) for run in runs)
    rows = tuple(Row(run, averages, {}, Rank(1, 1)) for run in runs)
    groups = comparable_groups(runs)
    return Shown([Board(g, SIX_EXAMS, tuple(r for r in rows if r.run in g.runs), None, ()) for g in groups], {})


def trained(recipe: str, *, finished: bool = True) -> TrainingRecord:
    return TrainingRecord(recipe=recipe, started="2026-01-01T00:00:00+00:00", finished=finished)


def own(plot: Plot) -> list[tuple[Any, ...]]:
    return [row for row in plot.frame.rows() if row[1] == "own"]


def test_the_papers_tables_stand_there_without_own_runs() -> None:
    ratio, size = plots(Shown([], {}))
    assert (ratio.name, ratio.frame.height, size.name, size.frame.height) == ("ratio", 20, "size", 8)
    assert [row[4] for row in ratio.frame.rows() if row[:4] == ("Qwen1.5-7B", "paper", "", "4:1")] == [
        pytest.approx(0.6227)
    ]
    assert ratio.x.order == ["9:1", "4:1", "1:1", "1:4", "1:9"]
    assert size.frame["medical pairs"].to_list() == [10_000, 20_000, 50_000, 70_000, 80_000, 90_000, 100_000, 200_000]


@pytest.mark.parametrize(
    ("plot", "recipe", "x"),
    [
        ("ratio", "my/qwen7b_mix91.yml", "9:1"),
        ("ratio", "qwen7b_mix11_full.yml", "1:1"),
        ("size", "qwen7b_med70k.yml", 70_000),
    ],
)
def test_a_run_stands_where_its_recipe_does(plot: str, recipe: str, x: str | int) -> None:
    found = board_of(make_run("out/a", trained_on=trained(recipe)))
    ((point,), others) = (own(of(plot, found)[0]), own(of({"ratio": "size", "size": "ratio"}[plot], found)[0]))
    assert point == ("Qwen1.5-7B", "own", "out/a", x, 0.6, 0.6 - 0.02, 0.6 + 0.02)
    assert others == []


def test_other_recipes_conditions_boards_and_runs_that_were_not_trained_to_the_end_are_left_out() -> None:
    records = [None, trained("mix41.yml"), trained("qwen7b_mix41.yml", finished=False), trained("pulse_general.yml")]
    assert own(of("ratio", board_of(*(make_run(f"m{n}", trained_on=each) for n, each in enumerate(records))))[0]) == []
    run = make_run("a", trained_on=trained("qwen7b_mix41.yml"))
    closed, other = make_run("b", "closedbook", trained_on=run.trained_on), run.model_copy(update={"items_sha256": "1"})
    assert [row[2] for row in own(of("ratio", board_of(run, closed, other))[0])] == ["a"]
    assert own(of("ratio", board_of(run, share=float("nan")))[0]) == []


def test_gain_is_the_share_right_with_the_book_less_that_without() -> None:
    runs = [make_runs({"m": first(9)}), make_runs({"m": first(4)}, condition="closedbook", id="closed")]
    (plot,) = of("gain", shown(together(*runs)))
    ((model, knowledge, low, high, gain, gain_low, gain_high, questions),) = plot.frame.rows()
    assert (plot.name, model, questions) == ("gain-openbook-0", "m", 60)
    assert [knowledge, gain] == pytest.approx([0.4, 0.5])
    assert float(str(low)) < 0.4 < float(str(high))
    assert float(str(gain_low)) < 0.5 < float(str(gain_high))
    assert of("gain", shown(runs[0])) == []
    # Asked in another way: not of the same model under the same chat template.
    other = make_runs({"m": first(4)}, condition="closedbook", id="closed", settings={"engine": "hf"})
    assert of("gain", shown(together(runs[0], other))) == []


def test_retention_stands_for_the_whole_book_and_for_each_fifth_of_it() -> None:
    opened = make_runs({"m": lambda _, place: place < 3}, sizes={"nursing": 4}, condition="reading_open")
    library = make_runs(
        {"m": lambda _, place: {0: True, 3: True}.get(place, False)},
        sizes={"nursing": 4}, condition="reading_library_4k", id="library",
    )  # fmt: skip
    depths = pl.Series("depth", [0.0, 0.1, 0.5, 1.0])
    library = Runs(library.runs, library.items.with_columns(depths, pl.lit(4000, pl.Int64).alias("book_length")))
    (plot,) = of("retention", shown(together(opened, library)))
    # At the back none was right on its own entry: there is nothing to retain.
    assert plot.frame.rows() == [
        ("m", "4k", "all", 2 / 3, 4), ("m", "4k", "0–0.2", 1 / 2, 2), ("m", "4k", "0.4–0.6", 0.0, 1)
    ]  # fmt: skip
    assert ">67</text>" in svg.draw(plot)
    assert of("retention", shown(opened)) == of("retention", shown(library)) == []


def test_exams_and_strict_hold_all_models_and_their_pictures_the_best() -> None:
    found = shown(make_runs({f"m{number:02}": first(number % 10) for number in range(24)}))
    (exams,), (strict,) = of("exams", found), of("strict", found)
    assert (exams.name, exams.frame.height, len(exams.panels)) == ("exams-0", 24 * 6, 6)
    assert [sum(mark.css == "c0 shape" for mark in panel.marks) for panel in exams.panels] == [20] * 6
    assert exams.left_out == " The picture shows 20 of 24 models, the table all."
    assert (strict.frame.height, len(strict.legend)) == (24, 20)
    assert strict.frame.row(0) == ("m09", 0.9, 0.9)


def test_long_names_are_cut_each_its_own() -> None:
    cut = f"{'a' * 11}…{'a' * 11}"
    short = svg.short_names(["a" * 40, "a" * 41, "医", " "])
    assert list(short.values()) == [cut, f"{cut} (2)", "医", "(no name)"]


@settings(deadline=None)
@given(st.lists(st.text(), min_size=1, max_size=3), SHARE, SHARE, st.sampled_from(["points", "line", "fields"]))
def test_any_text_is_drawn_as_text(names: list[str], x: float, y: float, mark: Any) -> None:
    frame = pl.DataFrame({"of": names[0], "model": names, "x": x, "y": y, "low": y, "high": y})
    axes = Axis("x"), Axis("y", ends=("low", "high"))
    value = "y" if mark == "fields" else ""
    plot = Plot("p", "t", "c", frame, *axes, mark=mark, facet="of", value=value)
    drawn = ElementTree.fromstring(svg.draw(plot))  # noqa: S314 - ours
    texts = {element.text or "" for element in drawn.iter("{http://www.w3.org/2000/svg}text")}
    assert {svg.shown_on_page(name) for name in plot.legend} <= texts
    ours = {"svg", "style", "g", "text", "path", "title"}
    assert {element.tag.rpartition("}")[2] for element in drawn.iter()} <= ours


def test_numbers_on_axes_are_round() -> None:
    assert [svg.short_number(number) for number in (400, 3_950, 200_000)] == ["400", "3.95k", "200k"]
    assert svg.scale_of([0.62, 0.71]) == (0.6, 0.75)
    assert svg.scale_of([0.2, 0.71]) == (0.2, 0.8)
    assert svg.scale_of([]) == (0.0, 1.0)
