"""Points of the paper and of a study, and what a study's folders have and lack."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from openbook_eval.study.findings.points import Point, paper_points, recipes_of, study_points
from openbook_eval.study.findings.results import Undone, read_results
from openbook_eval.study.findings.settings import settings_of
from openbook_eval.study.workflow import Step, Workflow
from openbook_eval.training.recipes import TINY_MODEL
from tests.results.lm_eval_output import invented, write_run
from tests.study.made import CONDITIONS, as_it_is, examine, fail, record, trained, workflow_of


def test_the_paper_has_the_points_of_tables_3_to_5() -> None:
    points = paper_points()
    assert [sum(point.table == table for point in points) for table in (3, 4, 5)] == [6, 20, 8]
    assert points[6] == Point(
        "paper", 4, "Qwen1.5-1.8B", "Qwen1.5-1.8B", None, 9, 1, 0, None, "openbook", 0.3902, 11_200, "", ""
    )
    assert points[-1] == Point(
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
    assert [replace(point, exam="") for point in own] == [
        Point("tiny", None, title, TINY_MODEL, None, 0, 0, 0, None, "openbook", 1 / 6, 60, "tiny", ""),
        Point("tiny", 4, title, TINY_MODEL, "tiny.yml", 4, 1, 400, 2, "openbook", 0.5, 60, cell.name, ""),
    ]
    assert len({point.exam for point in points}) == 4
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
    assert {point.run for point in points} == {"model"}
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
    settings, _ = settings_of(read_results(graph, tmp_path).results)
    assert len({setting.base for setting in settings}) == 1


def test_seeds_that_answered_nothing_in_common_are_no_setting(tmp_path: Path) -> None:
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
    settings, (fault,) = settings_of([results[0], *halves])
    assert [setting.trained for setting in settings] == [False]
    assert fault == f"{cells[1].name} and its other seeds, openbook: an exam without an item that has a mark everywhere"


def test_an_exam_without_a_receipt_is_not_read(tmp_path: Path) -> None:
    cell = as_it_is("some/model")
    examine(tmp_path, cell, 0.5)
    (tmp_path / "evaluate/model/record.json").unlink()
    assert study_points(workflow_of([cell]), tmp_path) == ((), ())


def test_a_cell_without_a_result_is_told_by_the_step_that_failed_else_by_the_next_one(tmp_path: Path) -> None:
    failed, waiting, next_one = (trained("4:1", seed) for seed in (1, 2, 3))
    fail(tmp_path, "train", failed, "out of memory")
    record(tmp_path, "train", next_one, ("train",))
    assert read_results(workflow_of([failed, waiting, next_one]), tmp_path).undone == (
        Undone(failed.name, f"train/{failed.name}", "out of memory", "log.txt", True),
        Undone(waiting.name, f"train/{waiting.name}", "not done yet", "", False),
        Undone(next_one.name, f"evaluate/{next_one.name}", "not done yet", "", False),
    )


def test_a_failure_is_told_before_what_is_only_not_done(tmp_path: Path) -> None:
    cell = trained("4:1", 1)
    fail(tmp_path, "evaluate", cell, "killed")
    (undone,) = read_results(workflow_of([cell]), tmp_path).undone
    assert (undone.step, undone.reason) == (f"evaluate/{cell.name}", "killed")


def test_a_step_that_failed_and_was_done_later_is_done(tmp_path: Path) -> None:
    cell = trained("4:1", 1)
    fail(tmp_path, "evaluate", cell, "killed")
    examine(tmp_path, cell, 0.5)
    assert read_results(workflow_of([cell]), tmp_path).undone == ()


def trained_by(recipes: dict[str, dict[str, object]]) -> Workflow:
    """A graph of trainings, a recipe each, the mixes 4:1 and 9:1 in turn."""
    mixes = [trained(ratio, 1) for ratio in ("4:1", "9:1")]
    cells = [replace(mixes[at % 2], name=f"c{at}", recipe=name) for at, name in enumerate(recipes)]
    graph = workflow_of(cells)

    def told(step: Step) -> Step:
        recipe = next(recipes[cell.recipe or ""] for cell in cells if cell.name == step.cells[0])
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
    assert recipes_of(graph) == {"c0": "own", "c1": "own", "c2": "faster", "c3": "own #2"}
