"""Points and arms of a study, what its folders have and lack, and differences of arms with their chance."""

from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.leaderboard.stats import Design, Numbers
from openbook_eval.study.results import Arm, Contrast, Undone, contrast, paper_points, read_results
from openbook_eval.training.recipes import TINY_MODEL
from openbook_eval.types import Question
from tests.results.lm_eval_output import invented, write_run
from tests.study.made import CONDITIONS, arm, as_it_is, design, examine, fail, record, trained, workflow_of


def test_the_paper_has_the_points_of_tables_3_to_5() -> None:
    points = paper_points()
    assert [points.filter(table=table).height for table in (3, 4, 5)] == [6, 20, 8]
    shown = points.select("source", "table", "model", "general", "medical", "rows", "condition", "share", "items")
    assert shown.row(6) == ("paper", 4, "Qwen1.5-1.8B", 9, 1, 0, "openbook", 0.3902, 11_200)
    assert shown.row(-1) == ("paper", 5, "Qwen1.5-7B", 0, 1, 200_000, "openbook", 0.5612, 11_200)


def test_a_study_has_a_point_a_cell_and_condition(tmp_path: Path) -> None:
    base, cell = as_it_is(), trained("4:1", 2)
    examine(tmp_path, base, lambda question: question.exam == "nursing")
    examine(tmp_path, cell, lambda question: question.exam in ("nursing", "technician", "physician"))
    found = read_results(workflow_of([base, cell]), tmp_path)
    assert found.refused == ()
    shown = ("table", "model", "base", "general", "medical", "rows", "seed", "share", "items", "cell")
    assert found.points.filter(condition="openbook").select(shown).rows() == [
        (None, "the tiny model", TINY_MODEL, 0, 0, 0, None, 1 / 6, 60, "tiny"),
        (4, "the tiny model", TINY_MODEL, 4, 1, 400, 2, 0.5, 60, cell.name),
    ]
    assert found.points["evaluation"].n_unique() == 4
    assert set(found.points["condition"]) == {"openbook", "closedbook"}


def test_the_average_is_the_plain_mean_of_exams_of_any_size(tmp_path: Path) -> None:
    cell = as_it_is("some/model")
    questions = [one for number, one in enumerate(invented(120)) if one.exam == "nursing" or number % 2]
    write_run(tmp_path / "evaluate/model/results", questions=questions, right=lambda one: one.exam == "nursing")
    record(tmp_path, "evaluate", cell, CONDITIONS)
    points = read_results(workflow_of([cell]), tmp_path).points
    assert points.select("items", "model", "share").rows() == [(70, "model", pytest.approx(1 / 6))]


def test_a_run_that_lacks_an_exam_has_no_point_and_is_named(tmp_path: Path) -> None:
    cell = as_it_is("some/model")
    write_run(tmp_path / "evaluate/model/results", questions=invented(10, ["nursing", "physician"]))
    record(tmp_path, "evaluate", cell, CONDITIONS)
    found = read_results(workflow_of([cell]), tmp_path)
    lacking = "pharmacist, technician, professional, postgraduate"
    assert found.points.is_empty()
    assert found.refused == (f"model, openbook: no average of the six exams, for {lacking} has no answer",)


@pytest.mark.parametrize("content", [None, "", "{"])
def test_results_that_cannot_be_read_are_named_and_nothing_is_raised(tmp_path: Path, content: str | None) -> None:
    good, bad = as_it_is("some/model"), as_it_is("other/broken")
    examine(tmp_path, good, 0.5)
    folder = tmp_path / "evaluate/broken/results/broken"
    if content is not None:
        folder.mkdir(parents=True)
        (folder / "results_2026-01-02T03-04-05.678901.json").write_text(content, encoding="utf-8")
    record(tmp_path, "evaluate", bad, CONDITIONS)
    found = read_results(workflow_of([bad, good]), tmp_path)
    (fault,) = found.refused
    assert set(found.points["cell"]) == {"model"}
    assert "broken" in fault
    assert "\n" not in fault


def test_seeds_that_answered_nothing_in_common_are_no_arm(tmp_path: Path) -> None:
    cells = [as_it_is(), trained("4:1", 1), trained("4:1", 2)]
    for part, cell in enumerate(cells):
        silent = {f"nursing-{number}" for number in range(part % 2, 10, 2)} if part else set[str]()

        def respond(question: Question, right: str, silent: set[str] = silent) -> str | None:
            return None if question.id in silent else right

        answered = {"questions": 60, "answered": 60 - len(silent), "failures": {"timeout": len(silent)}}
        write_run(tmp_path / "evaluate" / cell.name / "results", respond=respond, openbook={"api": answered})
        record(tmp_path, "evaluate", cell, CONDITIONS)
    found = read_results(workflow_of(cells), tmp_path)
    assert [arm.cell.mix for arm in found.arms] == [None]
    without = "an exam without an item that has a score everywhere"
    assert found.refused == (f"{cells[1].name} and its other seeds, openbook: {without}",)


def test_a_cell_without_a_result_is_told_by_the_step_that_failed_else_by_the_next_one(tmp_path: Path) -> None:
    failed, waiting, next_one = (trained("4:1", seed) for seed in (1, 2, 3))
    fail(tmp_path, "train", failed, "out of memory")
    record(tmp_path, "train", next_one, ("train",))
    assert read_results(workflow_of([failed, waiting, next_one]), tmp_path).undone == (
        Undone(failed.name, f"train/{failed.name}", "out of memory", "log.txt"),
        Undone(waiting.name, f"train/{waiting.name}", "", ""),
        Undone(next_one.name, f"evaluate/{next_one.name}", "", ""),
    )


FOUR = Design(np.zeros(4, int), np.zeros(4, int), np.arange(4))


