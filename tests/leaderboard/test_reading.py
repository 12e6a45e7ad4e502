"""Runs read into one table, and bad input that is named and never averaged in."""

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbook_eval.errors import OpenbookError
from openbook_eval.leaderboard import reading
from openbook_eval.leaderboard.runs import CONDITIONS, ITEMS
from openbook_eval.training.record import Device, MixTrainedOn, TrainedOn, write_record
from openbook_eval.types import SIX_EXAMS
from tests.results.lm_eval_output import DATE, invented, write_run

RECORD = TrainedOn(
    recipe="recipe.yml", recipe_sha256="1" * 64, base_model="some/base", adapter=None,
    mix=MixTrainedOn(folder="mix41", sha256="2" * 64, manifest_sha256="3" * 64, rows=10, tokens=100), versions={},
    device=Device(name="cpu", count=1), seed=1, started="2026-01-01T00:00:00+00:00", wall_seconds=1.0, tokens=100,
    steps=1, tokens_per_second=100.0, parameters=10, trainable_parameters=10, mfu=None, loss_first=None, loss_last=None,
    finished=True, sessions=1,
)  # fmt: skip


def samples_of(results: Path, exam: str = "nursing") -> Path:
    (path,) = results.parent.glob(f"samples_*_{exam}_*.jsonl")
    return path


