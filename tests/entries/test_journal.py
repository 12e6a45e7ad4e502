"""The journal loses no row that was written whole, whatever a kill or a second process does to it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.entries.journal import Journal, Row
from openbook_eval.errors import OpenbookError

_APPEND_MANY = """
import sys
from pathlib import Path
from openbook_eval.entries.journal import Journal, Row
journal = Journal(Path(sys.argv[1]))
for number in range(300):
    key = f"{sys.argv[2]}{number}"
    journal.append(Row(key=key, question="q", model="m", prompt="1", finish="stop", response=key * 3000))
"""


def row(key: str, response: str = "知识。") -> Row:
    return Row(key=key, question="q1", model="m", prompt="1.0", finish="stop", response=response)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "generated" / "m.jsonl")


def test_a_journal_that_is_not_there_is_empty(journal: Journal) -> None:
    assert journal.rows() == []


def test_rows_come_back_as_they_were_written_and_in_order(journal: Journal) -> None:
    rows = [row("b"), row("a", '两行\n\u2028\x00 "引号" \\ 🫀'), row("b", "later")]
    for one in rows:
        journal.append(one)
    assert journal.rows() == rows
    assert journal.path.read_bytes().count(b"\n") == 3


def test_every_row_is_marked_as_generated(journal: Journal) -> None:
    journal.append(row("a"))
    assert b'"provider":"generated"' in journal.path.read_bytes()


@given(responses=st.lists(st.text(st.characters(codec="utf-8")), max_size=4), data=st.data())
def test_a_journal_cut_anywhere_holds_a_prefix_of_its_rows_and_takes_more(
    responses: list[str], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    journal = Journal(tmp_path_factory.mktemp("cut") / "m.jsonl")
    rows = [row(str(number), response) for number, response in enumerate(responses)]
    journal.path.write_bytes(b"")
    for one in rows:
        journal.append(one)
    whole = journal.path.read_bytes()
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    journal.path.write_bytes(cut)
    left = journal.rows()
    assert left == rows[: len(left)]
    # No more than the row in which the cut is may be lost.
    assert len(left) >= cut.count(b"\n")
    journal.append(row("new"))
    assert journal.rows() == [*left, row("new")]


@pytest.mark.parametrize("line", [b"null", b"[]", b'{"key":"a"}', b"\xff\xfe", b'{"key":1}', b"[" * 100_000])
def test_a_line_that_is_no_row_is_passed_over(journal: Journal, line: bytes) -> None:
    journal.append(row("a"))
    with journal.path.open("ab") as file:
        file.write(line + b"\n")
    journal.append(row("b"))
    assert journal.rows() == [row("a"), row("b")]


def test_two_processes_at_once_corrupt_no_row(journal: Journal) -> None:
    command = [sys.executable, "-c", _APPEND_MANY, str(journal.path)]
    writers = [subprocess.Popen([*command, name]) for name in "xy"]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    keys = [one.key for one in journal.rows() if one.response == one.key * 3000]
    assert sorted(keys) == sorted(f"{name}{number}" for name in "xy" for number in range(300))
    assert len([line for line in journal.path.read_bytes().splitlines() if line]) == 600
    for name in "xy":
        assert [key for key in keys if key[0] == name] == [f"{name}{number}" for number in range(300)]


def test_a_cache_that_cannot_be_written_says_so_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "generated").write_text("a file where a folder is due")
    journal = Journal(tmp_path / "generated" / "m.jsonl")
    with pytest.raises(OpenbookError, match=r"m\.jsonl: cannot be written \(.+\); set XDG_CACHE_HOME") as caught:
        journal.append(row("a"))
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_told_and_the_next_row_is_whole(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    with monkeypatch.context() as patched:
        # A write that is cut short, as on a full disk.
        patched.setattr(os, "write", lambda file, data: write(file, data[:20]))
        with pytest.raises(OpenbookError, match="the disk is full"):
            journal.append(row("a"))
    journal.append(row("b"))
    assert journal.rows() == [row("b")]


def test_a_journal_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(OpenbookError, match=r"cannot be read \(Is a directory\); move it away"):
        Journal(tmp_path).rows()
