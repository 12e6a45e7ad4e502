"""Entry files of one's own."""

import hashlib
from pathlib import Path

import pytest

from openbook_eval.books.providers import EntryRow, read_entry_file, write_entry_file
from openbook_eval.errors import ExamError, OpenbookError
from openbook_eval.types import Entry


def file(folder: Path, text: str) -> Path:
    path = folder / "own.jsonl"
    path.write_text(text, encoding="utf-8")
    return path


def test_rows_are_read_by_id_with_the_files_hash(tmp_path: Path) -> None:
    text = '\ufeff{"id": "a", "text": "甲。"}\n\n{"id": "b", "text": "乙。", "provider": "generated"}\n'
    rows, sha256 = read_entry_file(file(tmp_path, text))
    assert rows == {"a": EntryRow(id="a", text="甲。"), "b": EntryRow(id="b", text="乙。", provider="generated")}
    assert sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_every_faulty_line_is_named_at_once(tmp_path: Path) -> None:
    lines = ['{"id": "a", "text": "甲。"}', '{"id": "a", "text": "乙。"}', '{"id": "b", "txet": "丙。"}', "x"]
    lines += ['{"id": "c", "text": " "}']
    with pytest.raises(ExamError) as caught:
        read_entry_file(file(tmp_path, "\n".join(lines)))
    assert str(caught.value).split("\n  ")[1:] == [
        "line 2: id 'a' is there twice",
        "line 3: key 'text' is missing",
        "line 3: unknown key 'txet'; did you mean 'text'?",
        "line 4: the line: invalid JSON: expected value at line 1 column 1",
        "line 5: the entry of 'c' has no text; leave the line out",
    ]


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", None])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "own.jsonl"
    if data:
        path.write_bytes(data)
    with pytest.raises(ExamError, match=r"entry file .*own\.jsonl: cannot be read"):
        read_entry_file(path)


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    entries = [Entry("a", "甲\n\u2028乙", "given"), Entry("b", "丙", "generated", ("故选A",))]
    write_entry_file(tmp_path / "e.jsonl", entries)
    rows, _ = read_entry_file(tmp_path / "e.jsonl")
    assert [(e.question_id, e.text, e.provider) for e in entries] == [(r.id, r.text, r.provider) for r in rows.values()]
    assert [path.name for path in tmp_path.iterdir()] == ["e.jsonl"]


def test_a_place_that_cannot_be_taken_leaves_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "e.jsonl").mkdir()
    with pytest.raises(OpenbookError, match=r"e\.jsonl: cannot be written \(Is a directory\)"):
        write_entry_file(tmp_path / "e.jsonl", [])
    assert [path.name for path in tmp_path.iterdir()] == ["e.jsonl"]