def change_lines(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    lines = change(path.read_text(encoding="utf-8").splitlines())
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def change_results(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def beside_a_sound_run(folder: Path, **arguments: Any) -> Path:
    """A run to be spoilt, in the company of one that stays as it is."""
    write_run(folder, model="sound/model", questions=12)
    return write_run(folder, model="spoilt/model", questions=12, **arguments)


def refused(folder: Path) -> str:
    """The one reason, where the sound run alone is left."""
    taken = reading.read([folder])
    assert [run.model for run in taken.runs] == ["sound/model"]
    assert set(taken.items["run"]) == {taken.runs[0].id}
    (reason,) = taken.refused
    return reason


def test_a_run_is_read(tmp_path: Path) -> None:
    path = write_run(tmp_path, chat=True, model_args={"profile": "qwen1.5-chat"}, openbook={"cost": {"prompts": 60}})
    (run,) = reading.read([tmp_path]).runs
    assert (run.model, run.condition, run.date) == ("some/model", "openbook", "2026-01-02T03-04-05")
    assert (run.exam.name, run.exam.version, run.exam.sha256) == ("invented", "1.0", "e" * 64)
    assert (run.entries_sha256, run.task_version, run.asked, run.limited, run.shots) == ("d" * 64, "1.0", 60, False, 0)
    assert run.truncation.checked
    assert (run.truncation.prompts, run.cost, run.profile) == (60, {"prompts": 60}, "qwen1.5-chat")
    assert run.versions == {"lm-eval": "0.4.13", "transformers": "5.19.0"}
    assert run.chat_template is not None
    assert len(run.task_hashes) == 6
    assert run.results == str(path)
    assert [(file.exam, file.items) for file in run.samples] == [(exam, 10) for exam in SIX_EXAMS]
    assert len(run.id) == 16


def test_marks_are_taken_as_the_samples_have_them(tmp_path: Path) -> None:
    path = write_run(tmp_path, questions=12, right=1.0)
    # A wrong mark stays: whoever marks again does not read a run.
    change_lines(samples_of(path), lambda lines: [lines[0].replace('"correct": 1.0', '"correct": 0.0'), *lines[1:]])
    items = reading.read([tmp_path]).items
    assert items.schema == ITEMS
    assert items["correct"].sum() == 11
    first = items.filter(exam="nursing").row(0, named=True)
    assert (first["right"], first["letters"], first["correct"], first["correct_strict"]) == ("A", "A", False, True)


def test_each_condition_of_a_results_file_is_a_run(tmp_path: Path) -> None:
    conditions = [name for name in CONDITIONS if not name.endswith(("64k", "256k"))]
    write_run(tmp_path, condition=conditions, questions=24)
    taken = reading.read([tmp_path])
    assert [run.condition for run in taken.runs] == conditions
    assert taken.items.height == 24 * len(conditions)
    assert len({run.id for run in taken.runs}) == len(conditions)


def test_of_ranked_letters_only_two_marks_exist(tmp_path: Path) -> None:
    write_run(tmp_path, condition="openbook_ranked", questions=24, right=1.0)
    items = reading.read([tmp_path]).items
    for mark in ("correct_strict", "format_followed", "answered", "abstained", "followed"):
        assert items[mark].null_count() == 24
    assert items["correct"].all()
    assert items["letters"].to_list() == items["right"].to_list()
    assert set(items["rule"]) == {"ranked"}
    assert items.filter(qtype="multi")["partial_credit"].to_list() == [1.0] * 6
    assert items.filter(qtype="single")["partial_credit"].null_count() == 18


def test_what_is_right_in_a_missing_book_is_to_abstain(tmp_path: Path) -> None:
    write_run(tmp_path, condition="reading_missing", questions=24, respond=lambda *_: "材料未提及")
    items = reading.read([tmp_path]).items
    assert set(items["right"]) == {""}
    assert items["abstained"].all()
    assert items["correct"].all()
    assert items["depth"].null_count() == 24
    assert set(items["book_length"]) == {4000}
    assert set(items.filter(exam="nursing")["group"]) == {"nursing-4000-0"}


def test_whom_an_answer_followed_is_told_of_contrary_books_only(tmp_path: Path) -> None:
    conditions = ["reading_contrary", "reading_library_4k"]
    write_run(tmp_path, condition=conditions, questions=24, respond=lambda question, _: question.answer)
    taken = reading.read([tmp_path])
    library, contrary = taken.runs
    assert set(taken.items.filter(run=contrary.id)["followed"]) == {"memory"}
    assert taken.items.filter(run=library.id)["followed"].null_count() == 24


def test_a_question_without_a_response_is_counted_and_has_no_marks(tmp_path: Path) -> None:
    part = {"questions": 12, "answered": 11, "failures": {"timeout": 1}}
    write_run(
        tmp_path,
        questions=12,
        respond=lambda question, right: None if question.id == "nursing-0" else right,
        openbook={"api": part},
    )
    taken = reading.read([tmp_path])
    assert (taken.runs[0].asked, taken.items.height) == (12, 12)
    assert taken.runs[0].gaps.startswith("1 of 12 questions of the run not answered (1 timeout)")
    missing = taken.items.filter(pl.col("correct").is_null()).to_dicts()
    assert [item["id"] for item in missing] == ["nursing-0"]
    assert {missing[0][key] for key in ("letters", "state", "rule", "answered", "format_followed")} == {None}


def test_adapters_of_one_base_are_different_models(tmp_path: Path) -> None:
    for number, adapter in enumerate(("mix91", "mix19")):
        arguments = {"lora_local_path": adapter}
        write_run(tmp_path, questions=6, model_args=arguments, date=DATE.replace("03-04", f"03-0{number}"))
    assert [run.model for run in reading.read([tmp_path]).runs] == ["some/model + mix19", "some/model + mix91"]


@pytest.mark.parametrize("in_results", [True, False])
def test_what_a_model_was_trained_on_is_in_the_results_or_its_folder(tmp_path: Path, *, in_results: bool) -> None:
    if in_results:
        write_run(tmp_path / "runs", questions=6, openbook={"trained_on": RECORD.model_dump(mode="json")})
    else:
        write_record(tmp_path / "adapter", RECORD)
        write_run(tmp_path / "runs", questions=6, model_args={"lora_local_path": str(tmp_path / "adapter")})
    assert reading.read([tmp_path / "runs"]).runs[0].trained_on == RECORD


def test_a_limit_is_told(tmp_path: Path) -> None:
    write_run(tmp_path, questions=60, limit=4)
    (run,) = reading.read([tmp_path]).runs
    assert (run.asked, run.limited) == (24, True)


def test_a_limit_that_leaves_nothing_out_is_none(tmp_path: Path) -> None:
    write_run(tmp_path, questions=60, limit=1000)
    assert not reading.read([tmp_path]).runs[0].limited


def test_an_id_hangs_on_what_was_answered(tmp_path: Path) -> None:
    for name, right in (("a", 0.2), ("b", 0.8), ("c", 0.2)):
        write_run(tmp_path / name, right=right)
    a, b, c = (reading.read([tmp_path / name]).runs[0] for name in "abc")
    assert a.id != b.id
    assert a.id == c.id
    assert a.items_sha256 == b.items_sha256


def test_of_two_runs_with_one_name_the_newest_stands(tmp_path: Path) -> None:
    for day, right in ((1, 0.0), (3, 1.0), (2, 0.5)):
        write_run(tmp_path, questions=12, right=right, date=f"2026-01-0{day}T00-00-00.000000")
    taken = reading.read([tmp_path])
    assert [run.date for run in taken.runs] == ["2026-01-03T00-00-00"]
    assert taken.items["correct"].all()
    assert len(taken.refused) == 2
    assert (
        "some/model, openbook, of 2026-01-01T00-00-00: an older run of one name; the newest stands" in taken.refused[0]
    )


def test_runs_of_one_name_that_asked_something_else_both_stand(tmp_path: Path) -> None:
    write_run(tmp_path, questions=12)
    write_run(tmp_path, questions=60, date=DATE.replace("01-02", "01-03"))
    taken = reading.read([tmp_path])
    assert [run.asked for run in taken.runs] == [12, 60]
    assert taken.refused == ()


def test_a_half_written_results_file_is_named(tmp_path: Path) -> None:
    path = beside_a_sound_run(tmp_path)
    path.write_bytes(path.read_bytes()[:-40])
    assert refused(tmp_path).startswith(f"{path}: half-written, or not a results file of lm-eval (JSONDecodeError: ")


@pytest.mark.parametrize("content", ["[]", "{}", '{"configs": 3}', "\x00", "[" * 100_000])
def test_what_is_no_results_file_is_named(tmp_path: Path, content: str) -> None:
    path = beside_a_sound_run(tmp_path)
    path.write_text(content, encoding="utf-8")
    assert refused(tmp_path).startswith(f"{path}: half-written, or not a results file of lm-eval")


def test_results_without_samples_are_named(tmp_path: Path) -> None:
    path = beside_a_sound_run(tmp_path, samples=False)
    assert refused(tmp_path) == (
        f"{path}: openbook: no samples beside the results, so that no item can be compared; "
        "run again with --log_samples"
    )


def test_samples_without_results_are_named(tmp_path: Path) -> None:
    path = beside_a_sound_run(tmp_path)
    path.unlink()
    assert refused(tmp_path).startswith(
        f"{path.parent}: samples of 2026-01-02T03-04-05 (6 tasks) without a results file"
    )


def test_a_task_without_samples_leaves_the_run_out(tmp_path: Path) -> None:
    path = beside_a_sound_run(tmp_path)
    samples_of(path).unlink()
    assert refused(tmp_path) == f"{path}: openbook: no samples of cmed_openbook_nursing: run again"


def test_samples_that_are_fewer_than_the_results_say_are_named(tmp_path: Path) -> None:
    path = samples_of(beside_a_sound_run(tmp_path))
    change_lines(path, lambda lines: lines[:-1])
    assert refused(tmp_path) == f"{path}: 1 items, but the results are of 2; the file was cut off, run again"


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    path = samples_of(beside_a_sound_run(tmp_path))
    change_lines(path, lambda lines: [lines[0], lines[1][:200]])
    assert refused(tmp_path).startswith(f"{path}: line 2 is broken (")


def test_an_item_that_stands_there_twice_is_named(tmp_path: Path) -> None:
    path = samples_of(beside_a_sound_run(tmp_path))
    change_lines(path, lambda lines: [lines[0], lines[0]])
    assert refused(tmp_path) == f"{path}: item nursing-0 stands there 2 times; run again"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"correct": ', '"correct": 0.5, "x": ', "a mark correct is neither 0 nor 1"),
        ('"answered": ', '"x": ', "an item with a response has no mark answered, or one without has"),
        ('"doc_hash": ', '"x": ', "a document has no hash"),
        ('"exam": "nursing"', '"exam": "pharmacist"', "not all items are of the exam nursing"),
        ('"correct": ', '"correct": "yes", "x": ', "line 1 is broken (Expected `float | null`, got `str`"),
    ],
)
def test_a_line_that_is_not_ours_is_named(tmp_path: Path, old: str, new: str, reason: str) -> None:
    path = samples_of(beside_a_sound_run(tmp_path))
    change_lines(path, lambda lines: [lines[0].replace(old, new), *lines[1:]])
    assert refused(tmp_path).startswith(f"{path}: {reason}")


