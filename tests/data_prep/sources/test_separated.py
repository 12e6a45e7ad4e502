"""CSV and TSV: no row is lost to a quotation mark, and every broken line is told."""

import csv
import io
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.sources.separated import read_separated
from openbook_eval.errors import OpenbookError
from tests.data_prep.sources.raw import read_bytes

CELL = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(['"', "\n", "\r", ",", "\t"])


@given(rows=st.lists(st.tuples(CELL, CELL), max_size=6), separator=st.sampled_from(",\t"))
def test_what_was_written_is_read(rows: list[tuple[str, str]], separator: str) -> None:
    stream = io.StringIO()
    csv.writer(stream, delimiter=separator).writerows([("q", "a"), *rows])
    batches = list(read_separated(stream.getvalue().encode(), separator, "f"))
    found = chain.from_iterable(batch.rows for batch in batches)
    assert [(row["q"], row["a"]) for row in found] == rows
    assert not any(batch.faults for batch in batches)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("甲", "line 3 has 1 cells, the header 2"),
        ("甲,乙,丙", "line 3 has 3 cells, the header 2"),
        ('甲,"乙', "line 3 is no row (',' expected after '\"')"),
        ('甲,"乙"丙', "line 3 is no row (',' expected after '\"')"),
        ("甲," + "乙" * 131_073, "line 3 is no row (field larger than field limit (131072))"),
    ],
)
def test_a_line_that_is_no_row_is_broken_and_the_others_are_read(tmp_path: Path, line: str, reason: str) -> None:
    data = f'question,answer\n子,丑\n{line}\n寅,"卯"\n'.encode()
    rows, broken, _ = read_bytes(tmp_path, "a.csv", data, layout="qa", broken="salvage")
    assert rows == [(1, "子", "丑", None), (3, "寅", "卯", None)]
    assert broken == [(2, reason, line[:10_000])]


def test_a_last_quotation_mark_that_is_never_closed_takes_no_row_with_it(tmp_path: Path) -> None:
    data = 'question,answer\n甲,"乙\n丙,丁\n'.encode()
    rows, broken, _ = read_bytes(tmp_path, "a.csv", data, layout="qa", broken="salvage")
    assert rows == [(2, "丙", "丁", None)]
    assert broken == [(1, "line 2 is no row (unexpected end of data)", '甲,"乙')]


def test_bytes_that_are_no_text_cost_their_row_only(tmp_path: Path) -> None:
    data = "question,answer\n甲,乙\n丙,丁\n".encode() + b"\xff\xfe,x\n" + "戊,己\n".encode()
    rows, broken, _ = read_bytes(tmp_path, "a.csv", data, layout="qa", broken="salvage")
    assert [row[0] for row in rows] == [1, 2, 4]
    assert [(number, reason) for number, reason, _ in broken] == [(3, "line 4 is neither UTF-8 nor gb18030")]


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    rows, broken, _ = read_bytes(tmp_path, "a.tsv", "question\tanswer\n\n甲\t乙\n\n".encode(), layout="qa")
    assert (rows, broken) == ([(1, "甲", "乙", None)], [])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\n\n", "a.csv: has no header: there are only blank lines"),
        (b'"a,b\n', "a.csv: has no header: line 1 is no row"),
        (b"a,b, a\n1,2,3\n", "a.csv: the header has column 'a' twice"),
    ],
)
def test_a_header_that_cannot_be_used_is_an_error(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(OpenbookError, match=message):
        read_bytes(tmp_path, "a.csv", data, broken="salvage")
