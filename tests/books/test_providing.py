"""Providers by name, chained: each question takes the entry of the first that has one."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from openbook_eval.books.providers import EntryRow, provide, read_entry_file, write_entry_file
from openbook_eval.errors import ExamError
from openbook_eval.types import Entry
from tests.conftest import question

BARE = question(id="bare")
EXPLAINED = question(id="explained", explanation="成人脉率60～100次（A对）。\n故选A。")
KNOWING = question(id="knowing", knowledge="给定的知识。")
EXAM = [BARE, EXPLAINED, KNOWING]


def provided(wanted: object) -> list[tuple[str, str]]:
    return [(entry.text, entry.provider) for entry in provide(EXAM, wanted).entries.values()]


def entry_file(folder: Path, *rows: dict[str, str]) -> str:
    path = folder / "own.jsonl"
    path.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    return str(path)


STATEMENT = "正常成人安静时的脉率范围是每分钟60～100次。"


def test_by_default_it_is_what_the_file_gives_else_the_statement_which_may_be_named_alone() -> None:
    assert provided(None) == [(STATEMENT, "statement"), (STATEMENT, "statement"), ("给定的知识。", "given")]
    assert provided("statement") == [(STATEMENT, "statement")] * 3


def test_a_passage_is_knowledge_else_explanation_in_one_line_without_verdicts_which_are_told() -> None:
    made = provide(EXAM, ["passage", "statement"])
    assert made.entries["knowing"] == Entry("knowing", "给定的知识。", "passage")
    assert made.entries["explained"].text == "成人脉率60～100次。"
    assert made.entries["explained"].provider == "passage"
    assert made.entries["bare"].provider == "statement"
    assert "".join(made.entries["explained"].removed).count("A") == 2
    assert made.notices[0].startswith("leaked answers were removed from 1 entries, ")


def test_a_question_left_without_an_entry_is_an_error_that_says_how_many_and_which() -> None:
    with pytest.raises(ExamError) as caught:
        provide(EXAM, "passage")
    assert str(caught.value) == (
        "entries (passage): 1 of 3 questions have none (ids bare); "
        'add them, or name who gives the rest: "entries": [..., "statement"]'
    )


def test_an_entry_file_is_named_by_its_path_and_serves_those_it_covers(tmp_path: Path) -> None:
    path = entry_file(tmp_path, {"id": "bare", "text": "自己写的。"}, {"id": "knowing", "text": "另写的。"})
    # It may name questions that have an entry already.
    assert provided(["given", path, "statement"])[2] == ("给定的知识。", "given")
    assert provided([path, "statement"]) == [
        ("自己写的。", "own.jsonl"),
        (STATEMENT, "statement"),
        ("另写的。", "own.jsonl"),
    ]


def test_an_entry_file_of_another_exam_is_told(tmp_path: Path) -> None:
    path = entry_file(tmp_path, {"id": "bare", "text": "甲。"}, {"id": "q-77", "text": "乙。"})
    with pytest.raises(ExamError, match=r"1 of 2 ids are no question's of this exam \(q-77\); is it another exam's"):
        provide(EXAM, ["statement", path][::-1])


def test_the_results_are_told_who_gave_what_and_the_hash_of_all_texts(tmp_path: Path) -> None:
    path = entry_file(tmp_path, {"id": "bare", "text": "自己写的。"})
    told = provide(EXAM, [path, "passage"]).provenance
    assert [(part["provider"], part["entries"]) for part in told["providers"]] == [("file", 1), ("passage", 2)]
    assert told["providers"][0]["path"] == "own.jsonl"
    assert told["providers"][1]["leaks_removed"] == 1
    assert len(told["sha256"]) == 64
    assert told["sha256"] != provide(EXAM, "statement").provenance["sha256"]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("pasage", "entries: no provider 'pasage'; did you mean 'passage'?"),
        ([], "entries: no provider None; known are given, statement"),
        ({"provider": ["passage"]}, "entries: no provider ['passage']; did you mean 'passage'?"),
        ({"provider": "retreived"}, "entries: no provider 'retreived'; did you mean 'retrieved'?"),
        ({"provider": "retrieved"}, "entries, retrieved: key 'corpus' is missing"),
        (
            {"provider": "retrieved", "corpus": "x", "budgte": 5, "top": 0},
            "entries, retrieved: top: input should be greater than or equal to 1; "
            "unknown key 'budgte'; did you mean 'budget'?",
        ),
        ({"provider": "generated", "endpoint": "http://x", "model": 3}, "entries, generated: model: input should be a"),
    ],
)
def test_a_setting_that_is_wrong_is_told_with_a_hint(wanted: Any, message: str) -> None:
    with pytest.raises(ExamError) as caught:
        provide(EXAM, wanted)
    assert str(caught.value).startswith(message)


def lines_file(folder: Path, text: str) -> Path:
    path = folder / "own.jsonl"
    path.write_text(text, encoding="utf-8")
    return path


def test_rows_of_an_entry_file_are_read_by_id(tmp_path: Path) -> None:
    text = '\ufeff{"id": "a", "text": "甲。"}\n\n{"id": "b", "text": "乙。", "provider": "generated"}\n'
    rows = read_entry_file(lines_file(tmp_path, text))
    assert rows == {"a": EntryRow(id="a", text="甲。"), "b": EntryRow(id="b", text="乙。", provider="generated")}


def test_every_faulty_line_is_named_at_once(tmp_path: Path) -> None:
    lines = ['{"id": "a", "text": "甲。"}', '{"id": "a", "text": "乙。"}', '{"id": "b", "txet": "丙。"}', "x"]
    lines += ['{"id": "c", "text": " "}']
    with pytest.raises(ExamError) as caught:
        read_entry_file(lines_file(tmp_path, "\n".join(lines)))
    assert str(caught.value).split("\n  ")[1:] == [
        "line 2: the entry of 'a' stands twice or has no text; leave the line out",
        "line 3: key 'text' is missing; unknown key 'txet'; did you mean 'text'?",
        "line 4: the line: invalid JSON: expected value at line 1 column 1",
        "line 5: the entry of 'c' stands twice or has no text; leave the line out",
    ]


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    entries = [Entry("a", "甲\n\u2028乙", "given"), Entry("b", "丙", "generated", ("故选A",))]
    write_entry_file(tmp_path / "e.jsonl", entries)
    rows = read_entry_file(tmp_path / "e.jsonl").values()
    assert [(e.question_id, e.text, e.provider) for e in entries] == [(r.id, r.text, r.provider) for r in rows]
    assert [path.name for path in tmp_path.iterdir()] == ["e.jsonl"]
