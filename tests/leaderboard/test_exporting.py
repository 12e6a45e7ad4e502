"""Exports: typed, whole, and safe whatever a model is called."""

import csv
import json
import re
from pathlib import Path

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.errors import OpenbookError
from openbook_eval.leaderboard.comparing import compare
from openbook_eval.leaderboard.exporting import FORMS, Export, Sheet, export, markdown, sound
from openbook_eval.leaderboard.records import DIFFERENCES, RUNS, of_boards, of_comparisons
from openbook_eval.leaderboard.standings import boards
from tests.leaderboard.hand_made import first, make_taken

HOSTILE = "=cmd()|[x](javascript:y)<b>\\input{z}\x1b[31m\u202e$&%#_~^\n"


def exported(*models: str) -> Export:
    taken = make_taken({model: first(9 - place) for place, model in enumerate(models)})
    return of_boards(boards(taken, draws=100))


def written(folder: Path, name: str, what: Export) -> Path:
    export(what, [folder / name])
    return folder / name


def test_parquet_is_typed_and_has_each_run_with_its_hashes_and_intervals(tmp_path: Path) -> None:
    frame = pl.read_parquet(written(tmp_path, "x.parquet", exported("a", "b")))
    assert frame.schema == RUNS
    assert frame["model"].to_list() == ["a", "b"]
    row = frame.row(0, named=True)
    assert (row["run"], row["items_sha256"], row["rank"], row["average"]) == (
        "run 0",
        "9" * 64,
        1,
        pytest.approx(0.9),
    )
    assert row["average_low"] < 0.9 < row["average_high"]
    assert (row["other"], row["abstained"], row["system_instruction"]) == (None, None, None)


def test_json_has_a_board_with_its_runs(tmp_path: Path) -> None:
    what = of_boards(boards(make_taken({"a": first(60), "b": first(50)}, sizes=100), draws=100))
    (own,) = json.loads(written(tmp_path, "x.json", what).read_text(encoding="utf-8"))["boards"]
    assert (own["condition"], own["exam"], own["exams"][0]) == ("openbook", "invented 1.0", "physician")
    assert [run["model"] for run in own["runs"]] == ["a", "b"]
    assert set(own["runs"][0]) == set(RUNS)
    assert 0.02 < own["detectable"] < 0.05


def test_an_average_that_does_not_exist_is_nothing_rather_than_a_number(tmp_path: Path) -> None:
    what = of_boards(boards(make_taken({"a": first(5)}, sizes={"nursing": 10}), draws=100))
    (own,) = json.loads(written(tmp_path, "x.json", what).read_text(encoding="utf-8"))["boards"]
    assert (own["runs"][0]["average"], own["runs"][0]["all_items"]) == (None, 0.5)
    assert what.frame["average"].to_list() == [None]


def test_csv_has_the_columns_of_parquet_and_one_line_a_run(tmp_path: Path) -> None:
    with written(tmp_path, "x.csv", exported("a", HOSTILE)).open(encoding="utf-8", newline="") as file:
        head, *rows = list(csv.reader(file))
    assert head == list(RUNS)
    assert len(rows) == 2


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t=", "\r=", "＝", "＋", "－", "＠"])
def test_no_cell_of_a_csv_begins_a_formula(tmp_path: Path, sign: str) -> None:
    with written(tmp_path, "x.csv", exported(f"{sign}cmd()")).open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["model"] == (f"'{sign}cmd()" if len(sign) == 1 else "\ufffd=cmd()")


def test_markdown_is_a_table_a_board(tmp_path: Path) -> None:
    lines = written(tmp_path, "x.md", exported("a", "b")).read_text(encoding="utf-8").splitlines()
    assert lines[0] == "### openbook, invented 1.0"
    assert lines[2].startswith("| rank | model | physician | nursing |")
    assert lines[3].startswith("| :-- | :-- | --: |")
    assert re.match(
        r"\| 1 \| a \| 90\.0 \| .* \| 90\.0 \| \d\d\.\d-\d\d\.\d \| 90\.0 \| 90\.0 \| 90\.0 \| 100\.0 \|$", lines[4]
    )


def test_markdown_of_a_hostile_name_is_text() -> None:
    (line,) = (line for line in markdown(exported(HOSTILE).sheets).splitlines() if "cmd" in line)
    assert r"=cmd()\|\[x\](javascript:y)&lt;b&gt;\\input{z}" in line
    assert len(re.findall(r"(?<!\\)\|", line)) == 15


def test_an_address_becomes_no_link_by_itself() -> None:
    text = markdown([Sheet("x", ["model"], [["http://evil.example www.evil.example"]])])
    assert r"http\://evil.example www\.evil.example" in text


