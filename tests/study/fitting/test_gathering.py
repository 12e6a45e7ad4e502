"""What is one setting, one model and one group: points of any bases, recipes, tables and sizes."""

from dataclasses import replace

from openbook_eval.study.fitting import fit
from openbook_eval.study.fitting.values import Varies
from tests.study.fitting.simulated import FIVE, NINE, SIZES, points

READING = points(lambda r, _d: 0.7 - 0.2 * r**2, NINE, 0.002, seeds=2)
KNOWLEDGE = points(lambda r, _d: 0.3 + 0.2 * r**0.5, NINE, 0.002, seeds=2, generator=1, condition="closedbook")


def test_fourths_and_eighths_are_one_ratio() -> None:
    made = points(lambda _r, _d: 0.6, [*FIVE[1:], (8, 2, 1000)], 0.01)
    assert fit(made, draws=100).groups[0].reading.settings == 4


def test_bases_with_one_title_are_two_models() -> None:
    one = points(lambda r, _d: 0.9 - 0.1 * r, FIVE, 0.001, base="/one/m")
    two = points(lambda r, _d: 0.4 - 0.1 * r, FIVE, 0.001, base="/two/m", generator=1)
    found = fit([*one, *two], draws=100)
    assert [group.models for group in found.groups] == [("/one/m",), ("/two/m",), ("/one/m", "/two/m")]
    assert [group.reading.trainings for group in found.groups] == [5, 5, 10]


def test_two_recipes_on_one_mix_are_two_models_and_no_seeds() -> None:
    slow = points(lambda r, _d: 0.8 - 0.1 * r, FIVE, 0.001, recipe="slow")
    fast = points(lambda r, _d: 0.4 - 0.1 * r, FIVE, 0.001, recipe="fast", generator=1)
    found = fit([*slow, *fast], draws=100)
    assert [group.models for group in found.groups] == [("m (fast)",), ("m (slow)",), ("m (fast)", "m (slow)")]
    assert all(group.reading.mixes is None and group.reading.scatter < 0.01 for group in found.groups)


def test_an_exam_that_cells_of_two_tables_share_counts_once() -> None:
    again = [replace(point, table=5, run=f"again-{point.run}") for point in READING]
    assert fit([*again, *READING], draws=100) == fit(READING, draws=100)
    assert fit([*again, *READING], table=5, draws=100).groups[0].reading.trainings == len(READING)


def test_models_at_unlike_sizes_are_not_fitted_together() -> None:
    small = points(lambda r, _d: 0.6 - 0.1 * r, FIVE, 0.01, model="a")
    large = points(lambda r, _d: 0.6 - 0.1 * r, [(g, m, 5000) for g, m, _ in FIVE], 0.01, model="b")
    third = points(lambda r, _d: 0.5 - 0.1 * r, FIVE, 0.01, model="c")
    sizes = points(lambda _r, _d: 0.5, SIZES, 0.01, model="d")
    found = fit([*small, *large, *third, *sizes], draws=100)
    assert [(group.models, group.varies) for group in found.groups[4:]] == [(("a", "c"), Varies.RATIO)]


def test_a_model_read_under_another_condition_is_not_fitted_together_with_others() -> None:
    other = [replace(point, condition="reading_open") for point in points(lambda _r, _d: 0.6, FIVE, 0.01, model="n")]
    found = fit([*READING, *other], draws=100)
    assert [(group.models, group.reading.name) for group in found.groups] == [
        (("m",), "openbook"),
        (("n",), "reading_open"),
    ]


def test_a_model_without_closed_book_runs_leaves_the_models_together_without_knowledge() -> None:
    found = fit([*READING, *KNOWLEDGE, *points(lambda _r, _d: 0.5, FIVE, 0.01, model="n")], draws=100)
    assert [(group.models, group.knowledge is None) for group in found.groups] == [
        (("m",), False),
        (("n",), True),
        (("m", "n"), True),
    ]
    assert found.groups[2].lacking.startswith("made, m and n: 0 mixes of n with closedbook: too few")
