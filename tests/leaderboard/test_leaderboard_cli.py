"""The commands: what they print, what they refuse, and that hostile names neither move the cursor nor make markup."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from openbook_eval import leaderboard_cli
from openbook_eval.errors import OpenbookError
from tests.results.lm_eval_output import invented, write_run

HOSTILE = "[red]x[/red]\x1b[31m\u202e/evil"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    questions = invented(120)
    write_run(
        folder / "good", model="good/model", questions=questions, right=0.95, condition=["openbook", "closedbook"]
    )
    write_run(folder / "poor", model="poor/model", questions=questions, right=0.4, condition=["openbook", "closedbook"])
    return folder


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> "Run":
    monkeypatch.setenv("COLUMNS", "100")
    return Run(monkeypatch)


class Run:
    """Runs a command in a terminal of some width."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._set = monkeypatch.setenv
        self.app = typer.Typer()
        leaderboard_cli.register(self.app)

    def __call__(self, *arguments: object, width: int = 100) -> str:
        self._set("COLUMNS", str(width))
        result: Result = CliRunner().invoke(self.app, list(map(str, arguments)))
        if result.exception:
            raise result.exception
        return result.output


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_a_board_fits_into_100_columns(run: Run, runs: Path) -> None:
    text = run("leaderboard", runs, "--draws", 100, "--condition", "openbook")
    assert max(map(len, text.splitlines())) <= 100
    heads = "rank model phys nurs phar tech prof post avg interval all strict format answ"
    assert heads.split() in rows(text)
    (good,) = (row for row in rows(text) if "good/model" in row)
    assert (good[0], len(good)) == ("1", 14)


def test_in_80_columns_marks_stand_below_and_no_figure_is_broken(run: Run, runs: Path) -> None:
    text = run("leaderboard", runs, "--draws", 100, "--condition", "openbook", width=80)
    assert max(map(len, text.splitlines())) <= 80
    good = [row for row in rows(text) if "good/model" in row]
    assert [len(row) for row in good] == [11, 5]
    assert good[0][2:] + good[1][2:] == next(
        row[2:]
        for row in rows(run("leaderboard", runs, "--draws", 100, "--condition", "openbook"))
        if "good/model" in row
    )


def test_all_conditions_are_shown_or_those_that_are_named(run: Run, runs: Path) -> None:
    assert "closedbook, invented 1.0" in run("leaderboard", runs, "--draws", 100)
    assert "closedbook" not in run("leaderboard", runs, "--draws", 100, "--condition", "openbook")
    with pytest.raises(OpenbookError, match="no run under the condition 'openbok'; did you mean 'openbook'"):
        run("leaderboard", runs, "--condition", "openbok")


def test_what_the_board_can_detect_is_said(run: Run, runs: Path) -> None:
    text = " ".join(run("leaderboard", runs, "--draws", 100, "--condition", "openbook").split())
    assert "the smallest difference that this board can detect between neighbours (power 80 %): " in text
    assert "items; asked were 120" in text


def test_names_of_models_are_shown_and_do_nothing(run: Run, tmp_path: Path) -> None:
    write_run(tmp_path, model=HOSTILE, questions=12)
    text = run("leaderboard", tmp_path, "--draws", 100, "--condition", "openbook", width=160)
    assert r"[red]x[/red]\x1b[31m\u202e/evil" in text
    assert not set(text) & {"\x1b", "\u202e"}


def test_runs_that_are_left_out_are_named(run: Run, tmp_path: Path) -> None:
    write_run(tmp_path, model="sound/model", questions=12)
    broken = write_run(tmp_path, model="broken\x1b/model", questions=12)
    broken.write_bytes(broken.read_bytes()[:100])
    text = run("leaderboard", tmp_path, "--draws", 100, width=300)
    assert "not shown: " in text
    assert "half-written, or not a results file of lm-eval" in text
    assert "\x1b" not in text


def test_a_store_gathers_runs_from_call_to_call(run: Run, runs: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    run("leaderboard", runs / "good", "--store", store, "--draws", 100)
    text = run("leaderboard", runs / "poor", "--store", store, "--draws", 100)
    assert "good/model" in text
    assert "poor/model" in text
    assert "good/model" in run("leaderboard", "--store", store, "--draws", 100)
    assert "good/model" in run("leaderboard", store, "--draws", 100)


def test_files_and_page_are_written(run: Run, runs: Path, tmp_path: Path) -> None:
    text = run("leaderboard", runs, "--draws", 100, "--export", tmp_path / "x.csv", "--export", tmp_path / "x.json",
               "--html", tmp_path / "page")  # fmt: skip
    assert len((tmp_path / "x.csv").read_text(encoding="utf-8").splitlines()) == 5
    assert len(json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))["boards"]) == 2
    assert (tmp_path / "page" / "index.html").is_file()
    assert str(tmp_path / "page" / "index.html") in "".join(text.split("\n"))


