"""The page of real output of lm-eval: its pieces, its plots and what it does where texts are missing."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from openbook_eval.leaderboard.board import boards
from openbook_eval.leaderboard.page import build
from openbook_eval.results import read_runs
from openbook_eval.types import Question
from tests.results.lm_eval_output import write_run

HOSTILE = "</script><script>alert(1)</script>\x00\u202e\u2028"


def responses(question: Question, expected: str) -> str | None:
    """Something hostile for the first question of each exam, nothing for the second, else what is right."""
    number = question.id.rpartition("-")[2].lstrip("0")
    return HOSTILE if number == "1" else None if number == "2" else expected


def built(sources: list[Path], out: Path) -> Path:
    taken = read_runs(sources)
    index = build.build(taken, boards(taken), out)
    assert index == out / "index.html"
    return out


def piece(page: Path, name: str) -> Any:
    text = (page / "data" / f"{name}.js").read_text(encoding="utf-8")
    return json.loads(text.removeprefix(f'openbook.piece("{name}",').removesuffix(");\n"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder, model="some/base", condition=["openbook", "closedbook"], right=0.8)
    write_run(folder, model="some/<b>tuned</b>", condition="openbook", respond=responses, chat=True)
    write_run(folder, model="some/base", condition=["reading_open", "reading_library_4k"], date="2026-01-03T00-00-00")
    (folder / "results_2026-01-01T00-00-00.json").write_text('{"results": ')
    return folder


@pytest.fixture(scope="module")
def page(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built([runs], tmp_path_factory.mktemp("page") / "report")


def test_a_page_is_its_index_its_assets_its_data_and_its_plots(page: Path) -> None:
    assert sorted(path.name for path in page.iterdir()) == ["assets", "data", "index.html", "plots"]
    assert {path.name for path in (page / "assets").iterdir()} >= {"app.js", "style.css"}


def test_no_folder_of_this_machine_is_published(runs: Path, page: Path) -> None:
    board = (page / "data" / "board.js").read_text(encoding="utf-8")
    assert str(runs) not in board
    found = {run["results"] for run in piece(page, "board")["runs"] if run["condition"] == "closedbook"}
    assert found == {"some__base/results_2026-01-02T03-04-05.678901.json"}


def test_the_board_tells_of_all_runs_boards_tables_and_plots(page: Path) -> None:
    board = piece(page, "board")
    assert board["made"] == "2026-01-03T00-00-00"
    assert len(board["refused"]) == 1
    assert [(each["condition"], len(each["rows"]), each["items"]) for each in board["boards"]] == [
        ("openbook", 2, 60),
        ("closedbook", 1, 60),
        ("reading_open", 1, 60),
        ("reading_library_4k", 1, 60),
    ]
    assert [table["number"] for table in board["published"]] == [1, 2, 3, 4, 5]
    assert {run["model"] for run in board["runs"]} == {"some/base", "some/<b>tuned</b>"}
    assert all(run["texts"] for run in board["runs"])
    for number, each in enumerate(board["boards"]):
        assert [board["runs"][row["run"]]["board"] for row in each["rows"]] == [number] * len(each["rows"])
        assert all(len(row["exams"]) == len(each["exams"]) == 6 for row in each["rows"])


def test_every_plot_has_its_pictures_in_both_themes_and_its_figures(page: Path) -> None:
    plots = piece(page, "board")["plots"]
    assert [plot["name"] for plot in plots] == [
        "ratio",
        "size",
        "gain-paper",
        "retention",
        *(f"profile-{name}" for name in ("openbook", "closedbook", "reading_open", "reading_library_4k")),
        *(f"strict-{name}" for name in ("openbook", "closedbook", "reading_open", "reading_library_4k")),
    ]
    pictures = {f"{plot['name']}-{theme}.svg" for plot in plots for theme in ("light", "dark")}
    assert {path.name for path in (page / "plots").iterdir()} == pictures
    assert all(len(row) == len(plot["columns"]) for plot in plots for row in plot["rows"])


def test_marks_items_questions_and_answers_are_of_the_same_items(page: Path) -> None:
    for number, board in enumerate(piece(page, "board")["boards"]):
        items, questions = piece(page, f"items-{number}"), piece(page, f"questions-{number}-0")
        assert [question["id"] for question in questions] == items["ids"]
        assert [question["right"] for question in questions] == items["right"]
        for row in board["rows"]:
            marks, answers = piece(page, f"marks-{row['run']}"), piece(page, f"answers-{row['run']}-0")
            assert [answer["letters"] or "" for answer in answers] == marks["letters"]
            share = marks["correct"].count("1") / (60 - marks["correct"].count("-"))
            assert share == pytest.approx(row["micro"][0])


def test_a_hostile_response_is_whole_in_its_piece_and_nothing_else(page: Path) -> None:
    (run,) = (n for n, run in enumerate(piece(page, "board")["runs"]) if run["model"] == "some/<b>tuned</b>")
    said = [answer["response"] for answer in piece(page, f"answers-{run}-0")]
    assert said.count(HOSTILE) == 6
    raw = (page / "data" / f"answers-{run}-0.js").read_text(encoding="utf-8")
    assert not set("<>&\u2028\0") & set(raw)


def test_a_question_without_a_response_has_no_mark_and_no_letters(page: Path) -> None:
    (run,) = (n for n, run in enumerate(piece(page, "board")["runs"]) if run["model"] == "some/<b>tuned</b>")
    marks = piece(page, f"marks-{run}")
    assert marks["correct"].count("-") == marks["answered"].count("-") == 6
    answer = piece(page, f"answers-{run}-0")[marks["correct"].index("-")]
    assert (answer["response"], answer["letters"]) == ("", None)
    assert answer["opening"] == "<|im_start|>user\n"


def test_questions_that_share_a_book_name_it_and_it_holds_their_entries(page: Path) -> None:
    questions = piece(page, "questions-3-0")
    items = piece(page, "items-3")
    assert len({question["book"] for question in questions}) > 1
    for question, group, depth in zip(questions, items["group"], items["depth"], strict=True):
        book = piece(page, f"book-{question['book'][:16]}")
        assert hashlib.sha256(book.encode()).hexdigest() == question["book"]
        assert question["entry"] in book
        assert group is not None
        assert 0 <= depth <= 1
    assert len(list((page / "data").glob("book-*.js"))) == len({question["book"] for question in questions})


def test_a_book_of_the_question_alone_is_its_entry_between_both_parts_of_the_prompt(page: Path) -> None:
    for question in piece(page, "questions-0-0"):
        assert question["book"] is None
        assert question["stem"] in question["after"]
        assert question["entry"]


def test_the_same_input_makes_the_same_bytes(runs: Path, page: Path, tmp_path: Path) -> None:
    again = built([runs], tmp_path / "report")
    assert contents(again) == contents(page)


def test_a_run_whose_samples_changed_since_has_no_texts(tmp_path: Path) -> None:
    write_run(tmp_path / "runs", questions=12)
    out = built([tmp_path / "runs"], tmp_path / "report")
    assert piece(out, "board")["runs"][0]["texts"] is True
    taken = read_runs([tmp_path / "runs"])
    for samples in (tmp_path / "runs").rglob("samples_*.jsonl"):
        samples.write_text(samples.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    build.build(taken, boards(taken), out)
    assert piece(out, "board")["runs"][0]["texts"] is False
    assert not list((out / "data").glob("answers-*"))


def test_it_is_told_what_is_written(tmp_path: Path) -> None:
    told: list[str] = []
    write_run(tmp_path / "runs", model="some/base", questions=12)
    taken = read_runs([tmp_path / "runs"])
    build.build(taken, boards(taken), tmp_path / "report", progress=told.append)
    assert told == ["some/base, openbook", "plots"]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
