"""Points and arms of a study, what its folders have and lack, and differences of arms with their chance."""

from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.leaderboard.stats import Design, Numbers
from openbook_eval.study.results import (
    ArmPart,
    Contrast,
    StudyPoint,
    Undone,
    arms_of,
    contrast,
    mean_of,
    paper_points,
    read_results,
    recipe_names,
    study_points,
)  # fmt: skip
from openbook_eval.study.workflow import Step, Workflow
from openbook_eval.training.recipes import TINY_MODEL
from tests.results.lm_eval_output import invented, write_run
from tests.study.made import CONDITIONS, as_it_is, design, examine, fail, record, trained, workflow_of


def test_the_paper_has_the_points_of_tables_3_to_5() -> None:
    points = paper_points()
    assert [sum(point.table == table for point in points) for table in (3, 4, 5)] == [6, 20, 8]
    assert points[6] == StudyPoint(
        "paper", 4, "Qwen1.5-1.8B", "Qwen1.5-1.8B", None, 9, 1, 0, None, "openbook", 0.3902, 11_200, "", ""
    )
    assert points[-1] == StudyPoint(
        "paper", 5, "Qwen1.5-7B", "Qwen1.5-7B", None, 0, 1, 200_000, None, "openbook", 0.5612, 11_200, "", ""
    )


def test_a_study_has_a_point_a_cell_and_condition(tmp_path: Path) -> None:
    base, cell = as_it_is(), trained("4:1", 2)
    examine(tmp_path, base, lambda question: question.exam == "nursing")
    examine(tmp_path, cell, lambda question: question.exam in ("nursing", "technician", "physician"))
    points, faults = study_points(workflow_of([base, cell]), tmp_path)
    assert faults == ()
    own = [point for point in points if point.condition == "openbook"]
    title = "the tiny model"
    assert [replace(point, evaluation="") for point in own] == [
        StudyPoint("tiny", None, title, TINY_MODEL, None, 0, 0, 0, None, "openbook", 1 / 6, 60, "tiny", ""),
        StudyPoint("tiny", 4, title, TINY_MODEL, "tiny.yml", 4, 1, 400, 2, "openbook", 0.5, 60, cell.name, ""),
    ]
    assert len({point.evaluation for point in points}) == 4
    assert {point.condition for point in points} == {"openbook", "closedbook"}
    assert [point.trained for point in own] == [False, True]


def test_the_average_is_the_plain_mean_of_exams_of_any_size(tmp_path: Path) -> None:
    cell = as_it_is("some/model")
    questions = [one for number, one in enumerate(invented(120)) if one.exam == "nursing" or number % 2]
    write_run(tmp_path / "evaluate/model/results", questions=questions, right=lambda one: one.exam == "nursing")
    record(tmp_path, "evaluate", cell, CONDITIONS)
    ((point,), _) = study_points(workflow_of([cell]), tmp_path)
    assert (point.items, point.model) == (70, "model")
    assert point.share == pytest.approx(1 / 6)


def test_a_run_that_lacks_an_exam_has_no_point_and_is_named(tmp_path: Path) -> None:
    cell = as_it_is("some/model")
    write_run(tmp_path / "evaluate/model/results", questions=invented(10, ["nursing", "physician"]))
    record(tmp_path, "evaluate", cell, CONDITIONS)
    points, faults = study_points(workflow_of([cell]), tmp_path)
    lacking = "pharmacist, technician, professional, postgraduate"
    assert points == ()
    assert faults == (f"model, openbook: no average of the six exams, for {lacking} has no answer",)


@pytest.mark.parametrize("content", [None, "", "{"])
def test_results_that_cannot_be_read_are_named_and_nothing_is_raised(tmp_path: Path, content: str | None) -> None:
    good, bad = as_it_is("some/model"), as_it_is("other/broken")
    examine(tmp_path, good, 0.5)
    folder = tmp_path / "evaluate/broken/results/broken"
    if content is not None:
        folder.mkdir(parents=True)
        (folder / "results_2026-01-02T03-04-05.678901.json").write_text(content, encoding="utf-8")
    record(tmp_path, "evaluate", bad, CONDITIONS)
    points, (fault,) = study_points(workflow_of([bad, good]), tmp_path)
    assert {point.cell for point in points} == {"model"}
    assert "broken" in fault
    assert "\n" not in fault


