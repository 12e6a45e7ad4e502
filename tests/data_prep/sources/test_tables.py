"""Excel and parquet files."""

import gzip
from pathlib import Path

import polars as pl
import pytest

from openbook_eval.errors import OpenbookError
from tests.data_prep.sources.raw import ANSWERS, QUESTIONS, ROWS, read_bytes, read_file
from tests.data_prep.sources.workbook import write_workbook


def test_a_parquet_file_reads_as_its_rows(tmp_path: Path) -> None:
    pl.DataFrame(ROWS).write_parquet(tmp_path / "a.parquet")
    rows, broken, _ = read_file(tmp_path / "a.parquet")
    assert rows == [(n, q, a, None) for n, q, a in zip((1, 2, 3), QUESTIONS, ANSWERS, strict=True)]
    assert broken == []
    packed = gzip.compress((tmp_path / "a.parquet").read_bytes())
    assert read_bytes(tmp_path, "b.parquet.gz", packed)[0] == rows


def test_nested_parquet_columns_are_chats_and_lists(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "问"}, {"role": "assistant", "content": "答"}]
    pl.DataFrame({"messages": [turns]}).write_parquet(tmp_path / "a.parquet")
    assert read_file(tmp_path / "a.parquet", layout="chat")[0] == [(1, "问", "答", None)]
    pl.DataFrame({"question": [["甲", "乙"]], "answer": [None]}, schema_overrides={"answer": pl.String}).write_parquet(
        tmp_path / "b.parquet"
    )
    assert read_file(tmp_path / "b.parquet", layout="qa")[0] == [(1, "甲\n乙", "", None)]


def test_a_sheet_reads_as_text_and_empty_rows_are_none(tmp_path: Path) -> None:
    cells: list[list[object]] = [["question", "answer"], ["心率多少？", 72], [None, None], ["甲", None]]
    write_workbook(tmp_path / "a.xlsx", {"Sheet1": cells, "Sheet2": []})
    rows, broken, _ = read_file(tmp_path / "a.xlsx", layout="qa")
    assert (rows, broken) == ([(1, "心率多少？", "72", None), (3, "甲", "", None)], [])


def test_rows_in_two_sheets_are_an_error(tmp_path: Path) -> None:
    cells: list[list[object]] = [["question", "answer"], ["甲", "乙"]]
    write_workbook(tmp_path / "a.xlsx", {"one": cells, "two": cells})
    with pytest.raises(OpenbookError, match=r"a\.xlsx: rows stand in 2 sheets \(one, two\); keep one sheet a file"):
        read_file(tmp_path / "a.xlsx", layout="qa")


@pytest.mark.parametrize(("name", "data"), [("a.xlsx", b"PK\x03\x04xx"), ("a.parquet", b"PAR1xx"), ("b.xlsx", b"xx")])
def test_a_file_that_is_no_table_is_an_error_of_one_line(tmp_path: Path, name: str, data: bytes) -> None:
    with pytest.raises(OpenbookError, match=f"{name}: not a readable ") as caught:
        read_bytes(tmp_path, name, data)
    assert "\n" not in str(caught.value)
