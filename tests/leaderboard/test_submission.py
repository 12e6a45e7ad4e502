"""What a run must be before it is ranked, and the board as a data set of the hub."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from openbook_eval.errors import OpenbookError
from openbook_eval.leaderboard import reading, store, submission
from openbook_eval.leaderboard.requirements import faults
from openbook_eval.leaderboard.taken import Taken
from openbook_eval.window.truncation import Truncation
from tests.leaderboard.hand_made import first, make_taken
from tests.results.lm_eval_output import invented, write_run


def faults_of(changes: Mapping[str, Any]) -> list[str]:
    """The faults of run b beside a sound run a."""
    taken = make_taken({"a": first(5), "b": first(6)}, changes={"b": changes})
    return list(faults(taken.runs[1], taken))


def test_a_whole_run_has_no_faults() -> None:
    assert faults_of({}) == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"limited": True}, "was taken with --limit"),
        ({"gaps": "2 of 60 questions not answered: run again"}, "2 of 60 questions not answered: run again"),
        ({"asked": 61}, "has 60 items, but says that it asked 61"),
        ({"truncation": Truncation.unchecked("no tokenizer")}, "was not checked for truncation (no tokenizer)"),
        (
            {"truncation": Truncation(True, None, 60, 7, 2000, 1536)},
            "7 of 60 prompts did not reach the model whole",
        ),
        ({"cost": {"prompts": 20, "kept": 10}}, "its journal has 30 answers to 60 items"),
        ({"cost": {"questions": 60, "answered": 20}}, "its journal has 20 answers to 60 items"),
        (
            {"task_hashes": {}, "chat_template": "other"},
            "no task hash of physician, nursing, pharmacist, technician, professional, postgraduate; "
            "lm-eval writes them with --log_samples",
        ),
        ({"items_sha256": "0" * 64}, "beside a: asks other questions, or lays their books in another way"),
    ],
)
def test_each_fault_is_named(changes: dict[str, Any], fault: str) -> None:
    assert faults_of(changes) == [fault]


def test_all_faults_are_named_at_once() -> None:
    assert len(faults_of({"limited": True, "asked": 61, "truncation": Truncation.unchecked("x")})) == 3


@pytest.mark.parametrize("cost", [None, {}, {"prompts": 10, "kept": 50}, {"prompts": 57}, {"answered": 60}])
def test_a_journal_that_covers_the_items_is_whole(cost: object) -> None:
    # Questions that repeat each other word for word are asked once.
    assert faults_of({"cost": cost}) == []


def test_an_item_without_a_response_is_a_fault() -> None:
    taken = make_taken({"a": lambda _, place: None if place == 0 else True})
    assert list(faults(taken.runs[0], taken)) == ["6 items have no response"]


def test_task_hashes_are_those_of_runs_with_the_same_chat_template() -> None:
    taken = make_taken({"a": first(5)})
    other = dict.fromkeys(taken.runs[0].task_hashes, "d" * 64)
    assert faults_of({"task_hashes": other}) == [
        "its task hashes are not those of a with the same chat template: prompts differ"
    ]
    assert faults_of({"task_hashes": other, "chat_template": "e" * 64}) == []


def test_a_run_of_another_exam_or_prompt_may_stand_beside() -> None:
    assert faults_of({"shots": 5, "items_sha256": "0" * 64}) == []


def test_items_that_are_not_those_it_says_are_a_fault() -> None:
    taken = make_taken({"a": first(5), "b": first(5)})
    forged = pl.when(run="run 1", id="nursing-003").then(pl.lit("B")).otherwise("right").alias("right")
    changed = replace(taken, items=taken.items.with_columns(forged))
    assert list(faults(taken.runs[1], changed)) == ["its items are not those of a, though it says so"]


def handed_in(folder: Path, *, models: tuple[str, ...] = ("a/b", "c/d"), **arguments: Any) -> Path:
    for model in models:
        write_run(folder / "runs", model=model, questions=24, **arguments)
    return folder / "runs"


def test_runs_are_added_and_the_board_is_a_data_set(tmp_path: Path) -> None:
    runs, board = handed_in(tmp_path, condition=["openbook", "closedbook"]), tmp_path / "board"
    added, taken = submission.submit([runs], board)
    assert (added, len(taken.runs)) == (4, 4)
    assert [run.id for run in store.read(board).runs] == [run.id for run in taken.runs]
    card = (board / "README.md").read_text(encoding="utf-8")
    head = yaml.safe_load(card.split("---")[1])
    configs = {config["config_name"]: config["data_files"] for config in head["configs"]}
    assert configs == {"runs": "runs.parquet", "items": "*/items.parquet"}
    assert pl.read_parquet(board / configs["items"]).height == 4 * 24
    ranked = pl.read_parquet(board / configs["runs"])
    assert set(ranked["run"]) == {run.id for run in taken.runs}
    assert {"rank", "average", "average_low", "items_sha256"} <= set(ranked.columns)
    assert "4 runs on 2 boards" in card
    assert card.count("| a/b |") == card.count("| c/d |") == 2


def test_the_hubs_library_loads_both_tables(tmp_path: Path) -> None:
    import datasets

    board = tmp_path / "board"
    submission.submit([handed_in(tmp_path)], board)
    rows = {
        name: datasets.load_dataset(str(board), name, split="train", cache_dir=str(tmp_path / "cache")).num_rows
        for name in ("runs", "items")
    }
    assert rows == {"runs": 2, "items": 48}


def test_handing_in_twice_adds_nothing_and_changes_nothing(tmp_path: Path) -> None:
    runs, board = handed_in(tmp_path), tmp_path / "board"
    submission.submit([runs], board)
    before = {path: path.read_bytes() for path in board.rglob("*") if path.is_file()}
    assert submission.submit([runs], board)[0] == 0
    assert {path: path.read_bytes() for path in board.rglob("*") if path.is_file()} == before


def test_a_faulty_run_keeps_all_from_being_added(tmp_path: Path) -> None:
    runs = handed_in(tmp_path)
    write_run(runs, model="limited/run", questions=24, limit=2)
    with pytest.raises(OpenbookError) as caught:
        submission.submit([runs], tmp_path / "board")
    assert str(caught.value).startswith(f"{tmp_path / 'board'}: ")
    assert "limited/run, openbook: was taken with --limit" in str(caught.value)
    assert not (tmp_path / "board").exists()


def test_a_run_is_checked_against_those_of_the_board(tmp_path: Path) -> None:
    submission.submit([handed_in(tmp_path)], tmp_path / "board")
    write_run(tmp_path / "more", model="e/f", questions=30)
    with pytest.raises(OpenbookError, match="e/f, openbook: beside a/b: asks 30 questions instead of 24"):
        submission.submit([tmp_path / "more"], tmp_path / "board")


def test_a_board_is_checked_as_a_whole(tmp_path: Path) -> None:
    board = tmp_path / "board"
    submission.submit([handed_in(tmp_path)], board)
    assert submission.check(board) == 2
    spoilt = next(board.glob("*/run.json"))
    spoilt.write_bytes(spoilt.read_bytes().replace(b'"limited": false', b'"limited": true'))
    with pytest.raises(OpenbookError, match=r"1 fault, nothing was ranked:\n.*was changed after it was written"):
        submission.check(board)


def test_a_run_that_was_put_there_unchecked_is_found(tmp_path: Path) -> None:
    board = tmp_path / "board"
    submission.submit([handed_in(tmp_path)], board)
    taken = store.read(board)
    run = taken.runs[0].model_copy(update={"id": "f" * 16, "model": "sly", "truncation": Truncation.unchecked("x")})
    store.add(board, Taken((run,), taken.items.filter(run=taken.runs[0].id).with_columns(run=pl.lit(run.id)), ()))
    with pytest.raises(OpenbookError, match=r"sly, openbook: was not checked for truncation \(x\)"):
        submission.check(board)


def test_a_folder_without_runs_is_no_board(tmp_path: Path) -> None:
    with pytest.raises(OpenbookError, match="no runs; openbook-eval submit RUN --board"):
        submission.check(tmp_path)


def test_the_card_escapes_names_of_models(tmp_path: Path) -> None:
    submission.submit([handed_in(tmp_path, models=("<script>x</script>[a](b)",))], tmp_path / "board")
    card = (tmp_path / "board" / "README.md").read_text(encoding="utf-8")
    assert "<script>" not in card
    assert r"&lt;script&gt;x&lt;/script&gt;\[a\](b)" in card


def test_an_unanswered_journal_is_found_in_a_results_file(tmp_path: Path) -> None:
    truncation = asdict(Truncation.unchecked("no samples"))
    runs = handed_in(tmp_path, models=("a/b",), openbook={"cost": {"prompts": 3, "kept": 2}, "truncation": truncation})
    with pytest.raises(OpenbookError, match="2 faults, nothing was ranked") as caught:
        submission.submit([runs], tmp_path / "board")
    assert "its journal has 5 answers to 24 items" in str(caught.value)


@pytest.mark.parametrize("content", ["# Our project\n", "", "---\npretty_name: another\n"])
def test_a_folder_of_something_else_stays_as_it_is(tmp_path: Path, content: str) -> None:
    write_run(tmp_path / "runs")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text(content)
    with pytest.raises(OpenbookError, match="is there and is no board of runs"):
        submission.submit([tmp_path / "runs"], tmp_path / "mine")
    assert [(path.name, path.read_text()) for path in (tmp_path / "mine").iterdir()] == [("README.md", content)]


def test_runs_are_not_handed_in_to_the_folder_they_lie_in(tmp_path: Path) -> None:
    write_run(tmp_path / "runs")
    with pytest.raises(OpenbookError, match="is there and is no board of runs"):
        submission.submit([tmp_path / "runs"], tmp_path / "runs")


def test_a_store_becomes_a_board(tmp_path: Path) -> None:
    write_run(tmp_path / "runs")
    store.add(tmp_path / "store", reading.read([tmp_path / "runs"]))
    assert submission.submit([tmp_path / "runs"], tmp_path / "store")[0] == 0
    assert (tmp_path / "store" / "README.md").is_file()


def test_a_run_of_one_exam_does_not_become_the_measure_of_others(tmp_path: Path) -> None:
    write_run(tmp_path / "runs", questions=invented(12, ("nursing",)))
    with pytest.raises(OpenbookError, match="asks no questions of physician, pharmacist, technician, professional, po"):
        submission.submit([tmp_path / "runs"], tmp_path / "board")


def test_a_board_that_is_not_there_cannot_be_checked(tmp_path: Path) -> None:
    with pytest.raises(OpenbookError, match="nowhere: no such folder"):
        submission.check(tmp_path / "nowhere")
