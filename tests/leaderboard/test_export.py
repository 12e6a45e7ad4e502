"""Exports: typed, whole, and safe whatever a model is called."""

import csv
import json
import re
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.errors import visible
from openbook_eval.leaderboard.board import boards, compare
from openbook_eval.leaderboard.export import (
    DIFFERENCES,
    FORMS,
    RUNS,
    Export,
    Sheet,
    board_export,
    comparison_export,
    export,
    markdown,
    without_folders,
)
from openbook_eval.results import read_runs
from tests.leaderboard.hand_made import first, make_runs
from tests.results.lm_eval_output import write_run

HOSTILE = "=cmd()|[x](javascript:y)<b>\\input{z}\x1b[31m\u202e$&%#_~^\n"


def exported(*models: str) -> Export:
    return board_export(boards(make_runs({model: first(9 - place) for place, model in enumerate(models)})))


def written(folder: Path, name: str, what: Export) -> Path:
    export(what, [folder / name])
    return folder / name


def test_parquet_is_typed_and_has_each_run_with_its_hashes_and_intervals(tmp_path: Path) -> None:
    frame = pl.read_parquet(written(tmp_path, "x.parquet", exported("a", "b")))
    assert frame.schema == RUNS
    assert frame["model"].to_list() == ["a", "b"]
    row = frame.row(0, named=True)
    assert (row["run"], row["items_sha256"], row["exam_name"], row["asked"]) == ("run 0", "9" * 64, "invented", 60)
    assert (row["rank"], row["rank_last"], row["average"]) == (1, 1, pytest.approx(0.9))
    assert row["average_low"] < 0.9 < row["average_high"]
    assert (row["other"], row["abstained"], row["system_instruction"]) == (None, None, None)


def test_json_has_a_board_with_its_runs_and_nothing_for_an_average_that_does_not_exist(tmp_path: Path) -> None:
    what = board_export(boards(make_runs({"a": first(5)}, sizes={"nursing": 10})))
    (own,) = json.loads(written(tmp_path, "x.json", what).read_text(encoding="utf-8"))["boards"]
    assert (own["condition"], own["exam"], own["exams"], set(own["runs"][0])) == (
        "openbook", "invented 1.0", ["nursing"], set(RUNS)
    )  # fmt: skip
    assert (own["runs"][0]["average"], own["runs"][0]["all_items"]) == (None, 0.5)
    assert what.frame["average"].to_list() == [None]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", "＝", "＋", "－", "＠"])
def test_no_cell_of_a_csv_begins_a_formula(tmp_path: Path, start: str) -> None:
    what = Export(pl.DataFrame({"a": [f"{start}cmd()", "x="]}))
    with written(tmp_path, "x.csv", what).open(encoding="utf-8", newline="") as file:
        assert [row["a"] for row in csv.DictReader(file)] == [f"'{start}cmd()", "x="]


def test_markdown_and_latex_have_a_table_a_board(tmp_path: Path) -> None:
    lines = written(tmp_path, "x.md", exported("a", "b")).read_text(encoding="utf-8").splitlines()
    assert lines[0] == "### openbook, invented 1.0"
    assert lines[2].startswith("| rank | model | physician | nursing |")
    assert lines[3].startswith("| :-- | :-- | --: |")
    pattern = r"\| 1 \| a \| 90\.0 \| .* \| 90\.0 \| \d\d\.\d-\d\d\.\d \| 90\.0 \| 90\.0 \| 90\.0 \| 100\.0 \|$"
    assert re.match(pattern, lines[4])
    text = written(tmp_path, "x.tex", exported("a", "b")).read_text(encoding="utf-8")
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 1
    assert text.index(r"\toprule") < text.index(r"\midrule") < text.index("1 & a & 90.0") < text.index(r"\bottomrule")
    assert r"95 \% interval" in text


def test_a_hostile_name_is_text_in_tables() -> None:
    what = exported(HOSTILE)
    (line,) = (line for line in markdown(what.sheets).splitlines() if "cmd" in line)
    assert r"=cmd()\|\[x\](javascript:y)&lt;b&gt;\\input{z}" in line
    assert len(re.findall(r"(?<!\\)\|", line)) == 15
    text = FORMS[".tex"](what).decode()
    assert r"=cmd()\textbar{}{[}x](javascript:y)\textless{}b\textgreater{}\textbackslash{}input\{z\}" in text
    assert r"\$\&\%\#\_\textasciitilde{}\textasciicircum{}" in text


