"""Curves of a study beside the paper's: what they show, and that they are drawn."""

from collections.abc import Sequence

import numpy as np

from openbook_eval.leaderboard.svg import Cell, Plot, draw
from openbook_eval.study.findings.curves import curves
from openbook_eval.study.findings.settings import Setting
from tests.study.made import setting

RATIOS = ("9:1", "4:1", "1:1", "1:4", "1:9")
HALF = np.tile([1.0, 0.0], 60)


def own(figure: Plot, panel: str = "open book") -> list[tuple[Cell, ...]]:
    return [row for row in figure.rows if row[0] == panel]


def study(model: str = "models/tiny", conditions: Sequence[str] = ("openbook", "closedbook")) -> list[Setting]:
    marks = np.stack([HALF, HALF, np.ones(120)])
    return [
        *(setting(marks, ratio, condition=name, model=model) for name in conditions for ratio in RATIOS),
        *(
            setting(marks, "0:1", table=5, rows=rows, condition=name, model=model)
            for name in conditions
            for rows in (100, 400)
        ),
        *(setting(HALF[None, :], None, table=None, condition=name, model=model) for name in conditions),
    ]


def test_a_study_without_trainings_of_tables_4_and_5_has_no_curve() -> None:
    assert curves([setting(HALF[None, :], None, table=1), setting(HALF[None, :], "1:0", table=3)]) == []


def test_a_ratio_has_the_mean_over_seeds_and_stands_beside_the_paper() -> None:
    ratio, _ = curves(study())
    panel, model, x, seeds, share, low, high = own(ratio)[0]
    assert (panel, model, x, seeds) == ("open book", "the tiny model", "9:1", 3)
    assert share == (0.5 + 0.5 + 1) / 3
    assert low == 0.0
    assert high == 1.0
    assert [row[2] for row in own(ratio)] == [*RATIOS, "before training"]
    assert len(own(ratio, "closed book")) == 6
    assert len(own(ratio, "the paper, open book")) == 20


def test_a_size_stands_by_its_rows() -> None:
    _, size = curves(study())
    assert [row[2] for row in own(size)] == [100, 400, "before training"]
    assert [row[2] for row in own(size, "the paper, open book")][-2:] == [100_000, 200_000]


def test_a_study_of_one_condition_has_no_empty_panel() -> None:
    ratio, _ = curves(study(conditions=["reading_open"]))
    assert {row[0] for row in ratio.rows} == {"open book", "the paper, open book"}


def test_all_are_drawn_with_their_panels() -> None:
    for figure in curves(study()):
        for text in ("open book", "closed book", "the paper, open book", "the tiny model"):
            assert f">{text}</text>" in draw(figure)


def test_names_of_models_are_text_in_a_picture_and_chinese_ones_stand_whole() -> None:
    for model in ("x/<script>alert(1)</script>", "owner/医学模型"):
        picture = draw(curves(study(model))[0])
        assert "<script" not in picture
        assert ("医学模型" in picture) is (model == "owner/医学模型")


def test_what_was_trained_twice_in_other_ways_is_two_lines() -> None:
    twice = [setting(HALF[None, :], ratio) for ratio in ("9:1", "1:9", "9:1", "1:9")]
    (ratio,) = curves(twice)
    assert [row[2] for row in own(ratio)] == ["9:1", "1:9", "9:1", "1:9"]
    lines = [[point.x for point in series.points] for series in ratio.panels[0].series]
    assert lines == [["9:1", "1:9"], ["9:1", "1:9"]]
