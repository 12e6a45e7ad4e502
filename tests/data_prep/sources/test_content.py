"""Bytes of a file, packed or not, in whatever encoding Chinese text comes."""

import gzip
from pathlib import Path

import pytest
from backports import zstd

from data_prep.sources.content import as_utf8, lines
from openbook_eval.errors import OpenbookError
from tests.data_prep.sources.raw import ANSWERS, QUESTIONS, ROWS, json_lines, questions, read_bytes

LINES = json_lines(ROWS)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_every_encoding_reads_the_same(tmp_path: Path, encoding: str, name: str) -> None:
    data = LINES if name == "a.jsonl" else b"[" + LINES.strip().replace(b"\n", b",\n") + b"]"
    assert questions(tmp_path, name, data.decode().encode(encoding)) == QUESTIONS


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
def test_packed_files_read_the_same_whatever_they_are_called(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    for name in ("a.jsonl.gz", "b.jsonl.zst", "c.jsonl"):
        assert questions(tmp_path, name, pack(LINES)) == QUESTIONS


def test_packed_files_of_several_members_are_read_to_the_end(tmp_path: Path) -> None:
    assert questions(tmp_path, "a.jsonl.zst", zstd.compress(LINES) * 2) == QUESTIONS * 2
    assert questions(tmp_path, "a.jsonl.gz", gzip.compress(LINES) * 2) == QUESTIONS * 2


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
@pytest.mark.parametrize("broken", ["refuse", "salvage"])
def test_a_packed_file_that_is_cut_off_is_an_error_of_one_line(tmp_path: Path, pack: object, broken: str) -> None:
    assert callable(pack)
    with pytest.raises(OpenbookError, match="cannot be unpacked") as caught:
        read_bytes(tmp_path, "a.jsonl.gz", pack(LINES * 100)[:-9], broken=broken)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text_cost_their_line_only(tmp_path: Path) -> None:
    damaged = LINES.replace("阴阳".encode(), "阴阳".encode()[:-1])
    rows, broken, _ = read_bytes(tmp_path, "a.jsonl", damaged, broken="salvage")
    assert [row[2] for row in rows] == [ANSWERS[0], ANSWERS[2]]
    assert [(number, reason) for number, reason, _ in broken] == [(2, "line 2 is neither UTF-8 nor gb18030")]


def test_damaged_utf8_is_not_taken_for_gb18030() -> None:
    damaged = "你好\n你好\n".encode() + "好".encode()[:-1]
    assert damaged.decode("gb18030") == "浣犲ソ\n浣犲ソ\n濂"
    assert as_utf8(damaged) == damaged


def test_a_range_ends_where_it_says_though_it_ends_with_a_line(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one\n\ntwo\nthree")
    assert [line for some in lines(tmp_path / "a", 4, 9) for line in some] == [b"\n", b"two\n"]
    assert [line for some in lines(tmp_path / "a", 9, 14) for line in some] == [b"three"]
