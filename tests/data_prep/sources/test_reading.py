"""A part as frames, with its broken rows or not at all."""

from pathlib import Path

import polars as pl
import pytest

from data_prep.rows import SCHEMA
from data_prep.sources import Chunk, gathering, parts, read
from openbook_eval.errors import OpenbookError
from tests.data_prep.sources.raw import ROWS, json_lines, questions, read_bytes, read_file, source


def test_frames_have_the_schema_and_say_where_each_row_was_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(json_lines(ROWS))
    (part,) = parts(source(path="*.jsonl", domain="western", name="huatuo"), tmp_path)
    (chunk,) = read(part)
    assert chunk.frame.schema == pl.Schema(SCHEMA)
    assert chunk.frame.row(0) == (
        "huatuo", "western", "a.jsonl", 1, "脉率正常是多少？\n成人，安静时", "每分钟60～100次。", None
    )  # fmt: skip
    assert chunk.broken == ()


def test_frames_are_no_larger_than_20_000_rows_and_hold_every_row(tmp_path: Path) -> None:
    row = {"instruction": "甲", "output": "乙"}
    (tmp_path / "a.jsonl").write_bytes(json_lines([row] * 45_000))
    (part,) = parts(source(path="*.jsonl"), tmp_path)
    frames = [chunk.frame for chunk in read(part)]
    assert max(frame.height for frame in frames) <= 20_000
    assert len(frames) == 3
    assert pl.concat(frames)["row"].to_list() == list(range(1, 45_001))


def test_long_rows_make_smaller_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "_BYTES", 100_000)
    (tmp_path / "a.jsonl").write_bytes(json_lines([{"instruction": "甲", "output": "乙" * 1000}] * 4000))
    (part,) = parts(source(path="*.jsonl"), tmp_path)
    heights = [chunk.frame.height for chunk in read(part)]
    assert sum(heights) == 4000
    assert len(heights) > 2


def test_white_space_around_texts_is_no_part_of_them(tmp_path: Path) -> None:
    rows, _, _ = read_bytes(tmp_path, "a.jsonl", json_lines([{"instruction": "\u3000甲 乙\n", "output": " 丙 "}]))
    assert rows == [(1, "甲 乙", "丙", None)]


def test_a_file_with_one_fault_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(OpenbookError) as caught:
        read_bytes(tmp_path, "a.jsonl", json_lines([*ROWS, {"instruction": "甲"}]))
    assert str(caught.value) == (
        "a.jsonl: row 4: key 'output' is missing; the row has instruction; "
        "mend it or the source's fields, or say broken: salvage there to take all other rows"
    )


def test_a_file_with_many_faults_tells_the_first_twenty_and_their_number(tmp_path: Path) -> None:
    with pytest.raises(OpenbookError) as caught:
        read_bytes(tmp_path, "a.jsonl", json_lines([{"instruction": "甲"}] * 1200))
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("a.jsonl: 1,200 faults, nothing was taken; ")
    assert lines[1] == "  row 1: key 'output' is missing; the row has instruction"
    assert lines[20].startswith("  row 20: ")
    assert lines[21:] == ["  and 1,180 more"]


def test_nothing_is_handed_on_from_where_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(json_lines(ROWS) + b"xx\n" + json_lines(ROWS * 20_000))
    (part,) = parts(source(path="*.jsonl"), tmp_path)
    chunks: list[Chunk] = []
    with pytest.raises(OpenbookError, match="row 4: line 4 is not JSON"):
        chunks.extend(read(part))
    assert chunks == []


def test_a_break_that_costs_no_row_is_refused_as_well(tmp_path: Path) -> None:
    with pytest.raises(OpenbookError, match=r"a\.json: line 1: after a row stands ,\], where \] is wanted; mend it"):
        read_bytes(tmp_path, "a.json", b'[{"instruction":"a","output":"b"},]')


def test_read_and_broken_rows_are_as_many_as_there_are(tmp_path: Path) -> None:
    lines = b"".join(json_lines(ROWS) + b"xx\n" + json_lines([{"output": "x"}]) for _ in range(500))
    rows, broken, _ = read_bytes(tmp_path, "a.jsonl", lines, broken="salvage")
    assert (len(rows), len(broken)) == (1500, 1000)
    assert sorted([*(row[0] for row in rows), *(row[0] for row in broken)]) == list(range(1, 2501))


def test_of_a_broken_row_no_more_than_10_000_characters_are_kept(tmp_path: Path) -> None:
    _, broken, _ = read_bytes(tmp_path, "a.jsonl", b"x" * 50_000, broken="salvage")
    assert [len(text) for _, _, text in broken] == [10_000]


def test_a_row_too_deep_to_show_is_broken_and_no_crash(tmp_path: Path) -> None:
    deep = b'{"else":' + b"[" * 900 + b"]" * 900 + b"}\n"
    _, broken, _ = read_bytes(tmp_path, "a.jsonl", deep, broken="salvage")
    assert broken == [(1, "key 'instruction' is missing; the row has else", "(not shown: Recursion limit reached)")]


def test_a_file_that_is_gone_between_the_passes_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(json_lines(ROWS))
    (part,) = parts(source(path="*.jsonl"), tmp_path)
    (tmp_path / "a.jsonl").unlink()
    with pytest.raises(OpenbookError, match=r"a\.jsonl: cannot be read \(No such file or directory\)"):
        list(read(part))
    with pytest.raises(OpenbookError, match=r"no such file: .*a\.jsonl"):
        read_file(tmp_path / "a.jsonl")


@pytest.mark.parametrize("marker", ["无输入", "没有输入。", "<noinput>", "No input.", "（无输入）", "N/A"])
def test_an_alpaca_input_that_says_there_is_none_is_none(tmp_path: Path, marker: str) -> None:
    rows = [{"instruction": "列出水果", "input": marker, "output": "苹果"}]
    assert questions(tmp_path, "a.jsonl", json_lines(rows)) == ["列出水果"]


def test_the_words_for_no_input_stay_where_they_are_the_question(tmp_path: Path) -> None:
    rows = [
        {"instruction": "为什么电脑显示无输入", "input": "", "output": "检查线缆"},
        {"instruction": "翻译", "input": "键盘无输入", "output": "No input from the keyboard"},
    ]
    assert questions(tmp_path, "a.jsonl", json_lines(rows)) == ["为什么电脑显示无输入", "翻译\n键盘无输入"]