def test_a_profile_has_the_name_that_its_trainings_have_for_it(tmp_path: Path) -> None:
    before, after = as_it_is("wingpt2-7b", 2), trained("1:0", 1, table=3, model="winninghealth/WiNGPT2-7B-Chat")
    folder = tmp_path / f"evaluate/{before.name}/results"
    write_run(folder, model="winninghealth/WiNGPT2-7B-Chat", model_args={"profile": "wingpt2"})
    record(tmp_path, "evaluate", before, CONDITIONS)
    examine(tmp_path, after, 0.5, ["openbook"])
    graph = workflow_of([before, after])
    assert [point.model for point in study_points(graph, tmp_path)[0]] == ["WiNGPT2-7B-Chat"] * 2
    arms, _ = arms_of(read_results(graph, tmp_path).results)
    assert len({arm.base for arm in arms}) == 1


def test_seeds_that_answered_nothing_in_common_are_no_arm(tmp_path: Path) -> None:
    cells = [as_it_is(), trained("4:1", 1), trained("4:1", 2)]
    for cell in cells:
        examine(tmp_path, cell, 0.5, ["openbook"])
    results = read_results(workflow_of(cells), tmp_path).results
    of_nursing = pl.col("exam") == "nursing"
    half = pl.int_range(pl.len()) % 2
    halves = [
        replace(
            each, items=each.items.with_columns(pl.when(~of_nursing | (half == part)).then("correct").alias("correct"))
        )
        for part, each in enumerate(results[1:])
    ]
    arms, (fault,) = arms_of([results[0], *halves])
    assert [arm.trained for arm in arms] == [False]
    assert (
        fault == f"{cells[1].name} and its other seeds, openbook: an exam without an item that has a score everywhere"
    )


def test_a_cell_without_a_result_is_told_by_the_step_that_failed_else_by_the_next_one(tmp_path: Path) -> None:
    failed, waiting, next_one = (trained("4:1", seed) for seed in (1, 2, 3))
    fail(tmp_path, "train", failed, "out of memory")
    record(tmp_path, "train", next_one, ("train",))
    assert read_results(workflow_of([failed, waiting, next_one]), tmp_path).undone == (
        Undone(failed.name, f"train/{failed.name}", "out of memory", "log.txt", True),
        Undone(waiting.name, f"train/{waiting.name}", "not done yet", "", False),
        Undone(next_one.name, f"evaluate/{next_one.name}", "not done yet", "", False),
    )


def trained_by(recipes: dict[str, dict[str, object]]) -> Workflow:
    """A graph of trainings, a recipe each, the mixes 4:1 and 9:1 in turn."""
    mixes = [trained(ratio, 1) for ratio in ("4:1", "9:1")]
    cells = [replace(mixes[at % 2], name=f"c{at}", recipe=name) for at, name in enumerate(recipes)]
    graph = workflow_of(cells)

    def told(step: Step) -> Step:
        recipe = next(recipes[cell.recipe or ""] for cell in cells if cell.name == step.name)
        return replace(step, task={"recipe": recipe}) if step.kind == "train" else step

    return replace(graph, steps={name: told(step) for name, step in graph.steps.items()})


def test_recipes_that_differ_in_mix_and_seed_alone_are_one() -> None:
    graph = trained_by(
        {
            "own_mix41_400": {"base_model": "m", "learning_rate": 1, "seed": 1},
            "other_name": {"base_model": "m", "learning_rate": 1, "seed": 2},
            "faster": {"base_model": "m", "learning_rate": 2},
            "own_mix91_400": {"base_model": "m", "learning_rate": 3},
        }
    )
    assert recipe_names(graph) == {"c0": "own", "c1": "own", "c2": "faster", "c3": "own #2"}


FOUR = Design(np.zeros(4, int), np.zeros(4, int), np.arange(4))


