"""The commands: what they print, what they refuse, and that hostile names neither move the cursor nor make markup."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from openbook_eval import leaderboard_cli
from openbook_eval.errors import OpenbookError
from tests.results.lm_eval_output import GREEDY, invented, write_run

HOSTILE = "[red]x[/red]\x1b[31m\u202e/evil"

Run = Callable[..., str]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for name, right in (("good", 0.95), ("poor", 0.4)):
        conditions = ["openbook", "closedbook"]
        write_run(folder / name, model=f"{name}/model", questions=invented(120), right=right, condition=conditions)
    return folder


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    app = typer.Typer()
    leaderboard_cli.register(app)

    def run_in(*arguments: object, width: int = 80) -> str:
        monkeypatch.setenv("COLUMNS", str(width))
        result = CliRunner().invoke(app, list(map(str, arguments)))
        if result.exception:
            raise result.exception
        assert width > 100 or max(map(len, result.output.splitlines()), default=0) <= width
        return result.output

    return run_in


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_a_board_fits_its_terminal_and_no_figure_is_broken(run: Run, runs: Path) -> None:
    wide = rows(run("leaderboard", runs, "--condition", "openbook", width=100))
    heads = "rank model phys nurs phar tech prof post avg interval all strict format answ"
    assert heads.split() in wide
    (good,) = (row for row in wide if "good/model" in row)
    assert (good[0], len(good)) == ("1", 14)
    # In 80 columns metrics of form stand below.
    text = run("leaderboard", runs, "--condition", "openbook")
    narrow = [row for row in rows(text) if "good/model" in row]
    assert [len(row) for row in narrow] == [11, 5]
    assert narrow[0][2:] + narrow[1][2:] == good[2:]
    assert "this board can detect between neighbours" in text
    assert "items; asked were 120" in text


def test_all_conditions_are_shown_or_those_that_are_named(run: Run, runs: Path) -> None:
    assert "closedbook, invented 1.0" in run("leaderboard", runs)
    assert "closedbook" not in run("leaderboard", runs, "--condition", "openbook")
    with pytest.raises(OpenbookError, match="no run under the condition 'openbok'; did you mean 'openbook'"):
        run("leaderboard", runs, "--condition", "openbok")


def test_names_of_models_are_shown_and_do_nothing_and_runs_left_out_are_named(run: Run, tmp_path: Path) -> None:
    write_run(tmp_path, model=HOSTILE, questions=12)
    broken = write_run(tmp_path, model="broken\x1b/model", questions=12)
    broken.write_bytes(broken.read_bytes()[:100])
    text = run("leaderboard", tmp_path, "--condition", "openbook", width=300)
    assert r"[red]x[/red]\x1b[31m\u202e/evil" in text
    assert "not shown: " in text
    assert "half-written, or not a results file of lm-eval" in text
    assert not set(text) & {"\x1b", "\u202e"}


def test_files_and_page_are_written(run: Run, runs: Path, tmp_path: Path) -> None:
    files = [tmp_path / "x.csv", tmp_path / "x.json"]
    text = run("leaderboard", runs, "--export", files[0], "--export", files[1], "--html", tmp_path / "page", width=300)
    assert len(files[0].read_text(encoding="utf-8").splitlines()) == 5
    assert len(json.loads(files[1].read_text(encoding="utf-8"))["boards"]) == 2
    assert (tmp_path / "page" / "index.html").is_file()
    assert str(tmp_path / "page" / "index.html") in text


def test_runs_of_other_settings_stand_on_one_board_where_asked_and_repeats_where_asked(
    run: Run, tmp_path: Path
) -> None:
    warm = {"generation_kwargs": GREEDY | {"do_sample": True, "temperature": 0.7}}
    for day, name in enumerate(("/a/x/merged", "/b/x/merged", "/a/x/merged"), 1):
        write_run(
            tmp_path, model=name, questions=24, date=f"2026-01-0{day}T03-04-05", config=warm if day == 2 else None
        )
    text = run("leaderboard", tmp_path, width=200)
    assert "openbook, invented 1.0, temperature 0.7\n" in text
    assert "openbook: 2 boards differ in settings alone (temperature); --across settings makes them one" in text
    assert {row[1] for row in rows(text) if row[1:2] and row[1].endswith("merged")} == {"a/x/merged", "b/x/merged"}
    assert "/a/x" not in text.replace(str(tmp_path), "")
    text = run("leaderboard", tmp_path, "--across", "settings", "--repeats", width=200)
    assert "\nopenbook, invented 1.0\n" in text
    assert "asked with temperature 0.7: b/x/merged" in text
    assert sum("a/x/merged (2026-01-0" in line for line in text.splitlines() if "asked" not in line) == 2
    with pytest.raises(
        OpenbookError, match=r"temperature 0\.7 instead of 0; say --across settings to compare them nevert"
    ):
        run("compare", "a/x/merged", "/b/x/merged", "--among", tmp_path)
    assert "A: a/x/merged, run" in run(
        "compare", "a/x/merged", "/b/x/merged", "--among", tmp_path, "--across", "settings"
    )


def test_what_can_be_neither_written_nor_read_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.csv").mkdir()
    unwritable = Path("/proc/nowhere/x.csv")
    for option in (
        ("--export", tmp_path / "x.csv"),
        ("--html", tmp_path),
        ("--export", unwritable),
        ("--html", unwritable),
    ):
        with pytest.raises(OpenbookError, match="name another"):
            run("leaderboard", "nowhere", *option)
    with pytest.raises(OpenbookError, match=r"x\.xls: cannot export"):
        run("leaderboard", "nowhere", "--export", "x.xls")
    for options in ((), ("--paper", "--html", tmp_path / "page"), ("--paper", "--export", tmp_path / "b.csv")):
        with pytest.raises(OpenbookError, match="name a results file or a folder of runs"):
            run("leaderboard", *options)
    with pytest.raises(OpenbookError, match="no such file or folder"):
        run("leaderboard", tmp_path / "none")


def test_the_papers_rows_are_printed_when_asked_for_and_need_no_run(run: Run, runs: Path) -> None:
    text = run("leaderboard", "--paper")
    assert ["Qwen1.5-7B", "0:1", "200,000", "56.12", "55.2-57.0", "20,000,", "70,000"] in rows(text)
    assert "intervals of the paper are approximate" in text
    # Runs of another exam do not share a view with them.
    text = run("leaderboard", runs, "--paper", width=200)
    assert "GLM-4" not in text
    assert "the paper's tables are of CMB-Exam's test set" in text
    assert "GLM-4" not in run("leaderboard", runs)


def test_two_folders_or_models_are_compared_under_each_condition_of_both(run: Run, runs: Path) -> None:
    text = run("compare", runs / "good", runs / "poor")
    assert text.count("A is better by ") == 2
    assert "\nopenbook, invented 1.0\nA: good/model, run 2026-01-02T03-04-05\nB: poor/model" in text
    assert ["of", "A", "B", "A", "-", "B", "interval", "p", "p", "(Holm)"] in rows(text)
    assert run("compare", "good/model", "poor/model", "--among", runs) == text
    with pytest.raises(OpenbookError, match="no model 'god/model' there; did you mean 'good/model'"):
        run("compare", "god/model", "poor/model", "--among", runs)
    with pytest.raises(OpenbookError, match="good/model: no such file or folder; for the name of a model say --among"):
        run("compare", "good/model", "poor/model")


def test_flipped_items_are_listed_as_many_as_wanted_and_exported(run: Run, runs: Path, tmp_path: Path) -> None:
    pair = ("compare", runs / "good", runs / "poor", "--condition", "openbook")
    text = run(*pair, "--show", 3, "--export", tmp_path / "x.json")
    assert 3 <= sum(row[0].startswith("physician-") for row in rows(text) if row) <= 6
    assert "more (--show)" in text
    assert "right in A only" not in run(*pair, "--show", 0)
    (found,) = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))["comparisons"]
    assert len(found["flipped"]) > 40


def test_a_comparison_says_what_was_left_out(run: Run, runs: Path, tmp_path: Path) -> None:
    for day in (1, 3):
        write_run(tmp_path, model="one", questions=invented(120), date=f"2026-01-0{day}T03-04-05.678901")
    text = run("compare", tmp_path, runs / "poor", width=400)
    assert "not compared: closedbook: only B has it" in text
    assert "an older run of one model; the newest stands" in text
