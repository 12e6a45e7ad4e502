"""Which files a source has, and in what parts they are read."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import data_prep.sources.files as module
from data_prep.sources import Part, parts, read
from data_prep.sources.content import lines
from data_prep.sources.files import line_ranges
from openbook_eval.errors import OpenbookError
from tests.data_prep.sources.raw import ROWS, json_lines, source

LINES = json_lines(ROWS)


def test_files_of_a_glob_come_by_name_and_are_called_by_their_place_in_the_data_folder(tmp_path: Path) -> None:
    for name in ("b/2.jsonl", "b/1.jsonl", "b/c/3.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(LINES)
    declared = source(path="b/**/*.jsonl")
    assert parts(declared, tmp_path) == [
        Part(declared, name, tmp_path / name, 0, len(LINES), 1) for name in ("b/1.jsonl", "b/2.jsonl", "b/c/3.jsonl")
    ]


def test_a_name_with_signs_of_a_glob_is_a_file_where_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "a[1].jsonl").write_bytes(LINES)
    assert [part.label for part in parts(source(path="a[1].jsonl"), tmp_path)] == ["a[1].jsonl"]
    (tmp_path / "b[1]").mkdir()
    (tmp_path / "b[1]" / "c.jsonl").write_bytes(LINES)
    assert [part.label for part in parts(source(path="*.jsonl"), tmp_path / "b[1]")] == ["c.jsonl"]


def test_a_file_outside_the_data_folder_is_called_by_its_whole_name(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(LINES)
    assert [part.label for part in parts(source(path=f"{tmp_path}/*.jsonl"), Path("elsewhere"))] == [
        str(tmp_path / "a.jsonl")
    ]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no.json", "no such file: "),
        ("no*.json", "no file matches "),
        ("**x.json", "matches no file"),
        ("folder", "is a folder; name its files"),
        ("", "is a folder; name its files"),
        ("empty.json", "empty.json: is empty"),
        ("odd.dat", "odd.dat: its name tells no format"),
        ("two.*", "two formats in one source: two.csv is csv, two.json is json"),
        ("zip.json", "zip.json: should be json, but is xlsx or another zip"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line_that_names_the_source(tmp_path: Path, path: str, message: str) -> None:
    (tmp_path / "folder").mkdir()
    contents = {"empty.json": b"", "odd.dat": b"x", "two.csv": b"a,b", "two.json": b"[]", "zip.json": b"PK\x03\x04"}
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(OpenbookError, match="source some: ") as caught:
        parts(source(path=path), tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).count("source some") == 1


@pytest.mark.parametrize(("declared", "holds"), [("json", "jsonl"), ("jsonl", "json")])
def test_a_declared_format_that_the_file_has_not_is_an_error(tmp_path: Path, declared: str, holds: str) -> None:
    (tmp_path / "a.txt").write_bytes(LINES if holds == "jsonl" else b"[]")
    with pytest.raises(OpenbookError, match=f"a.txt: is declared as {declared}, but is {holds}"):
        parts(source(path="a.txt", format=declared), tmp_path)


def test_a_declared_format_settles_files_whose_names_tell_none_or_two(tmp_path: Path) -> None:
    (tmp_path / "a.dat").write_bytes(LINES)
    (tmp_path / "a.csv").write_bytes(LINES)
    assert len(parts(source(path="a.*", format="jsonl"), tmp_path)) == 2


def test_a_large_file_is_read_in_parts_with_the_same_rows_as_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{**ROWS[0], "output": f"第{number}个" + "答" * (number % 50)} for number in range(300)]
    (tmp_path / "a.jsonl").write_bytes(json_lines(rows))
    declared = source(path="a.jsonl")
    (one,) = parts(declared, tmp_path)
    monkeypatch.setattr(module, "SIZE", 5000)
    several = parts(declared, tmp_path)
    assert len(several) > 5
    assert [part.start for part in several[1:]] == [part.end for part in several[:-1]]

    def frames(some: list[Part]) -> list[tuple[object, ...]]:
        return [row for part in some for chunk in read(part) for row in chunk.frame.rows()]

    assert frames(several) == frames([one])
    assert [row[3] for row in frames(several)] == list(range(1, 301))


def test_a_large_array_is_one_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SIZE", 10)
    (tmp_path / "a.json").write_bytes(b"[" + LINES.strip().replace(b"\n", b",\n") + b"]")
    assert len(parts(source(path="a.json"), tmp_path)) == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.lists(st.binary(max_size=6)).map(b"\n".join), size=st.integers(1, 20))
def test_ranges_are_whole_lines_and_all_of_them(tmp_path: Path, content: bytes, size: int) -> None:
    file = tmp_path / "some"
    file.write_bytes(content)
    ranges = list(line_ranges(file, size))
    assert b"".join(content[start:end] for start, end, _ in ranges) == content
    for start, end, row in ranges:
        assert content[:start].count(b"\n") + 1 == row
        assert start == 0 or content[start - 1 : start] == b"\n"
        assert end - start >= size or end == len(content)
        # Long lines are kept whole: a range goes no further than the end of the line in which it is full.
        assert b"\n" not in content[start + size - 1 : end - 1]
        if not content.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\x1f\x8b", b"\x28\xb5\x2f\xfd")):
            assert content[start:end].count(b"\n") == sum(
                line.endswith(b"\n") for some in lines(file, start, end) for line in some
            )