def test_questions_and_seeds_have_each_their_variance() -> None:
    # Means of items 1, 0.5, 0, 0 vary by 0.6875 / 3; means of seeds by 1/32, which is no more than items bring in.
    found = contrast([ArmPart(1.0, np.array([[1.0, 1, 0, 0], [1, 0, 0, 0]]))], FOUR)
    assert astuple(found) == pytest.approx((0.375, 0.6875 / 12, 3.0, 0.0, 1.0, 4))


def test_a_difference_is_paired_by_questions() -> None:
    one, other = np.array([[1.0, 1, 1, 0]]), np.array([[1.0, 1, 0, 0]])
    found = contrast([ArmPart(1.0, one, False), ArmPart(-1.0, other, False)], FOUR)
    assert found.value == 0.25
    assert found.by_items == pytest.approx(0.75 / 12)
    assert (found.by_seeds, found.seed_freedom) == (0.0, 0.0)


def test_exams_weigh_the_same_whatever_their_size() -> None:
    exams = np.array([0, 0, 0, 1])
    found = contrast([ArmPart(1.0, np.array([[0.0, 0, 0, 1]]), False)], Design(exams, exams, np.arange(4)))
    assert found.value == 0.5


def test_items_of_one_book_are_one_unit() -> None:
    pairs = Design(np.zeros(4, int), np.zeros(4, int), np.array([0, 0, 1, 1]))
    scores = [ArmPart(1.0, np.array([[1.0, 1, 0, 0]]), False)]
    assert contrast(scores, pairs).by_items == pytest.approx(0.25)
    assert contrast(scores, FOUR).by_items == pytest.approx(1 / 12)
    assert contrast(scores, pairs).units == 2


def test_an_item_without_a_score_is_left_out_of_all_parts() -> None:
    lacking = np.array([[1.0, np.nan, 0, 0]])
    found = contrast([ArmPart(1.0, lacking, False), ArmPart(-1.0, np.array([[0.0, 1, 0, 0]]), False)], FOUR)
    assert (found.value, found.units) == pytest.approx((1 / 3, 3))


def test_an_exam_without_any_score_is_refused() -> None:
    exams = np.array([0, 0, 0, 1])
    with pytest.raises(ValueError, match="an exam without an item"):
        contrast([ArmPart(1.0, np.array([[0.0, 0, 0, np.nan]]))], Design(exams, exams, np.arange(4)))


def test_a_part_of_one_seed_is_taken_to_differ_as_the_others_do() -> None:
    apart = np.array([[1.0, 1, 1, 1], [0, 0, 0, 0]])
    found = contrast([ArmPart(1.0, apart), ArmPart(-1.0, apart[:1])], FOUR)
    assert found.by_seeds == pytest.approx(0.5 / 2 + 0.5)


def test_scores_that_are_all_alike_have_wilsons_interval() -> None:
    value, interval = mean_of(np.zeros((3, 120)), design(), seeded=True)
    assert (value, interval.low) == pytest.approx((0.0, 0.0), abs=1e-12)
    assert interval.high == pytest.approx(0.031, abs=0.001)


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
    one, other = contrast([ArmPart(1.0, scores)], own), contrast([ArmPart(1.0, scores[seeds][:, items])], turned)
    for name in ("value", "by_items", "by_seeds", "item_freedom", "seed_freedom"):
        assert getattr(one, name) == pytest.approx(getattr(other, name))


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
    bands = [
        mean_of(simulated(generator, seeds, 6 * items, 1.0, of_seeds), design(items), seeded=True)[1]
        for _ in range(1000)
    ]
    assert 0.915 < np.mean([band.low <= 0.5 <= band.high for band in bands]) < 0.985


@pytest.mark.parametrize("of_seeds", [0.0, 0.2])
def test_a_difference_of_nothing_is_found_5_times_in_100(of_seeds: float) -> None:
    generator = np.random.default_rng(2)
    own, p = design(), []
    for _ in range(500):
        level = generator.normal(0, 1.0, 120)
        one, other = (
            (level + generator.normal(0, of_seeds, (3, 1)) + generator.normal(size=(3, 120)) < 0).astype(np.float64)
            for _ in range(2)
        )
        p.append(contrast([ArmPart(1.0, one), ArmPart(-1.0, other)], own).p())
    assert 0.01 < np.mean(np.array(p) < 0.05) < 0.08
