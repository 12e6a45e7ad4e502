"""The plan: what is there, what failed, what the rest takes, and what stands in the way."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from openbook_eval.report.study_plan import plan_report, size
from openbook_eval.study.file.exams import Exam
from openbook_eval.study.file.study_file import read_study
from openbook_eval.study.planning import costs
from openbook_eval.study.planning import plan as planning
from openbook_eval.study.planning.costs import exam_need, size_of
from openbook_eval.study.planning.plan import Amount, Failure, Plan, Stage, plan
from openbook_eval.study.steps import Step
from tests.study.folders import graph, step, write

CMB = Exam("cmb", None, 11_200)


def planned(path: Path) -> Plan:
    return plan(read_study(path), path.parent / "work")


def finish(path: Path, each: Step, seconds: object = 60.0) -> None:
    folder = path.parent / "work" / each.id
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "receipt.json").write_text(json.dumps({"step": each.id, "seconds": seconds}), encoding="utf-8")


def fail(path: Path, each: Step, told: Any) -> None:
    folder = path.parent / "work" / each.id
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "failed.json").write_text(json.dumps(told), encoding="utf-8")


def printed(found: Plan, width: int = 160) -> str:
    console = Console(width=width, record=True, file=None, quiet=True)
    with console.capture() as capture:
        console.quiet = False
        for part in plan_report(found):
            console.print(part, soft_wrap=True)
    return capture.get()


def test_a_row_stands_for_all_seeds_of_a_setting(tmp_path: Path) -> None:
    found = planned(write(tmp_path))
    assert [(row.first.name, len(row.cells)) for row in found.rows] == [
        ("models-tiny", 1), ("own_mix91-seed1", 2), ("own_mix11-seed1", 2),
    ]  # fmt: skip
    assert dict(found.rows[1].stages) == {
        "mix": Stage(1, 0, 0),
        "base": Stage(1, 0, 0),
        "train": Stage(2, 0, 0),
        "merge": Stage(2, 0, 0),
        "exam": Stage(2, 0, 0),
    }
    assert (found.steps, found.left.steps) == (16, 16)


def test_a_mix_that_several_rows_want_is_left_to_none_of_them_but_to_the_study(tmp_path: Path) -> None:
    groups = [{"recipes": ["own.yml", "tiny_full"], "mixes": ["mix91"]}]
    found = planned(write(tmp_path, models=[], groups=groups))
    # Two seeds each: training, merge and exam of an adapter; training and exam of all weights.
    assert [row.left.steps for row in found.rows] == [6, 4]
    assert found.left.steps == 6 + 4 + 2


def test_what_is_done_is_counted_as_there_and_no_longer_as_left(tmp_path: Path) -> None:
    path = write(tmp_path)
    for kind in ("mix", "train"):
        finish(path, step(graph(path), kind))
    found = planned(path)
    assert found.rows[1].stages["mix"] == Stage(1, 1, 0)
    assert found.rows[1].stages["train"] == Stage(2, 1, 0)
    assert found.rows[2].stages["mix"] == Stage(1, 0, 0)
    assert found.left.steps == 14


def test_a_failed_step_is_named_with_its_reason_on_one_line_and_its_log(tmp_path: Path) -> None:
    path = write(tmp_path)
    train = step(graph(path), "train")
    fail(path, train, {"step": train.id, "reason": "CUDA out\nof memory", "log": f"{train.id}/log.txt"})
    found = planned(path)
    assert found.rows[1].stages["train"] == Stage(2, 0, 1)
    assert found.failures == (Failure(train.id, "CUDA out of memory", f"{train.id}/log.txt"),)
    assert f"failed: {train.id}: CUDA out of memory (log: {tmp_path}/work/{train.id}/log.txt)" in printed(found)


@pytest.mark.parametrize("told", [3, [], {}, {"log": "x"}])
def test_a_failure_that_cannot_be_read_is_told_all_the_same(tmp_path: Path, told: object) -> None:
    path = write(tmp_path)
    fail(path, step(graph(path), "train"), told)
    (failure,) = planned(path).failures
    assert failure.reason == "failed, and failed.json cannot be read"


def test_text_of_a_failure_does_not_move_the_cursor(tmp_path: Path) -> None:
    path = write(tmp_path)
    fail(path, step(graph(path), "train"), {"reason": "\x1b[2J [red]x[/red]", "log": "log.txt"})
    assert r"\x1b[2J [red]x[/red]" in printed(planned(path))


def test_a_step_that_was_done_after_it_failed_has_not_failed(tmp_path: Path) -> None:
    path = write(tmp_path)
    train = step(graph(path), "train")
    fail(path, train, {"reason": "x", "log": "log.txt"})
    finish(path, train)
    assert planned(path).failures == ()


def test_time_is_unknown_until_an_alike_step_was_done(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert planned(path).left.cpu_hours == Amount(0.0, 15)  # the base is copied in no time
    train = step(graph(path), "train")
    finish(path, train, 36.0)
    # Three more trainings of the same recipe, on 40 rows each as well.
    left = planned(path).left.cpu_hours
    assert left.known == pytest.approx(3 * 36 / 3600)
    assert left.unknown == 11


def test_a_training_is_expected_to_take_longer_on_a_larger_mix(tmp_path: Path) -> None:
    path = write(tmp_path)
    spec = (tmp_path / "spec.yml").read_text("utf-8")
    (tmp_path / "spec.yml").write_text(spec.replace("mix11: {size: 40", "mix11: {size: 400"), encoding="utf-8")
    finish(path, step(graph(path), "train"), 36.0)
    assert planned(path).left.cpu_hours.known == pytest.approx((36 + 360 + 360) / 3600)


def test_a_mix_is_expected_to_take_as_long_by_row_as_the_one_that_was_built(tmp_path: Path) -> None:
    path = write(tmp_path)
    finish(path, step(graph(path), "mix"), 72.0)
    left = planned(path).left.cpu_hours
    assert left.known == pytest.approx(72 / 3600)
    assert left.unknown == 13


@pytest.mark.parametrize("seconds", ["x", None, -1, 1e300, []])
def test_a_receipt_without_a_sensible_time_counts_for_nothing(tmp_path: Path, seconds: object) -> None:
    path = write(tmp_path)
    finish(path, step(graph(path), "train"), seconds)
    assert planned(path).left.cpu_hours == Amount(0.0, 14)


def test_gpu_hours_of_the_table_follow_its_formulas(tmp_path: Path) -> None:
    path = write(tmp_path, seeds=[1, 2, 3], models=[], data={"spec": "paper"}, groups=[{"recipes": ["qwen7b_mix11"]}])
    (row,) = planned(path).rows
    # 2.3 hours of an A100 each: recipes/qwen7b_mix11.yml; the exam is the bundled one.
    exam = exam_need(size_of("Qwen/Qwen1.5-7B"), Exam("mini", "", 258), ("openbook", "closedbook"), None)
    assert exam.hours == pytest.approx(0.0525, rel=1e-2)
    assert row.left.gpu_hours.known == pytest.approx(3 * (2.342 + 0.0525), rel=1e-3)
    assert row.left.gpu_hours.unknown == 0
    # Merged models, 2 bytes a parameter, are nearly all of it.
    assert row.left.disk.known == pytest.approx(3 * 2 * 7_721_324_544, rel=0.01)


def test_an_exam_costs_its_prompts_flops_and_the_weights_once_a_token_of_answers() -> None:
    size_7b = size_of("Qwen/Qwen1.5-7B")
    assert size_7b is not None
    need = exam_need(size_7b, CMB, ("openbook",), None)
    multiplied = 7_721_324_544 - 151_936 * 4096
    reading = 11_200 * 154 * (2 * multiplied + 4 * 32 * 4096 * 77) / (312e12 * 0.4)
    writing = 11_200 * 32 / 128 * 2 * 7_721_324_544 / 2.0e12
    assert need.hours == pytest.approx((180 + reading + writing) / 3600)
    assert need.gpus == 1
    ranked = exam_need(size_7b, CMB, ("openbook_ranked",), None)
    assert ranked.hours == pytest.approx((180 + reading) / 3600)


def test_a_model_that_no_profile_has_the_figures_of_takes_an_unknown_time(tmp_path: Path) -> None:
    found = planned(write(tmp_path, models=[{"model": "a/b"}], groups=[]))
    assert found.left.gpu_hours == Amount(0.0, 1)
    assert "left: 0.0 GPU-hours of an A100, and 1 step of which nothing is known yet" in printed(found)


def test_an_endpoint_takes_no_gpu_hours_but_time(tmp_path: Path) -> None:
    left = planned(write(tmp_path, models=[{"endpoint": "glm-4"}], groups=[])).left
    assert left.gpu_hours == Amount()
    # 258 questions under two conditions, 3 s each, five at once.
    assert left.cpu_hours.known == pytest.approx(2 * 258 * 3 / 5 / 3600)


def test_a_disk_that_is_too_small_is_told_and_a_large_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, models=[], data={"spec": "paper"}, groups=[{"recipes": ["qwen7b_mix11"]}])
    monkeypatch.setattr(planning, "_free", lambda _: 10**9)
    found = planned(path)
    assert not found.enough
    assert "only 1.0 GB are free at" in printed(found)
    monkeypatch.setattr(planning, "_free", lambda _: 10**14)
    assert planned(path).enough
    assert "100.0 TB are free at" in printed(planned(path))


def test_an_adapter_takes_no_room_for_merged_models(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"models": [], "data": {"spec": "paper"}, "groups": [{"recipes": ["qwen7b_mix11"]}]}
    merged = planned(write(tmp_path / "a", **changes)).left.disk.known
    adapter = planned(write(tmp_path / "b", examine="adapter", **changes)).left.disk.known
    assert merged - adapter == pytest.approx(2 * 2 * 7_721_324_544)


def test_raw_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "raw" / "western.jsonl").unlink()
    told = "source western: no file western.jsonl, and no data set on the hub is named; its rows are missing"
    assert told in planned(path).notices
    spec = (tmp_path / "spec.yml").read_text("utf-8")
    (tmp_path / "spec.yml").write_text(spec.replace("path: western.jsonl", "hub: a/b"), encoding="utf-8")
    assert "source western: no file is named; fetched from the hub: a/b" in planned(path).notices


def test_nothing_is_said_of_raw_files_once_the_mixes_are_built(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "raw" / "western.jsonl").unlink()
    for each in graph(path).steps:
        if each.kind == "mix":
            finish(path, each)
    assert not [notice for notice in planned(path).notices if "source" in notice]


def test_the_hub_code_of_others_and_providers_are_told(tmp_path: Path) -> None:
    models = [{"profile": "ivygpt-13b"}, {"model": "a/b"}, {"endpoint": "glm-4"}]
    notices = "\n".join(planned(write(tmp_path, models=models, groups=[], exam="cmb")).notices)
    assert "exam cmb: read from the hub when it is sat; whether it can be fetched was not looked up" in notices
    assert (
        "2 models come from the hub and cannot be checked before: wangrongsheng/Baichuan2-13B-Chat-sft-multi-mix, a/b; "
        "some 28 GB and 1 of unknown size in its cache, unless there already"
    ) in notices
    assert "1 of them run code of their authors (wangrongsheng/Baichuan2-13B-Chat-sft-multi-mix)" in notices
    assert "1 model is asked through an API (glm-4): no GPU-hours, but money" in notices


def test_that_recipes_of_files_are_not_checked_is_told_while_they_are_to_be_trained(tmp_path: Path) -> None:
    told = "1 recipe is not of our table (own): whether Axolotl knows every key is not looked up here"
    path = write(tmp_path)
    assert [notice.startswith(told) for notice in planned(path).notices] == [True]
    for each in graph(path).steps:
        finish(path, each)
    assert planned(path).notices == ()


def test_who_has_consented_to_code_of_others_is_not_told_of_it_again(tmp_path: Path) -> None:
    engine = {"model_args": {"trust_remote_code": True}}
    found = planned(write(tmp_path, models=[{"profile": "ivygpt-13b"}], groups=[], engine=engine))
    assert not [notice for notice in found.notices if "code of their authors" in notice]


def test_the_plan_says_what_is_there_in_a_line_a_setting(tmp_path: Path) -> None:
    path = write(tmp_path)
    finish(path, step(graph(path), "train"), 36.0)
    lines = printed(planned(path)).splitlines()
    (row,) = [line.split() for line in lines if " mix91: " in line]
    assert " ".join(row).startswith("4 tiny mix91: 9:1, 40 2 0/1 0/1 1/2 0/2 0/2 - ")
    assert "5 cells, 16 steps, of which 1 are done" in lines


def test_a_setting_stands_on_one_line_of_80_signs_its_model_by_the_last_part_of_its_name(tmp_path: Path) -> None:
    path = write(tmp_path, models=[{"model": "an-owner-with-a-long-name/Qwen1.5-14B"}])
    lines = printed(planned(path), width=80).splitlines()
    assert [line.split()[1] for line in lines if line.endswith("B ") and line.split()[0] in "-4"] == [
        "Qwen1.5-14B", "tiny", "tiny",
    ]  # fmt: skip
    assert max(len(line) for line in lines if "mix91" in line) <= 80


def test_a_plan_leaves_nothing_in_a_folder_of_work_but_hashes(tmp_path: Path) -> None:
    planned(write(tmp_path))
    assert [file.name for file in _files(tmp_path / "work")] in ([], ["hashes.json"])


def _files(folder: Path) -> Iterator[Path]:
    yield from (path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("count", "told"),
    [(0, "0 B"), (999, "999 B"), (1_500, "1.5 kB"), (15_400, "15 kB"), (999_499, "999 kB"), (999_600, "1.0 MB"),
     (46e9, "46 GB"), (1.6e12, "1.6 TB"), (2.5e15, "2,500.0 TB")],
)  # fmt: skip
def test_bytes_are_told_as_people_read_them(count: float, told: str) -> None:
    assert size(count) == told


def test_every_condition_has_a_length_of_prompt() -> None:
    from openbook_eval.study.file.exams import conditions

    assert set(conditions()) == set(costs._PROMPTS)
