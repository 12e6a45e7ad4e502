"""The plan: what is there, what failed, what the rest needs, and what stands in the way; figures by the formulas."""

import json
from pathlib import Path
from typing import Any

import pytest
from rich.filesize import decimal

from openbook_eval.models.profiles import size_of
from openbook_eval.study.runner import plan_report
from openbook_eval.study.spec import StudyExam, read_study
from openbook_eval.study.workflow import evaluation_need, workflow_of
from tests.study.folders import PAPER, SPEC, leave, workflow, write, write_recipe
from tests.study.made import printed

# Two seeds, a LoRA of the 7B model merged for its evaluation.
LORA: dict[str, Any] = {"models": [], "data": {"spec": "paper"}, "groups": [{"recipes": ["qwen7b_mix11"]}]}


def plan(path: Path, width: int = 1000) -> str:
    study = read_study(path)
    return printed(plan_report(study, workflow_of(study), path.parent / "work"), width)


def rows(path: Path, width: int = 1000) -> list[list[str]]:
    lines = plan(path, width).replace("the tiny model", "tiny").splitlines()
    return [line.split() for line in lines if line.split()[1:2] == ["tiny"]]


def done(path: Path, *names: str, reason: str = "") -> None:
    for name in names:
        leave(path.parent / "work", workflow(path).steps[name], reason)


def test_a_row_stands_for_all_seeds_of_an_arm_and_says_what_is_there_on_a_line_of_80_characters(tmp_path: Path) -> None:
    path = write(tmp_path)
    done(path, "train/own_mix91-seed1")
    done(path, "train/own_mix11-seed1", reason="\x1b[2J [red]x[/red]")
    assert [row[:7] for row in rows(path, 80)] == [
        ["-", "tiny", "-", "-", "-", "-", "0/1"],
        ["4", "tiny", "mix91", "9:1", "40", "2", "1/7"],
        ["4", "tiny", "mix11", "1:1", "40", "2", "1"],
    ]
    assert "5 cells, 15 steps, of which 1 are done" in plan(path)
    log = tmp_path / "work" / "train" / "own_mix11-seed1" / "log.txt"
    assert rf"failed: train/own_mix11-seed1: \x1b[2J [red]x[/red] (log: {log})" in plan(path)


def test_gpu_hours_and_disk_are_the_sums_of_what_is_left(tmp_path: Path) -> None:
    path = write(tmp_path, **LORA)
    steps = workflow(path).steps
    # A training takes 2.3 hours of an A100 (recipes/qwen7b_mix11.yml).
    assert steps["train/qwen7b_mix11-seed1"].need.hours == pytest.approx(2.3, abs=0.05)

    def left() -> float:
        (row,) = [line.split() for line in plan(path).splitlines() if "mix11" in line and "1:1" in line]
        return float(row[7])

    before = left()
    assert before == pytest.approx(sum(step.need.hours or 0 for step in steps.values() if step.need.gpus), abs=0.05)
    done(path, "train/qwen7b_mix11-seed1")
    assert before - left() == pytest.approx(2.35, abs=0.1)


def test_what_two_arms_want_stands_in_the_first_row(tmp_path: Path) -> None:
    groups = [{"table": table, "recipes": [name], "mixes": ["mix91"]} for table, name in ((4, "own.yml"), (5, "b.yml"))]
    write_recipe(tmp_path / "b.yml", learning_rate=0.1)
    path = write(tmp_path, models=[], groups=groups)
    # A mix that would be seen: 40 GB.
    (tmp_path / "spec.yml").write_text(SPEC.replace("mix91: {size: 40", "mix91: {size: 40_000_000"), encoding="utf-8")
    kept = {step.id: step.need.kept or 0 for step in workflow(path).steps.values()}
    wanted = [sum(kept[name] for name in kept if part in name) for part in ("own_", "b_mix91")]
    disk = [decimal(round(each)) for each in (kept["mix/mix91"] + wanted[0], wanted[1])]
    assert [(row[6], " ".join(row[8:])) for row in rows(path)] == [("0/7", disk[0]), ("0/7", disk[1])]