def test_latex_is_a_booktabs_table_a_board(tmp_path: Path) -> None:
    text = written(tmp_path, "x.tex", exported("a", "b")).read_text(encoding="utf-8")
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 1
    assert text.index(r"\toprule") < text.index(r"\midrule") < text.index("1 & a & 90.0") < text.index(r"\bottomrule")
    assert r"95 \% interval" in text


def test_latex_of_a_hostile_name_is_text() -> None:
    text = FORMS[".tex"](exported(HOSTILE)).decode()
    assert r"=cmd()\textbar{}{[}x](javascript:y)\textless{}b\textgreater{}\textbackslash{}input\{z\}" in text
    assert r"\$\&\%\#\_\textasciitilde{}\textasciicircum{}" in text


@given(st.text(alphabet=st.characters(exclude_categories=[]), max_size=30))
def test_a_table_stays_a_table_whatever_stands_in_its_cells(name: str) -> None:
    what = Export(pl.DataFrame(), None, [Sheet(name, ["model", "of"], [[name, "1"]], [name])])
    body = FORMS[".tex"](what).decode().split("\\midrule\n")[1].split("\n\\bottomrule")[0]
    assert "\n" not in body
    # Of backslashes and their signs nothing is left but the cells' own.
    assert re.sub(r"\\[a-z]+\{\}|\\[&%$#_{}]|\{\[\}", "", body).count("&") == 1
    lines = markdown(what.sheets).splitlines()
    assert len(lines) == 7
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", lines[4])) == 3
    assert "<" not in lines[4]


@given(st.text(alphabet=st.characters(exclude_categories=[]), max_size=30))
def test_sound_text_is_one_line_that_utf_8_can_hold(text: str) -> None:
    assert len(sound(text).encode().decode().splitlines()) <= 1
    assert not set(sound(text)) & set("\x1b\u202e\u2066\ufeff")


def test_signs_that_move_the_cursor_or_turn_the_writing_are_replaced() -> None:
    assert sound("a\x1b[31m\u202eb\u2066\ufeff\u2028\x85\ud800汉字\u3000é") == (
        "a\ufffd[31m\ufffdb\ufffd\ufffd\ufffd\ufffd\ufffd汉字\u3000é"
    )


def test_half_a_surrogate_pair_in_a_name_goes_into_every_form(tmp_path: Path) -> None:
    what = exported("a\ud800b")
    export(what, [tmp_path / f"x{suffix}" for suffix in FORMS])
    assert pl.read_parquet(tmp_path / "x.parquet")["model"].to_list() == ["a\ufffdb"]


def test_an_unknown_form_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(OpenbookError, match=r"x\.xls: cannot export as '\.xls'; known are \.csv, \.md, \.tex"):
        export(exported("a"), [tmp_path / "x.csv", tmp_path / "x.xls"])
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(OpenbookError, match=r"x\.csv: cannot be written"):
        export(exported("a"), [tmp_path / "x.csv"])
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


def test_folders_are_made_and_older_files_replaced(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.json"
    export(exported("a"), [path])
    export(exported("b"), [path])
    assert [run["model"] for run in orjson.loads(path.read_bytes())["boards"][0]["runs"]] == ["b"]
    assert len(list(path.parent.iterdir())) == 1


def test_a_comparison_is_exported_with_its_flipped_items(tmp_path: Path) -> None:
    taken = make_taken({"a": first(5), "b": first(4)})
    what = of_comparisons([compare(taken, *taken.runs, draws=100)])
    assert what.frame.schema == DIFFERENCES
    assert what.frame["of"].to_list()[-2:] == ["average", "all items"]
    assert what.frame["difference"].to_list()[-1] == pytest.approx(0.1)
    (own,) = json.loads(written(tmp_path, "x.json", what).read_text(encoding="utf-8"))["comparisons"]
    assert own["counts"] == {"both": 24, "only_a": 6, "only_b": 0, "neither": 30, "missing": 0}
    assert [flip["id"] for flip in own["flipped"]][:2] == ["physician-004", "nursing-004"]
    assert (own["a"]["run"], own["b"]["run"]) == ("run 0", "run 1")


def test_a_table_says_which_runs_were_cut() -> None:
    from openbook_eval.window.truncation import Truncation

    taken = make_taken({"a": first(5)}, truncation=Truncation(True, None, 60, 7, 2000, 1536))
    text = markdown(of_boards(boards(taken, draws=100)).sheets)
    assert "| a (TRUNCATED) |" in text
    assert "- TRUNCATED: a: 7 of 60 prompts did not reach the model whole" in text


@pytest.mark.parametrize("suffix", FORMS)
def test_no_folder_of_this_machine_is_exported(tmp_path: Path, suffix: str) -> None:
    content = written(tmp_path, f"x{suffix}", exported("/data/secret/mine/merged")).read_bytes()
    assert b"secret" not in content
    assert b"mine/merged" in content