def test_a_reading_that_is_no_choice_is_named(tmp_path: Path) -> None:
    path = samples_of(beside_a_sound_run(tmp_path))
    change_lines(path, lambda lines: [lines[0].replace('\\"rule\\"', '\\"ruel\\"'), *lines[1:]])
    assert refused(tmp_path).startswith(f"{path}: line 1: nothing can be read out (no choice: ")


def test_an_unknown_task_version_is_named(tmp_path: Path) -> None:
    path = beside_a_sound_run(tmp_path, version=9.0)
    assert refused(tmp_path) == (
        f"{path}: openbook: task version 9.0 is not known here, known is 1.0; "
        "compare it with the openbook-eval that took it, or run again"
    )


def test_tasks_of_two_exam_files_are_no_run(tmp_path: Path) -> None:
    path = beside_a_sound_run(tmp_path)
    other = {"name": "other", "version": "2", "sha256": "f" * 64}
    change_results(path, lambda told: told["configs"]["cmed_openbook_nursing"]["metadata"].update(exam_file=other))
    assert refused(tmp_path) == f"{path}: openbook: its tasks have more than one exam file; run them again together"


def test_a_part_of_ours_that_is_something_else_is_named(tmp_path: Path) -> None:
    path = beside_a_sound_run(tmp_path)
    change_results(path, lambda told: told["openbook"].update(cost=["much"]))
    assert refused(tmp_path).startswith(f"{path}: not as lm-eval and we write it (cost: ")


