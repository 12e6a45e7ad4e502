"""An object a line; every line that is none is told by its number."""

from pathlib import Path

import pytest

from tests.data_prep.sources.raw import ROWS, json_lines, read_bytes

GOOD = json_lines(ROWS[1:2]).strip()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"xx", "line 2 is not JSON (unexpected character, expected a JSON value, at character 1)"),
        (b'{"instruction": "a"', "line 2 is not JSON (unexpected end of data, at character 20)"),
        (b'["a", "b"]', "line 2 is a list, not an object"),
        (b"5", "line 2 is a number, not an object"),
        (b"null", "line 2 is null, not an object"),
        (b'{"instruction": NaN}', "line 2 is not JSON (unexpected character, expected a JSON value, at character 17)"),
        (b'{"a": "\\ud800"}', "line 2 is not JSON (no low surrogate in string, at character 8)"),
    ],
)
def test_a_line_that_is_no_object_is_broken_and_the_others_are_read(tmp_path: Path, line: bytes, reason: str) -> None:
    rows, broken, _ = read_bytes(tmp_path, "a.jsonl", GOOD + b"\n" + line + b"\n" + GOOD, broken="salvage")
    assert [row[0] for row in rows] == [1, 3]
    assert broken == [(2, reason, line.decode())]


def test_blank_lines_are_no_rows_and_rows_are_numbered_by_their_lines(tmp_path: Path) -> None:
    rows, broken, _ = read_bytes(tmp_path, "a.jsonl", b"\n" + GOOD + b"\r\n  \r\n" + GOOD + b"\n\n")
    assert ([row[0] for row in rows], broken) == ([2, 4], [])
