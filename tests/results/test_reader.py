"""Runs are read into one table; what is broken is refused whole and named with its reason in one line."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from openbook_eval.books.conditions import CONDITIONS
from openbook_eval.errors import OpenbookError
from openbook_eval.results import ITEMS, read_runs, why_not_comparable
from openbook_eval.results.reader import results_files, samples_files
from openbook_eval.types import SIX_EXAMS, Marked
from tests.results.lm_eval_output import DATE, write_run
from tests.results.spoil import change_first, change_lines, change_results, samples_of


def beside_a_sound_run(folder: Path, **arguments: Any) -> Path:
    """Write a run to be spoilt, in the company of one that stays as it is."""
    write_run(folder, model="sound/model", questions=12)
    return write_run(folder, model="spoilt/model", questions=12, **arguments)


def refused(folder: Path) -> str:
    """Return the one reason, where the sound run alone is left."""
    found = read_runs(folder)
    assert [run.model for run in found.runs] == ["sound/model"]
    assert set(found.items["run"]) == {found.runs[0].id}
    (reason,) = found.refused
    assert "\n" not in reason
    return reason


def test_a_run_is_read(tmp_path: Path) -> None:
    record = {"recipe": "r.yml", "started": "2026-01-01T00:00:00+00:00", "finished": True, "seed": 7}
    parts = {"cost": {"prompts": 60}, "trained_on": record, "versions": {"vllm": "1"}}
    path = write_run(tmp_path, chat=True, model_args={"profile": "qwen1.5-chat"}, openbook=parts)
    (run,) = read_runs([tmp_path]).runs
    assert (run.model, run.condition, run.date) == ("some/model", "openbook", "2026-01-02T03-04-05")
    assert run.exam.model_dump(exclude_defaults=True) == {"name": "invented", "version": "1.0", "sha256": "e" * 64}
    assert (run.entries_sha256, run.task_version, run.asked, run.limited, run.shots) == ("d" * 64, "1.0", 60, False, 0)
    assert (run.truncation.checked, run.truncation.prompts) == (True, 60)
    assert (run.cost, run.profile) == ({"prompts": 60}, "qwen1.5-chat")
    assert run.trained_on is not None
    assert run.trained_on.model_dump() == record
    assert run.versions == {"lm-eval": "0.4.13", "transformers": "5.19.0", "vllm": "1"}
    assert run.chat_template is not None
    assert list(run.task_hashes) == [f"cmed_openbook_{exam}" for exam in SIX_EXAMS]
    assert run.results == str(path)
    assert [(file.exam, file.items) for file in run.samples] == [(exam, 10) for exam in SIX_EXAMS]
    assert len(run.id) == 16


def test_metrics_are_taken_from_the_samples(tmp_path: Path) -> None:
    write_run(tmp_path, questions=12, right=1.0)
    items = read_runs(tmp_path).items
    assert items.schema == ITEMS
    assert items["correct"].sum() == 12
    first = items.filter(exam="nursing").row(0, named=True)
    assert (first["expected"], first["letters"], first["correct"], first["correct_strict"]) == ("A", "A", True, True)
    assert first["abstained"] is None


def test_each_condition_of_a_results_file_is_a_run(tmp_path: Path) -> None:
    conditions = [name for name in CONDITIONS if not name.endswith(("64k", "256k"))]
    write_run(tmp_path, condition=conditions, questions=24)
    found = read_runs(tmp_path)
    assert [run.condition for run in found.runs] == conditions
    assert [found.items_of(run).height for run in found.runs] == [24] * len(conditions)
    assert len({run.id for run in found.runs}) == len(conditions)


def test_ranked_letters_have_three_metrics(tmp_path: Path) -> None:
    write_run(tmp_path, condition="openbook_ranked", questions=24, right=1.0)
    items = read_runs(tmp_path).items
    for metric in ("correct_strict", "format_followed", "answered", "abstained", "follows_context"):
        assert items[metric].null_count() == 24
    assert items["correct"].all()
    assert items["letter_mass"].is_between(0.4, 1).all()
    assert items["letters"].to_list() == items["expected"].to_list()
    assert set(items["rule"]) == {"ranked"}
    assert items.filter(qtype="multi")["partial_credit"].to_list() == [1.0] * 6
    assert items.filter(qtype="single")["partial_credit"].null_count() == 18


def test_the_reading_exam_has_metrics_and_books_of_its_own(tmp_path: Path) -> None:
    conditions = ["reading_counterfactual", "reading_library_4k", "reading_unanswerable"]
    write_run(
        tmp_path, condition=conditions, questions=24, respond=lambda q, right: q.answer if right else "材料未提及"
    )
    found = read_runs(tmp_path)
    items = {run.condition: found.items_of(run) for run in found.runs}
    counterfactual, unanswerable = items["reading_counterfactual"], items["reading_unanswerable"]
    assert counterfactual["follows_memory"].all()
    assert not counterfactual["follows_context"].any()
    assert items["reading_library_4k"]["follows_memory"].null_count() == 24
    assert set(unanswerable["expected"]) == {""}
    assert unanswerable["abstained"].all()
    assert unanswerable["correct"].all()
    assert unanswerable["depth"].null_count() == 24
    assert set(unanswerable["book_length"]) == {4000}
    assert set(unanswerable.filter(exam="nursing")["group"]) == {"nursing-4000-0"}


def test_an_item_without_a_response_is_counted_and_has_no_metric(tmp_path: Path) -> None:
    write_run(
        tmp_path,
        questions=12,
        respond=lambda question, right: None if question.id == "nursing-0" else right,
        openbook={"api": {"questions": 12, "answered": 11, "failures": {"timeout": 1}}},
    )
    found = read_runs(tmp_path)
    assert (found.runs[0].asked, found.items.height) == (12, 12)
    missing = "1 of 12 questions of the run not answered (1 timeout) and not scored: the same command asks them again"
    assert found.runs[0].gaps == missing
    items = found.items.filter(pl.col("correct").is_null()).to_dicts()
    assert [item["id"] for item in items] == ["nursing-0"]
    assert {items[0][key] for key in ("letters", "state", "rule", "answered", "format_followed")} == {None}


def test_responses_that_end_in_mid_thought_are_counted_and_said(tmp_path: Path) -> None:
    respond = lambda question, right: "<think>先看A" if question.id == "nursing-0" else right  # noqa: E731
    write_run(tmp_path, questions=12, respond=respond, openbook={"thinking": {"responses": 12, "cut_off": 3}})
    found = read_runs(tmp_path)
    assert found.items.filter(state="cut_off")["id"].to_list() == ["nursing-0"]
    assert found.runs[0].caveats()["cut off"] == (
        "1 of 12 responses ended in mid-thought and answer nothing; about 3 of 12 did so and were read all the same "
        "(an estimate: tokens counted again); --model vllm-openbook knows"
    )


def test_runs_that_ask_again_say_so_and_are_compared_among_themselves(tmp_path: Path) -> None:
    respond = lambda question, right: Marked("?", logprobs={"A": -0.1, "B": -3.0}) if "0" in question.id else right  # noqa: E731
    once, again = (
        write_run(tmp_path / name, questions=12, respond=respond if name == "again" else None, right=1.0)
        for name in ("once", "again")
    )
    change_results(again, lambda results: [c["metadata"].update(undecided="ask") for c in results["configs"].values()])
    found = read_runs(again)
    (run,), asked = found.runs, found.items.filter(state="asked")
    assert asked.height == 6
    assert asked["probability"].to_list() == pytest.approx([0.947846] * 6)
    assert run.caveats() == {"asked again": "6 of 12 responses, which no rule decides, were put to the model again"}
    assert why_not_comparable(read_runs(once).runs[0], run) == ["undecided ask instead of not set"]


def test_adapters_of_one_base_are_different_models(tmp_path: Path) -> None:
    for number, adapter in enumerate(("mix91", "mix19")):
        arguments = {"lora_local_path": adapter}
        write_run(tmp_path, questions=6, model_args=arguments, date=DATE.replace("03-04", f"03-0{number}"))
    assert [run.model for run in read_runs(tmp_path).runs] == ["some/model + mix19", "some/model + mix91"]


@pytest.mark.parametrize(("limit", "asked", "limited"), [(4, 24, True), (1000, 60, False)])
def test_a_limit_counts_where_it_leaves_something_out(tmp_path: Path, limit: int, asked: int, *, limited: bool) -> None:
    write_run(tmp_path, questions=60, limit=limit)
    (run,) = read_runs(tmp_path).runs
    assert (run.asked, run.limited) == (asked, limited)


def test_an_id_depends_on_what_was_answered(tmp_path: Path) -> None:
    for name, right in (("a", 0.2), ("b", 0.8), ("c", 0.2)):
        write_run(tmp_path / name, right=right, questions=12)
    a, b, c = (read_runs(tmp_path / name).runs[0] for name in "abc")
    assert a.id == c.id != b.id
    assert a.items_sha256 == b.items_sha256


def test_of_two_runs_with_one_name_that_asked_the_same_the_newest_stands(tmp_path: Path) -> None:
    for day, right in ((1, 0.0), (3, 1.0), (2, 0.5)):
        write_run(tmp_path, questions=12, right=right, date=f"2026-01-0{day}T00-00-00.000000")
    write_run(tmp_path, questions=60)
    found = read_runs(tmp_path)
    assert [(run.date, run.asked) for run in found.runs] == [("2026-01-02T03-04-05", 60), ("2026-01-03T00-00-00", 12)]
    assert found.items_of(found.runs[1])["correct"].all()
    assert len(found.refused) == 2
    assert "some/model, openbook, of 2026-01-01T00-00-00: an older run of one model; the newest" in found.refused[0]


def test_results_are_found_where_output_path_puts_them(tmp_path: Path) -> None:
    for name in (f"out/model/results_{DATE}", f"named_{DATE}", f"named_too_{DATE}", f"results_{DATE}", "out/manifest"):
        file = tmp_path / f"{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    assert results_files(tmp_path / "named.json") == [tmp_path / f"named_{DATE}.json"]
    assert results_files(tmp_path / "out") == [tmp_path / "out" / "model" / f"results_{DATE}.json"]
    assert results_files(tmp_path / "none") == results_files(tmp_path / "no" / "none.json") == []


def test_samples_lie_beside_results_of_any_name(tmp_path: Path) -> None:
    path = write_run(tmp_path, questions=6)
    renamed = path.rename(path.with_name(f"mine_{DATE}.json"))
    assert len(samples_files(renamed)) == 6
    assert samples_files(renamed)["cmed_openbook_nursing"] == samples_of(renamed)
    assert read_runs(renamed).runs[0].asked == 6


def test_a_run_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    path = write_run(tmp_path, questions=6)
    found = read_runs([tmp_path, path, path.parent])
    assert (len(found.runs), found.refused) == (1, ())


def test_nothing_to_show_is_an_error_that_says_why(tmp_path: Path) -> None:
    with pytest.raises(OpenbookError, match="nowhere: no such file or folder; name a results file"):
        read_runs([tmp_path, tmp_path / "nowhere"])
    with pytest.raises(OpenbookError, match="no results of cmed tasks; run openbook-eval run"):
        read_runs(tmp_path)
    for number in range(5):
        write_run(tmp_path, model=f"m{number}", questions=6, samples=False)
    with pytest.raises(OpenbookError, match=r"no run that can be shown: .*m0/.*m1/.*m2/.*; and 2 more$"):
        read_runs(tmp_path)


@pytest.mark.parametrize("content", ["[]", "{}", '{"configs": 3}', "\x00", "[" * 100_000, '{"configs": {}, "vers'])
def test_what_is_no_results_file_is_named(tmp_path: Path, content: str) -> None:
    path = beside_a_sound_run(tmp_path)
    path.write_text(content, encoding="utf-8")
    assert refused(tmp_path).startswith(f"{path}: half-written, or not a results file of lm-eval (")


OTHER_EXAM = {"name": "other", "version": "2", "sha256": "f" * 64}


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (
            lambda path: samples_of(path).unlink(),
            "no samples of cmed_openbook_nursing: no item can be compared; run again with --log_samples",
        ),
        (
            lambda path: change_lines(samples_of(path), lambda lines: lines[:-1]),
            "NAME: 1 items, but the results are of 2; the file was cut off, run again",
        ),
        (
            lambda path: change_lines(samples_of(path), lambda lines: [lines[0], lines[0]]),
            "NAME: item nursing-0 stands there twice; run again",
        ),
        (
            lambda path: change_lines(samples_of(path), lambda lines: [lines[0], lines[1][:200]]),
            "NAME: line 2 is broken (error parsing line: ",
        ),
        (
            lambda path: change_results(path, lambda told: told.update(versions=dict.fromkeys(told["configs"], 9.0))),
            "task version 9.0 is not known here, known is 1.0; run again",
        ),
        (
            lambda path: change_results(
                path, lambda told: told["configs"]["cmed_openbook_nursing"]["metadata"].update(exam_file=OTHER_EXAM)
            ),
            "its tasks have more than one exam file; run them again together",
        ),
        (
            lambda path: change_results(
                path, lambda told: told["configs"]["cmed_openbook_nursing"].update(metric_list=[{"metric": "bypass"}])
            ),
            "taken with --predict_only: nothing is scored; openbook-eval rescore FILE.jsonl reads the responses of a ",
        ),
    ],
)
def test_a_run_with_a_fault_is_left_out_and_named(tmp_path: Path, spoil: Callable[[Path], object], reason: str) -> None:
    path = beside_a_sound_run(tmp_path)
    name = samples_of(path).name
    spoil(path)
    assert refused(tmp_path).startswith(f"{path}: openbook: {reason.replace('NAME', name)}")


def test_samples_without_results_are_named(tmp_path: Path) -> None:
    path = beside_a_sound_run(tmp_path)
    path.unlink()
    assert refused(tmp_path) == (
        f"{path.parent}: samples of 2026-01-02T03-04-05 without a results file; "
        "the run was cut off, or the file lies elsewhere: run again, or put it beside them"
    )


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"correct": ', '"correct": 0.5, "x": ', "item nursing-0 has an impossible metric correct"),
        ('"partial_credit": null', '"partial_credit": 1.5', "item nursing-0 has an impossible metric partial_credit"),
        ('"correct": ', '"x": ', "item nursing-0 lacks the metric correct"),
        ('"answered": ', '"x": ', "item nursing-0 lacks the metric answered"),
        ('\\"letters\\"', '\\"unanswered\\":\\"x\\",\\"letters\\"', "item nursing-0 has the metric correct without"),
        (
            '"correct": 1',
            '"correct": 0',
            "item nursing-0 has correct 0, which does not follow from the letters 'A' that were",
        ),
        ('"answered": 1', '"answered": 0', "item nursing-0 has answered 0, which does not follow"),
        ('"partial_credit": null', '"partial_credit": 1', "item nursing-0 has partial_credit 1, which does not follow"),
        ('"expected": "A"', '"expected": "B"', "item nursing-0 has correct 1, which does not follow"),
        ('\\"letters_only\\"', '\\"concluded\\"', "item nursing-0 has correct_strict 1, which does not follow"),
        (
            '\\"letters\\":\\"A\\"',
            '\\"letters\\":\\"AA\\"',
            "item nursing-0 has letters 'AA' that its options or its key do",
        ),
        (
            '\\"letters\\":\\"A\\"',
            '\\"letters\\":\\"Z\\"',
            "item nursing-0 has letters 'Z' that its options or its key do",
        ),
        ('"letter": "A"', '"letter": "F"', "item nursing-0 has letters 'A' that its options or its key do not allow"),
        ('"doc_hash": ', '"x": ', "item nursing-0 has no id, class, answer or hash"),
        ('"exam": "nursing"', '"exam": "pharmacist"', "item nursing-0 is not of the exam nursing"),
        ('"qtype": "single"', '"qtype": "both"', "item nursing-0 is neither single nor multiple choice"),
        ('"depth": 0.0', '"depth": 1.5', "item nursing-0 has an entry outside of its book"),
        ('"correct": ', '"correct": "yes", "x": ', "line 1 is broken (cannot parse 'yes' (string) as Float64)"),
        ('"correct": ', '"correct": NaN, "x": ', "line 1 is broken ("),
        ('"class 0"', '"\\ud800\\ud800"', "line 1 is broken ("),
        ('"filtered_resps": [', '"filtered_resps": [], "x": [', "item nursing-0 has no choice"),
        ('\\"rule\\"', '\\"ruel\\"', "item nursing-0 has no choice"),
        ('\\"stated\\"', '\\"sworn\\"', "item nursing-0 has no choice"),
        ('\\"letters\\":\\"A\\"', '\\"letters\\":[{}', "error deserializing JSON"),
        ('"filtered_resps": ["{', '"filtered_resps": ["{{', "error deserializing JSON"),
    ],
)
def test_a_line_that_is_not_ours_is_named(tmp_path: Path, old: str, new: str, reason: str) -> None:
    path = beside_a_sound_run(tmp_path, right=1.0, respond=lambda _, right: right)
    change_first(samples_of(path), old, new)
    assert refused(tmp_path).startswith(f"{path}: openbook: {samples_of(path).name}: {reason}")


def test_lines_of_other_filters_are_left_out(tmp_path: Path) -> None:
    path = samples_of(write_run(tmp_path, questions=12))
    other = '"filter": "none"'
    change_lines(path, lambda lines: [*lines, *(line.replace('"filter": "choice"', other) for line in lines)])
    assert read_runs(tmp_path).items.height == 12


def truncation(cut: object) -> dict[str, Any]:
    told = {"prompts": 1, "cut": cut, "longest": 1, "room": 1}
    tasks = [{"task": f"cmed_openbook_{exam}", **told} for exam in SIX_EXAMS]
    return {"checked": True, "reason": None, **told, "tasks": tasks}


@pytest.mark.parametrize(
    ("part", "content"),
    [
        ("cost", ["much"]),
        ("trained_on", {"recipe": 3}),
        ("api", {"failures": {"timeout": 1}}),
        ("truncation", {"checked": True}),
        *(("truncation", truncation(cut)) for cut in (2**60, -1, 0.5, "7")),
    ],
)
def test_a_part_of_ours_that_cannot_be_is_named(tmp_path: Path, part: str, content: object) -> None:
    path = beside_a_sound_run(tmp_path)
    change_results(path, lambda told: told["openbook"].update({part: content}))
    assert refused(tmp_path).startswith(f"{path}: ")


@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to(path)]
)
@pytest.mark.parametrize("of", [lambda results: results, samples_of], ids=["results", "samples"])
def test_what_is_no_file_is_named_and_never_read(
    tmp_path: Path, make: Callable[[Path], object], of: Callable[[Path], Path]
) -> None:
    path = of(beside_a_sound_run(tmp_path))
    path.unlink()
    make(path)
    found = read_runs(tmp_path)
    assert [run.model for run in found.runs] == ["sound/model"]
    assert found.refused[0] == f"{path}: is a pipe, a device or a broken link; remove it"


def test_a_file_without_end_is_named(tmp_path: Path) -> None:
    path = beside_a_sound_run(tmp_path)
    os.truncate(path, 2**40)
    assert refused(tmp_path).startswith(
        f"{path}: half-written, or not a results file of lm-eval (ValueError: 1,099,511,"
    )


@pytest.mark.parametrize("half", [rb"sp\ud800", b"sp\xed\xa0\x80"])
def test_half_a_surrogate_pair_in_a_results_file_is_named(tmp_path: Path, half: bytes) -> None:
    path = beside_a_sound_run(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"spoilt/model", half))
    assert refused(tmp_path).startswith(f"{path}: half-written, or not a results file of lm-eval (UnicodeEncodeError")


def test_other_tasks_are_counted_and_unknown_conditions_named(tmp_path: Path) -> None:
    path = write_run(tmp_path)
    unheard = json.loads(path.read_text(encoding="utf-8"))["configs"]["cmed_openbook_nursing"]
    unheard["metadata"]["condition"] = "unheard_of"
    change_results(path, lambda told: told["configs"].update(arc_easy={}, mmlu={}, cmed_new=unheard))
    assert read_runs(tmp_path).refused == (
        f"{path}: unheard_of: no condition known here (cmed_new)",
        f"{path}: 2 tasks of other exams than ours; openbook-eval rescore takes their samples (--log_samples)",
    )


@settings(max_examples=60, deadline=None)
@given(line=st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)))
@example(line=b"(\xb5/\xfd")  # zstd
@example(line=b"\x1f\x8b\x08\x00")  # gzip
@example(line=b"\x78\x9c\x00")  # zlib
def test_whatever_stands_in_a_samples_file_is_named(line: bytes) -> None:
    with TemporaryDirectory() as name:
        path = beside_a_sound_run(Path(name))
        samples_of(path).write_bytes(line)
        assert refused(Path(name)).startswith(f"{path}: openbook: ")


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
        assert "sound/model" in [run.model for run in read_runs(Path(name)).runs]


def test_an_output_path_that_names_a_file_names_its_runs(tmp_path: Path) -> None:
    path = write_run(tmp_path, questions=12)
    path = path.rename(path.with_name(path.name.replace("results", "X")))
    (run,) = read_runs(path.with_name("X.json")).runs
    assert run.results == str(path)
