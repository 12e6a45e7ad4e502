"""Own runs beside the paper's tables 4 and 5, by what the table of recipes says of their training."""

import pytest

from openbook_eval.leaderboard.page.plots import study
from openbook_eval.leaderboard.page.plots.drawing import draw
from openbook_eval.leaderboard.page.plots.figure import Cell, Figure
from openbook_eval.leaderboard.page.plots.studied import Studied, StudiedRun
from tests.leaderboard.page.boards import make_board, make_row, make_run, trained


def own(figure: Figure) -> list[tuple[Cell, ...]]:
    return [row for row in figure.rows if row[1] == "own"]


def test_the_papers_tables_stand_there_without_own_runs() -> None:
    ratio, size = study.by_ratio([]), study.by_size([])
    assert len(ratio.rows) == 20
    assert len(size.rows) == 8
    assert {row[:4] for row in ratio.rows} >= {("Qwen1.5-7B", "paper", "", "4:1"), ("Qwen1.5-14B", "paper", "", "1:9")}
    assert [row[4] for row in ratio.rows if row[:4] == ("Qwen1.5-7B", "paper", "", "4:1")] == [pytest.approx(0.6227)]
    assert [row[3] for row in size.rows] == [10_000, 20_000, 50_000, 70_000, 80_000, 90_000, 100_000, 200_000]


@pytest.mark.parametrize(
    ("recipe", "x"), [("qwen7b_mix91.yml", "9:1"), ("qwen7b_mix11_full.yml", "1:1"), ("my/qwen7b_mix19.yml", "1:9")]
)
def test_a_run_stands_at_the_ratio_of_its_recipe(recipe: str, x: str) -> None:
    board = make_board(make_row(make_run("out/a", trained_on=trained(recipe)), 0.6))
    (point,) = own(study.by_ratio([board]))
    assert point[:5] == ("Qwen1.5-7B", "own", "out/a", x, 0.6)
    assert point[5:] == (0.6 - 0.02, 0.6 + 0.02)
    assert own(study.by_size([board])) == []


def test_a_run_stands_at_the_size_of_its_recipe() -> None:
    board = make_board(make_row(make_run("out/a", trained_on=trained("qwen7b_med70k.yml")), 0.6))
    assert [row[:5] for row in own(study.by_size([board]))] == [("Qwen1.5-7B", "own", "out/a", 70_000, 0.6)]


def test_a_model_without_a_recipe_of_ours_or_not_trained_to_its_end_is_left_out() -> None:
    records = [None, trained("mix41.yml"), trained("qwen7b_mix41.yml", finished=False), trained("pulse_general.yml")]
    board = make_board(*(make_row(make_run(f"m{n}", trained_on=each)) for n, each in enumerate(records)))
    assert own(study.by_ratio([board])) == own(study.by_size([board])) == []


def test_other_conditions_and_boards_unlike_the_first_are_left_out() -> None:
    record = trained("qwen7b_mix41.yml")
    boards = [
        make_board(make_row(make_run(name, condition, trained_on=record, items_sha256=items)))
        for name, condition, items in (
            ("a", "closedbook", "1" * 64),
            ("b", "openbook", "1" * 64),
            ("c", "openbook", "2" * 64),
        )
    ]
    assert [row[2] for row in own(study.by_ratio(boards))] == ["b"]


def test_a_run_without_an_average_is_left_out() -> None:
    board = make_board(make_row(make_run(trained_on=trained("qwen7b_mix41.yml")), float("nan")))
    assert own(study.by_ratio([board])) == []


def test_both_are_drawn_with_a_run_alone_on_its_line() -> None:
    recipes = ("qwen7b_mix41.yml", "qwen7b_med70k.yml")
    board = make_board(*(make_row(make_run(recipe, trained_on=trained(recipe)), 0.6) for recipe in recipes))
    for figure in (study.by_ratio([board]), study.by_size([board])):
        assert "own" in draw(figure)["light"]


def studied(name: str, table: int, general: int, medical: int, rows: int = 400, share: float = 0.6) -> Studied:
    return Studied(name, table, "some model", general, medical, rows, share, share - 0.1, share + 0.1)


def of_a_study(model: str, place: Studied | None) -> StudiedRun:
    return StudiedRun(**dict(make_run(model, trained_on=trained("recipe.yml"))), studied=place)


def test_the_seeds_of_a_study_stand_as_one_point_with_its_band() -> None:
    place = studied("tiny (3 seeds)", 4, 4, 1)
    board = make_board(*(make_row(of_a_study(f"seed{seed}", place), 0.1 * seed) for seed in (1, 2, 3)))
    assert own(study.by_ratio([board])) == [("some model", "own", "tiny (3 seeds)", "4:1", 0.6, 0.5, 0.7)]
    assert own(study.by_size([board])) == []


def test_a_study_stands_at_its_own_sizes_and_ratios() -> None:
    places = [studied("a", 5, 0, 1, 100), studied("b", 5, 0, 1, 2_000), studied("c", 4, 1, 0), studied("d", 4, 0, 1)]
    board = make_board(*(make_row(of_a_study(place.name, place)) for place in places))
    ratio, size = study.by_ratio([board]), study.by_size([board])
    assert [row[3] for row in own(size)] == [100, 2_000]
    drawn = ratio.chart().to_dict()["layer"][0]["encoding"]["x"]["scale"]["domain"]
    assert drawn == ["1:0", "9:1", "4:1", "1:1", "1:4", "1:9", "0:1"]
    assert "some model" in draw(size)["light"]


def test_what_a_study_trained_in_two_ways_are_two_lines() -> None:
    places = [studied("lora", 4, 4, 1), studied("full", 4, 4, 1, share=0.7)]
    board = make_board(*(make_row(of_a_study(place.name, place)) for place in places))
    values = study.by_ratio([board]).chart().to_dict()["layer"][0]["data"]["values"]
    assert [row["line"] for row in values if row["source"] == "own"] == ["1", "2"]


def test_a_run_of_a_study_that_trained_nothing_is_left_out() -> None:
    board = make_board(make_row(of_a_study("base", None)))
    assert own(study.by_ratio([board])) == own(study.by_size([board])) == []


def test_sizes_are_labelled_by_round_numbers() -> None:
    assert study.size_labels([10_000, 200_000]) == [10_000, 20_000, 50_000, 100_000, 200_000]
    assert study.size_labels([100, 200_000]) == [100, 1_000, 10_000, 100_000]
    assert study.size_labels([300, 400]) == []