def test_an_unknown_form_is_refused_before_reading(run: Run) -> None:
    with pytest.raises(OpenbookError, match=r"x\.xls: cannot export"):
        run("leaderboard", "nowhere", "--export", "x.xls")


def test_nothing_to_show_says_what_to_name(run: Run, tmp_path: Path) -> None:
    with pytest.raises(OpenbookError, match="name a results file or a folder of runs, or --store"):
        run("leaderboard")
    with pytest.raises(OpenbookError, match="no such file or folder"):
        run("leaderboard", tmp_path / "none")


def test_the_papers_rows_are_printed_when_asked_for(run: Run, runs: Path) -> None:
    text = run("leaderboard", runs, "--draws", 100, "--paper", width=80)
    assert ["GLM-4", "68.20", "67.3-69.1"] in rows(text)
    assert ["Qwen1.5-7B", "0:1", "200,000", "56.12", "55.2-57.0"] in rows(text)
    assert ["HuatuoGPT-II", "1:0", "4.73", "18.23", "17.5-19.0"] in rows(text)
    assert "intervals of the paper are approximate" in text
    assert "GLM-4" not in run("leaderboard", runs, "--draws", 100)


def test_two_folders_are_compared_under_each_condition_of_both(run: Run, runs: Path) -> None:
    text = run("compare", runs / "good", runs / "poor", "--draws", 100)
    assert text.count("A is better by ") == 2
    assert "A: good/model, run 2026-01-02T03-04-05" in text
    assert ["of", "A", "B", "A", "-", "B", "interval", "p", "p", "(Holm)"] in rows(text)


def test_models_are_compared_by_name(run: Run, runs: Path) -> None:
    by_name = run("compare", "good/model", "poor/model", "--among", runs, "--draws", 100)
    assert by_name == run("compare", runs / "good", runs / "poor", "--draws", 100)
    with pytest.raises(OpenbookError, match="no model 'god/model' there; did you mean 'good/model'"):
        run("compare", "god/model", "poor/model", "--among", runs)
    with pytest.raises(OpenbookError, match="good/model: no such file or folder; for the name of a model say --among"):
        run("compare", "good/model", "poor/model")


def test_flipped_items_are_listed_as_many_as_wanted(run: Run, runs: Path) -> None:
    pair = ("compare", runs / "good", runs / "poor", "--condition", "openbook", "--draws", 100)
    text = run(*pair, "--show", 3)
    flips = [row for row in rows(text) if row and row[0].startswith("physician-")]
    assert 3 <= len(flips) <= 6
    assert "more (--show)" in text
    assert "right in A only" not in run(*pair, "--show", 0)


def test_a_comparison_is_exported(run: Run, runs: Path, tmp_path: Path) -> None:
    run("compare", runs / "good", runs / "poor", "--draws", 100, "--export", tmp_path / "x.json")
    found = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))["comparisons"]
    assert [each["condition"] for each in found] == ["openbook", "closedbook"]


def test_runs_are_handed_in_and_the_board_is_checked(run: Run, runs: Path, tmp_path: Path) -> None:
    board = tmp_path / "board"
    assert run("submit", runs / "good", "--board", board, width=400).strip() == f"{board}: 2 runs added"
    assert run("submit", runs, "--board", board, width=400).strip() == f"{board}: 2 runs added; 2 were there"
    assert run("submit", "--check", board, width=400).strip() == f"{board}: 4 runs, all fit to be ranked"
    assert "good/model" in run("leaderboard", board, "--draws", 100)


@pytest.mark.parametrize("arguments", [(), ("x",), ("x", "--board", "b", "--check", "c"), ("--board", "b")])
def test_submit_needs_runs_and_a_board_or_a_board_to_check(run: Run, arguments: tuple[str, ...]) -> None:
    with pytest.raises(OpenbookError, match=r"say RUN\.\.\. --board DIR to hand runs in, or --check DIR alone"):
        run("submit", *arguments)


def test_what_cannot_be_written_is_said_before_anything_is_read(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.csv").mkdir()
    for option in (("--export", tmp_path / "x.csv"), ("--html", tmp_path)):
        with pytest.raises(OpenbookError, match="name another"):
            run("leaderboard", "nowhere", *option)


def test_the_paper_needs_no_run(run: Run) -> None:
    assert "The paper's table 5" in run("leaderboard", "--paper")


def test_a_comparison_says_what_was_left_out(run: Run, runs: Path, tmp_path: Path) -> None:
    write_run(tmp_path / "one", model="one", questions=invented(120), date="2026-01-01T03-04-05.678901")
    write_run(tmp_path / "one", model="one", questions=invented(120), date="2026-01-03T03-04-05.678901")
    text = run("compare", tmp_path / "one", runs / "poor", width=400)
    assert "not compared: closedbook: only B has it" in text
    assert "an older run of one name; the newest stands" in text
