"""Steps and what names their content: only what depends on a change is named anew."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from openbook_eval.errors import OpenbookError
from openbook_eval.study import jobs
from openbook_eval.study.spec import read_study
from openbook_eval.study.workflow import workflow_of
from openbook_eval.tiny_model import tiny_model_dir
from tests.study.folders import PAPER, digests, leave, workflow, write, write_recipe


def of(mix: str) -> set[str]:
    """Steps of the cells that are trained on a mix, without it."""
    return {
        f"{step}/own_{mix}-seed{seed}{part}"
        for seed in (1, 2)
        for step, part in (("train", ""), ("merge", ""), ("evaluate", "/openbook"), ("evaluate", "/closedbook"))
    }


CHAT = "--apply_chat_template"
CONDITIONS = ("openbook", "closedbook")
ALL = {
    "mix/mix91",
    "mix/mix11",
    *of("mix91"),
    *of("mix11"),
    *(f"evaluate/models-tiny/{c}" for c in CONDITIONS),
}
EVALUATIONS = {name for name in ALL if name.startswith("evaluate/")}


def test_a_cell_is_a_mix_a_training_a_merge_and_an_evaluation_by_condition(tmp_path: Path) -> None:
    found = workflow(write(tmp_path))
    assert set(digests(tmp_path / "mine.yml")) == ALL
    chain = found.needed_by(found.steps["evaluate/own_mix91-seed1"])
    assert [step.id for step in chain] == [
        "mix/mix91", "train/own_mix91-seed1", "merge/own_mix91-seed1", "evaluate/own_mix91-seed1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ({"model": "a/b"}, ["--model", "vllm-openbook", "--model_args", '{"x": 1, "pretrained": "a/b"}', CHAT]),
        ({"profile": "wingpt2-7b"}, ["--profile", "wingpt2-7b", "--model_args", '{"x": 1}']),
        ({"endpoint": "glm-4"}, ["--model", "api-openbook", "--model_args", '{"profile": "glm-4"}', CHAT]),
    ],
)
def test_a_model_is_evaluated_as_it_is_asked(tmp_path: Path, model: dict[str, str], options: list[str]) -> None:
    path = write(tmp_path, models=[model], groups=[], engine={"model_args": {"x": 1}})
    (step,) = workflow(path).steps.values()
    assert step.task == {
        "command": ["openbook-eval", "run", *options, "--batch_size", "auto", "--log_samples"], "exam": "mini",
    }  # fmt: skip


def test_an_adapter_is_merged_or_evaluated_beside_its_base_with_room_for_its_rank(tmp_path: Path) -> None:
    merged = write(tmp_path)
    write_recipe(tmp_path / "own.yml", lora_r=20)
    found = workflow_of(read_study(merged), tmp_path / "work").steps
    out = f"{tmp_path}/work/merge/own_mix91-seed1/model"
    assert found["merge/own_mix91-seed1"].task["command"][3:6] == [
        f"{tmp_path}/work/train/own_mix91-seed1/output", "--out", out,
    ]  # fmt: skip
    assert json.loads(found["evaluate/own_mix91-seed1"].task["command"][5]) == {"pretrained": out}
    merged.write_text(merged.read_text("utf-8") + "evaluate: adapter\n", encoding="utf-8")
    found = workflow_of(read_study(merged), tmp_path / "work").steps
    assert json.loads(found["evaluate/own_mix91-seed1"].task["command"][5]) == {
        "pretrained": str(tiny_model_dir()),
        "enable_lora": True,
        "lora_local_path": f"{tmp_path}/work/train/own_mix91-seed1/output",
        "max_lora_rank": 32,
    }
    assert not any(name.startswith("merge/") for name in found)


def test_before_and_after_of_the_papers_table_3_are_asked_by_the_same_profile() -> None:
    found = workflow(PAPER)
    asked: dict[str, set[str | None]] = {}
    for cell in (cell for cell in found.cells if cell.table == 3 or cell.mix is None):
        command = found.evaluation(cell).task["command"]
        profile = command[3] if command[2] == "--profile" else None
        asked.setdefault(cell.base, set()).add(profile)
    trained = {cell.base for cell in found.cells if cell.table == 3}
    assert len(trained) > 4
    assert all(len(asked[model]) == 1 and None not in asked[model] for model in trained)


def _in(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / name
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    return change


@pytest.mark.parametrize(
    ("change", "anew"),
    [
        (_in("raw/tcm/b.jsonl", "b.jsonl?", "c.jsonl?"), ALL - {f"evaluate/models-tiny/{c}" for c in CONDITIONS}),
        (_in("spec.yml", "mix91: {size: 40", "mix91: {size: 41"), {"mix/mix91", *of("mix91")}),
        (_in("spec.yml", "ratio: 1:1", "ratio: 1:2"), {"mix/mix11", *of("mix11")}),
        (_in("spec.yml", "mixes:", "seed: 3\nmixes:"), {"mix/mix91", "mix/mix11", *of("mix91"), *of("mix11")}),
        (_in("spec.yml", "mix11: {", "more: {size: 3, ratio: 1:1}\n  mix11: {"), set()),
        (_in("own.yml", "learning_rate: 0.003", "learning_rate: 0.002"), of("mix91") | of("mix11")),
        (_in("own.yml", "output_dir: checkpoints/tiny_lora", "output_dir: elsewhere"), set()),
        (_in("own.yml", "seed: 42", "seed: 43"), set()),
        (_in("mine.yml", "title: In miniature", "title: Otherwise"), set()),
        (_in("mine.yml", "exam: mini", "exam: cmb"), EVALUATIONS),
        (_in("mine.yml", "exam: mini", "exam: mini\nconditions: [closedbook, openbook]"), set()),
        (_in("mine.yml", "exam: mini", "exam: mini\nengine: {chat_template: false}"), EVALUATIONS),
    ],
)
def test_only_what_depends_on_a_change_is_named_anew(
    tmp_path: Path, change: Callable[[Path], None], anew: set[str]
) -> None:
    path = write(tmp_path)
    before = digests(path)
    change(tmp_path)
    after = digests(path)
    assert {name for name in before if before[name] != after[name]} == anew


def test_another_condition_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    before = digests(write(tmp_path))
    after = digests(write(tmp_path, conditions=["openbook", "reading_open", "closedbook"]))
    assert before.items() < after.items()
    assert {name.rpartition("/")[2] for name in after.keys() - before.keys()} == {"reading_open"}


def test_content_counts_and_not_where_it_lies(tmp_path: Path) -> None:
    def made(folder: Path, template: str = "{{ messages }}", model: str = "{}") -> dict[str, str]:
        (folder / "base").mkdir(parents=True)
        (folder / "base" / "config.json").write_text(model, encoding="utf-8")
        (folder / "chat.jinja").write_text(template, encoding="utf-8")
        path = write(folder)
        write_recipe(folder / "own.yml", base_model="base", chat_template_jinja="chat.jinja")
        return digests(path)

    first = made(tmp_path / "a")
    assert made(tmp_path / "b" / "c") == first
    for name, change in (("d", {"template": "{{ x }}"}), ("e", {"model": "{ }"})):
        assert made(tmp_path / name, **change)["train/own_mix91-seed1"] != first["train/own_mix91-seed1"]


def test_a_file_that_happens_to_be_called_as_a_setting_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = digests(write(tmp_path))
    for name in ("lora", "jinja", "cosine", "chat_template"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert digests(write(tmp_path)) == before


def test_an_exam_that_the_mixes_must_not_hold_counts_by_its_file(tmp_path: Path) -> None:
    path, exam = write(tmp_path), tmp_path / "exam.jsonl"
    spec = (tmp_path / "spec.yml").read_text("utf-8")
    (tmp_path / "spec.yml").write_text(f"{spec}decontaminate: {{exams: ['{exam}#part']}}\n", encoding="utf-8")
    found = []
    for text in ("one", "two"):
        exam.write_text(text, encoding="utf-8")
        found.append(digests(path)["mix/mix91"])
    assert found[0] != found[1]


def test_one_training_under_two_names_in_a_table_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, models=[], groups=[{"recipes": ["own.yml", "twin.yml"], "mixes": ["mix91"]}])
    write_recipe(tmp_path / "twin.yml")
    with pytest.raises(OpenbookError, match="own_mix91-seed1 and twin_mix91-seed1 are the same training; leave one"):
        workflow(path)


def test_a_step_is_done_where_its_record_has_the_digest_of_every_part(tmp_path: Path) -> None:
    step = workflow(write(tmp_path)).steps["evaluate/models-tiny"]
    leave(tmp_path, replace(step, digests={"openbook": step.digests["openbook"]}))
    assert not step.state(tmp_path).done
    leave(tmp_path, step)
    assert step.state(tmp_path).done


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "[" * 100_000])
def test_a_broken_record_or_failure_counts_for_nothing(tmp_path: Path, content: str) -> None:
    step = workflow(write(tmp_path)).steps["mix/mix91"]
    (tmp_path / step.id).mkdir(parents=True)
    for name in (jobs.RECORD, jobs.FAILURE):
        (tmp_path / step.id / name).write_text(content, encoding="utf-8")
    assert (step.state(tmp_path).done, step.state(tmp_path).reason) == (False, "")
