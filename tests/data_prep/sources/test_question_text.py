"""Plain text: rows apart by blank lines, or begun by a mark."""

from pathlib import Path

from tests.data_prep.sources.raw import read_bytes


def test_blank_lines_keep_rows_apart_and_the_first_line_is_the_question(tmp_path: Path) -> None:
    text = "\n甲？\n乙。\n\n\n丙？\r\n丁。\r\n戊。\r\n \r\n己？\n庚。"
    rows, broken, _ = read_bytes(tmp_path, "a.txt", text.encode("gb18030"))
    assert rows == [(1, "甲？", "乙。", None), (2, "丙？", "丁。\n戊。", None), (3, "己？", "庚。", None)]
    assert broken == []


def test_marks_begin_rows_and_blank_lines_are_part_of_the_answer(tmp_path: Path) -> None:
    text = "问：甲？\n补充。\n答：乙。\n\n丙。\nQ: 丁？\nA: 戊。\n"
    rows, _, _ = read_bytes(tmp_path, "a.txt", text.encode())
    assert rows == [(1, "甲？\n补充。", "乙。\n\n丙。", None), (2, "丁？", "戊。", None)]


def test_a_question_without_an_answer_is_broken(tmp_path: Path) -> None:
    rows, broken, _ = read_bytes(tmp_path, "a.txt", "甲？\n\n乙？\n丙。\n".encode(), broken="salvage")
    assert [row[0] for row in rows] == [2]
    assert broken == [(1, "line 1 begins a question without an answer", "甲？")]
    rows, broken, _ = read_bytes(tmp_path, "b.txt", "问：甲？\n问：乙？\n答：丙。".encode(), broken="salvage")
    assert [row[0] for row in rows] == [2]
    assert broken == [(1, "line 1 begins a question without an answer", "问：甲？")]


def test_bytes_that_are_no_text_cost_their_row_only(tmp_path: Path) -> None:
    text = "甲？\n乙。\n\n丙？\n丁。\n\n".encode() + b"\xff?\nx\n"
    rows, broken, _ = read_bytes(tmp_path, "a.txt", text, broken="salvage")
    assert [row[0] for row in rows] == [1, 2]
    assert [(row, reason) for row, reason, _ in broken] == [
        (3, "line 7 begins a row that is neither UTF-8 nor gb18030")
    ]
