"""Texts go to the page in chunks that are written as they become whole."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openbook_eval.leaderboard.page import chunks

PLACES = {f"q{place}": place for place in range(450)}
ROWS = [(key, {"said": key}) for key in PLACES]


def read(data: Path, name: str) -> Any:
    text = (data / f"{name}.js").read_text(encoding="utf-8")
    return json.loads(text.removeprefix(f'openbook.piece("{name}",').removesuffix(");\n"))


def names(data: Path) -> list[str]:
    return sorted(path.name for path in data.iterdir())


@pytest.mark.parametrize("rows", [ROWS, ROWS[::-1]], ids=["in order", "backwards"])
def test_rows_stand_in_the_order_of_their_places(rows: list[tuple[str, Any]], tmp_path: Path) -> None:
    assert chunks.write(tmp_path, "answers-3", rows, PLACES)
    assert names(tmp_path) == ["answers-3-0.js", "answers-3-1.js", "answers-3-2.js"]
    assert [len(read(tmp_path, f"answers-3-{number}")) for number in range(3)] == [200, 200, 50]
    assert read(tmp_path, "answers-3-1")[7] == {"said": "q207"}


def test_a_chunk_is_written_before_the_next_is_read(tmp_path: Path) -> None:
    def rows() -> Iterator[tuple[str, Any]]:
        for place, row in enumerate(ROWS):
            assert len(names(tmp_path)) == place // chunks.SIZE
            yield row

    assert chunks.write(tmp_path, "answers-0", rows(), PLACES)


def test_an_item_without_a_row_is_null_and_one_of_no_place_is_left_out(tmp_path: Path) -> None:
    chunks.write(tmp_path, "answers-0", [("q1", "b"), ("unasked", "c"), ("q1", "again")], {"q0": 0, "q1": 1})
    assert read(tmp_path, "answers-0-0") == [None, "b"]


def test_a_chunk_that_no_row_came_for_is_there_where_others_are(tmp_path: Path) -> None:
    chunks.write(tmp_path, "answers-0", ROWS[:200], PLACES)
    assert read(tmp_path, "answers-0-2") == [None] * 50


def test_where_no_rows_come_nothing_is_written(tmp_path: Path) -> None:
    assert not chunks.write(tmp_path, "answers-0", [], PLACES)
    assert names(tmp_path) == []


def test_a_book_is_written_once_under_the_first_digits_of_its_digest(tmp_path: Path) -> None:
    digest = "0123456789abcdef" + "0" * 48
    chunks.write_books(tmp_path, [(digest, "one"), (digest, "two")])
    assert names(tmp_path) == ["book-0123456789abcdef.js"]
    assert read(tmp_path, "book-0123456789abcdef") == "one"


@pytest.mark.parametrize("digest", ["../../../../etc/x", "A" * 64, "a" * 63, "a" * 64 + "\n", "", None])
def test_what_is_no_digest_names_no_file(digest: str | None, tmp_path: Path) -> None:
    assert not chunks.is_digest(digest)
    chunks.write_books(tmp_path, [(digest or "", "text")])
    assert names(tmp_path) == []