def test_an_address_becomes_no_link_by_itself() -> None:
    text = markdown([Sheet("x", ["model"], [["http://evil.example www.evil.example"]])])
    assert r"http\://evil.example www\.evil.example" in text


@given(st.text(alphabet=st.characters(exclude_categories=[]), max_size=30))
def test_a_table_stays_a_table_whatever_stands_in_its_cells(name: str) -> None:
    what = Export(pl.DataFrame(), sheets=[Sheet(name, ["model", "of"], [[name, "1"]], [name])])
    body = FORMS[".tex"](what).decode().split("\\midrule\n")[1].split("\n\\bottomrule")[0]
    assert "\n" not in body
    # Of backslashes and their characters nothing is left but the cells' own.
    assert re.sub(r"\\[a-z]+\{\}|\\[&%$#_{}]|\{\[\}", "", body).count("&") == 1
    lines = markdown(what.sheets).splitlines()
    assert len(lines) == 7
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", lines[4])) == 3
    assert "<" not in lines[4]


@given(st.text(alphabet=st.characters(exclude_categories=[]), max_size=30))
def test_visible_text_is_one_line_that_utf_8_can_hold(text: str) -> None:
    assert len(visible(text).encode().decode().splitlines()) <= 1
    assert not set(visible(text)) & set("\x1b\u202e\u2066\ufeff")
    assert visible(f"a\x1b[31m\u202e汉字\u3000é{text}").startswith(r"a\x1b[31m\u202e汉字" + "\u3000é")


@pytest.mark.parametrize("suffix", FORMS)
def test_half_a_surrogate_pair_and_folders_of_this_machine_are_in_no_form(tmp_path: Path, suffix: str) -> None:
    content = written(tmp_path, f"x{suffix}", exported("/data/secret/mine/merged", "a\ud800b")).read_bytes()
    assert b"secret" not in content
    assert b"mine/merged" in content
    assert b"ud800b" in content


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("/data/models/mine/merged", "mine/merged"),
        ("some/base + /data/mix41", "some/base + data/mix41"),
        ("/data", "data"),
        ("/data/models/mine/: no tokenizer", "models/mine/: no tokenizer"),
        ("no tokenizer in '/data/models/mine'", "no tokenizer in 'models/mine'"),
        ("owner/model", "owner/model"),
        ("https://host/v1/models", "https://host/v1/models"),
        ("12 tokens/s and/or 1 / 2", "12 tokens/s and/or 1 / 2"),
    ],
)
def test_of_a_path_the_last_two_names_are_kept(text: str, kept: str) -> None:
    assert without_folders({"key": [text]}) == {"key": [kept]}


def test_a_comparison_is_a_row_a_difference() -> None:
    runs = make_runs({"a": first(5), "b": first(4)})
    what = comparison_export([compare(runs, *runs.runs)])
    assert what.frame.schema == DIFFERENCES
    assert what.frame.select("of", "a_run", "b_run", "items").rows()[-2:] == [
        ("average", "run 0", "run 1", 60), ("all items", "run 0", "run 1", 60)
    ]  # fmt: skip


def test_below_the_runs_stand_readers_without_understanding_in_every_form(tmp_path: Path) -> None:
    """Of three questions of each exam the closed book tells none, so that nothing is matched."""
    write_run(tmp_path, condition="closedbook", questions=18, right=1.0)
    what = board_export(boards(read_runs(tmp_path)))
    ((*_, chance, _, longest),) = (sheet.rows for sheet in what.sheets)
    assert chance == ["-", "reference: chance", *["25.0"] * 6, "25.0", "-", "25.0", "-", "-", "-"]
    assert longest[:2] == ["-", "reference: longest option"]
    assert what.frame.select("chance", "string_matching").row(0) == (0.25, None)
    assert what.records[0]["reference"][0]["by_exam"]["nursing"] == 0.25