def part(scores: Sequence[Sequence[float]] | Numbers, own: Design = FOUR, seeded: bool = True) -> Arm:
    return Arm("openbook", (trained("1:1", 1) if seeded else as_it_is(),), np.array(scores, float), own)


PAIRS = Design(np.zeros(4, int), np.zeros(4, int), np.array([0, 0, 1, 1]))


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        # Means of items 1, 0.5, 0, 0 vary by 0.6875 / 3; means of seeds by 1/32, which is no more than items bring in.
        ([part([[1, 1, 0, 0], [1, 0, 0, 0]])], (0.375, 0.6875 / 12, 3.0, 0.0, 1.0, 4)),
        # A difference is paired by questions.
        ([part([[1, 1, 1, 0]], seeded=False), part([[1, 1, 0, 0]], seeded=False)], (0.25, 0.75 / 12, 3.0, 0.0, 0.0, 4)),
        # Items of one book are one unit.
        ([part([[1, 1, 0, 0]], seeded=False)], (0.5, 1 / 12, 3.0, 0.0, 0.0, 4)),
        ([part([[1, 1, 0, 0]], PAIRS, seeded=False)], (0.5, 0.25, 1.0, 0.0, 0.0, 2)),
        # An item without a score is left out of all parts.
        ([part([[1, np.nan, 0, 0]], seeded=False), part([[0, 1, 0, 0]], seeded=False)], (1 / 3, 1 / 9, 2, 0, 0, 3)),
        # An arm of one seed is taken to differ as the others do.
        ([part([[1, 1, 1, 1], [0, 0, 0, 0]]), part([[1, 1, 1, 1]])], (-0.5, 0.0, 3.0, 0.5 / 2 + 0.5, 1.0, 4)),
    ],
)
def test_questions_and_seeds_have_each_their_variance(parts: list[Arm], expected: tuple[float, ...]) -> None:
    assert astuple(contrast(list(zip((1.0, -1.0), parts, strict=False)))) == pytest.approx(expected)


def test_exams_weigh_the_same_whatever_their_size() -> None:
    exams = np.array([0, 0, 0, 1])
    own = part([[0, 0, 0, 1]], Design(exams, exams, np.arange(4)), seeded=False)
    assert (own.share, own.items) == (0.5, 4)


def test_an_exam_without_any_score_is_refused() -> None:
    exams = np.array([0, 0, 0, 1])
    with pytest.raises(ValueError, match="an exam without an item"):
        contrast([(1.0, part([[0, 0, 0, np.nan]], Design(exams, exams, np.arange(4))))])


def test_scores_that_are_all_alike_have_wilsons_interval() -> None:
    found = arm(np.zeros((3, 120)), "1:1")
    assert (found.share, found.interval.low) == pytest.approx((0.0, 0.0), abs=1e-12)
    assert found.interval.high == pytest.approx(0.031, abs=0.001)


def test_p_is_that_of_the_interval_that_ends_at_0() -> None:
    found = Contrast(0.1, 0.0025, 1e9, 0.0, 0.0, 400)
    assert found.p() == pytest.approx(0.0455, abs=1e-4)
    assert (found.interval.low, found.interval.high) == pytest.approx((0.002, 0.198), abs=1e-4)
    assert found.p(null=0.1) == 1.0


def test_p_is_never_smaller_than_flipping_signs_could_make_it() -> None:
    assert Contrast(1.0, 0.0, 3.0, 0.0, 0.0, 4).p() == 2 / 16


@given(st.integers(0, 2**32 - 1))
def test_the_order_of_items_and_seeds_is_nothing_to_it(seed: int) -> None:
    generator = np.random.default_rng(seed)
    scores = (generator.random((3, 24)) < 0.6).astype(np.float64)
    own = design(4)
    items, seeds = generator.permutation(24), generator.permutation(3)
    turned = Design(own.exams[items], own.strata[items], own.clusters[items])
    one, other = contrast([(1.0, part(scores, own))]), contrast([(1.0, part(scores[seeds][:, items], turned))])
    assert astuple(one) == pytest.approx(astuple(other))


def simulated(generator: np.random.Generator, seeds: int, items: int, of_items: float, of_seeds: float) -> Numbers:
    """Marks (seeds, items) with a truth of one half: questions differ in difficulty, seeds in ability."""
    size = (seeds, items)
    latent = (
        generator.normal(0, of_items, items) + generator.normal(0, of_seeds, (seeds, 1)) + generator.normal(size=size)
    )
    return (latent < 0).astype(np.float64)


@pytest.mark.parametrize("of_seeds", [0.0, 0.3])
@pytest.mark.parametrize(("seeds", "items"), [(3, 20), (5, 40)])
def test_bands_hold_the_truth_92_to_98_times_in_100(seeds: int, items: int, of_seeds: float) -> None:
    generator = np.random.default_rng(seeds * items)
    bands = [arm(simulated(generator, seeds, 6 * items, 1.0, of_seeds), "1:1").interval for _ in range(1000)]
    assert 0.915 < np.mean([band.low <= 0.5 <= band.high for band in bands]) < 0.985


@pytest.mark.parametrize("of_seeds", [0.0, 0.2])
def test_a_difference_of_nothing_is_found_5_times_in_100(of_seeds: float) -> None:
    generator = np.random.default_rng(2)
    p = []
    for _ in range(500):
        level = generator.normal(0, 1.0, 120)
        one, other = (
            (level + generator.normal(0, of_seeds, (3, 1)) + generator.normal(size=(3, 120)) < 0).astype(np.float64)
            for _ in range(2)
        )
        p.append(contrast([(1.0, arm(one, "1:1")), (-1.0, arm(other, "9:1"))]).p())
    assert 0.01 < np.mean(np.array(p) < 0.05) < 0.08