def test_a_merged_model_stays_on_disk_and_an_adapter_hardly(tmp_path: Path) -> None:
    kept = [
        sum(step.need.kept or 0 for step in workflow(path).steps.values())
        for path in (write(tmp_path / "a", **LORA), write(tmp_path / "b", evaluate="adapter", **LORA))
    ]
    # Two seeds of 2 bytes a parameter.
    assert kept[0] - kept[1] == pytest.approx(2 * 2 * 7_721_324_544)


def test_an_evaluation_costs_what_its_prompts_and_responses_cost() -> None:
    study, size = read_study(PAPER), size_of("Qwen/Qwen1.5-7B")
    longer = study.model_copy(update={"conditions": ["openbook", "reading_library_16k"]})
    ranked = study.model_copy(update={"conditions": ["openbook_ranked"]})
    one = study.model_copy(update={"conditions": ["openbook"], "exam": StudyExam("cmb", None, 1)})
    hours = [evaluation_need(each, size).hours or 0 for each in (one, ranked, study, longer)]
    assert hours == sorted(hours)
    # Loading alone: a single question takes no time.
    assert hours[0] * 3600 == pytest.approx(180, abs=1)
    assert evaluation_need(study, size, on_cpu=True).hours is None
    assert evaluation_need(study, None).gpus == 1
    assert (
        evaluation_need(study.model_copy(update={"engine": study.engine.model_copy(update={"gpus": 4})}), size).gpus
        == 4
    )


def test_what_is_asked_of_a_machine_is_half_as_much_again_as_is_expected() -> None:
    need = workflow(PAPER).steps["train/qwen7b_mix11-seed1"].need
    # 2.3 hours of an A100 (recipes/qwen7b_mix11.yml), and a quarter of an hour.
    asked = {"mem_mb": 35164, "runtime": 226, "threads": 8}
    assert need.resources("slurm") == {**asked, "nodes": 1, "slurm_extra": "--gres=gpu:1"}
    assert need.resources("kubernetes") == {**asked, "gpu": 1, "gpu_manufacturer": "nvidia"}
    assert need.resources(None) == {**asked, "threads": 1, "gpu": 1, "gpu_manufacturer": "nvidia"}


def test_a_disk_that_is_too_small_is_told(tmp_path: Path) -> None:
    assert "name another disk by --work, or set evaluate: adapter" in plan(PAPER)
    assert "another disk" not in plan(write(tmp_path))


def test_raw_files_that_are_not_there_are_named_until_the_mixes_are_built(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "raw" / "western.jsonl").unlink()
    assert "source western: no file western.jsonl; its rows are missing" in plan(path)
    done(path, "mix/mix91", "mix/mix11")
    assert "source western" not in plan(path)


def test_an_exam_that_the_mixes_are_not_checked_against_is_told(tmp_path: Path) -> None:
    path = write(tmp_path)
    told = "exam mini: the mixes are not checked against it"
    assert told in plan(path)
    (tmp_path / "spec.yml").write_text(f"{SPEC}decontaminate: {{exams: [cmb, mini]}}\n", encoding="utf-8")
    assert told not in plan(path)
    # As data-prep leaves it where the hub could not be reached.
    done(path, "mix/mix91", "mix/mix11")
    exams = [{"name": "cmb", "not_checked": "could not be fetched"}, {"name": "mini", "version": "1.0"}]
    manifest = tmp_path / "work" / "mix" / "mix91" / "mix91" / "manifest.json"
    manifest.parent.mkdir()
    manifest.write_text(json.dumps({"build": {"contamination": {"exams": exams}}}), encoding="utf-8")
    assert "exam cmb: could not be fetched, so that rows of it were not looked for in mix91" in plan(path)


def test_the_hub_code_of_others_and_providers_are_told(tmp_path: Path) -> None:
    models = [{"profile": "ivygpt-13b"}, {"model": "a/b"}, {"endpoint": "glm-4"}]
    text = plan(write(tmp_path, models=models, groups=[], exam="cmb"))
    hub = "wangrongsheng/Baichuan2-13B-Chat-sft-multi-mix"
    assert f"2 models come from the hub, unless cached: a/b, {hub}; 28 GB and 1 of unknown size" in text
    assert f"{hub}: run code of their authors" in text
    assert "glm-4: asked through an API, which costs money" in text
    engine = {"model_args": {"trust_remote_code": True}}
    assert "code of their authors" not in plan(write(tmp_path, models=models, groups=[], engine=engine))