def test_other_tasks_are_counted(tmp_path: Path) -> None:
    path = write_run(tmp_path)
    change_results(path, lambda told: told["configs"].update(arc_easy={}, mmlu={}, cmed_unheard_of={}))
    taken = reading.read([tmp_path])
    assert taken.refused == (
        f"{path}: 1 tasks that are not known here (cmed_unheard_of)",
        "2 tasks of other exams than ours",
    )


def test_lines_of_other_filters_are_left_out(tmp_path: Path) -> None:
    path = write_run(tmp_path, questions=12)
    other = '"filter": "none"'
    change_lines(
        samples_of(path), lambda lines: [*lines, *(line.replace('"filter": "choice"', other) for line in lines)]
    )
    assert reading.read([tmp_path]).items.height == 12


def test_half_a_character_in_a_response_is_no_fault(tmp_path: Path) -> None:
    path = write_run(tmp_path, questions=12, respond=lambda *_: "答案HALF")
    change_lines(samples_of(path), lambda lines: [line.replace("HALF", "\\ud83d") for line in lines])
    assert reading.read([tmp_path]).items.height == 12


def test_nothing_to_show_is_an_error_that_says_why(tmp_path: Path) -> None:
    for number in range(5):
        write_run(tmp_path, model=f"m{number}", questions=6, samples=False)
    with pytest.raises(OpenbookError, match=r"no run that can be shown: .*m0/.*m1/.*m2/.*; and 2 more$"):
        reading.read([tmp_path])
    with pytest.raises(OpenbookError, match="no results of cmed tasks; run openbook-eval run"):
        reading.read([Path(__file__).parent / "page"])


@settings(max_examples=60, deadline=None)
@given(line=st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)))
def test_whatever_stands_in_a_samples_file_is_named(line: bytes) -> None:
    with TemporaryDirectory() as name:
        path = samples_of(beside_a_sound_run(Path(name)))
        path.write_bytes(line)
        assert refused(Path(name)).startswith(f"{path}: ")


@settings(max_examples=60, deadline=None)
@given(
    content=st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    ),
    key=st.sampled_from(["configs", "versions", "config", "n-samples", "n-shot", "openbook", "results", "task_hashes"]),
)
def test_whatever_stands_in_a_results_file_breaks_nothing(content: object, key: str) -> None:
    with TemporaryDirectory() as name:
        change_results(beside_a_sound_run(Path(name)), lambda told: told.update({key: content}))
        assert "sound/model" in [run.model for run in reading.read([Path(name)]).runs]


def test_two_processes_read_what_one_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        write_run(tmp_path, model=f"m{number}", questions=12)
    samples_of(write_run(tmp_path, model="m3", questions=12)).write_text("broken", encoding="utf-8")
    alone = reading.read([tmp_path])
    monkeypatch.setattr(reading, "_MANY_BYTES", 0)
    told: list[tuple[int, int]] = []
    together = reading.read([tmp_path], progress=lambda done, whole: told.append((done, whole)))
    assert together.runs == alone.runs
    assert together.items.equals(alone.items)
    assert together.refused == alone.refused
    assert told == [(number, 24) for number in range(1, 25)]


def test_questions_are_invented_as_asked() -> None:
    assert len(invented(61)) == 61


@pytest.mark.parametrize("old", ['"id": "', '"exam_class": "', '"doc_hash": "'])
def test_half_a_character_in_what_names_an_item_is_named(tmp_path: Path, old: str) -> None:
    samples = samples_of(beside_a_sound_run(tmp_path))
    samples.write_text(samples.read_text(encoding="utf-8").replace(old, old + "\\ud800", 1), encoding="utf-8")
    assert refused(tmp_path) == f"{samples}: an id, class or hash holds half a character; run again"


@pytest.mark.parametrize("cut", [2**60, -1, 0.5, "7"])
def test_a_truncation_that_cannot_be_is_named(tmp_path: Path, cut: object) -> None:
    told = {"checked": True, "reason": None, "prompts": 60, "cut": cut, "longest": 1, "room": 1, "tasks": []}
    path = beside_a_sound_run(tmp_path)
    results = json.loads(path.read_text(encoding="utf-8"))
    tasks = [{"task": task, "prompts": 10, "cut": cut, "longest": 1, "room": 1} for task in results["configs"]]
    path.write_text(json.dumps(results | {"openbook": {"truncation": told | {"tasks": tasks}}}), encoding="utf-8")
    assert "not as lm-eval and we write it" in refused(tmp_path)
