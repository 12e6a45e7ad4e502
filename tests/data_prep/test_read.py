"""Files of every format and encoding are read whole, salvaged or refused, and every row is counted."""

import csv
import gzip
import io
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
from backports import zstd
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import data_prep
from data_prep import formats
from data_prep.formats import Batch, as_utf8, read_array, read_lines, read_separated
from data_prep.layouts import Layout
from data_prep.read import SCHEMA, Chunk, Part, parts, read, train_line
from data_prep.spec import Spec, read_spec
from openbook_eval.errors import OpenbookError
from tests.data_prep.files import ANSWERS, QUESTIONS, ROWS, json_lines, questions, read_bytes, read_file, source
from tests.data_prep.workbook import write_workbook

LINES = json_lines(ROWS)
GOOD = json_lines(ROWS[1:2]).strip()
ARRAY = b"[" + LINES.strip().replace(b"\n", b",\n") + b"]"
ANY = st.text(st.characters(exclude_categories=["Cs"]))
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(['},{"a":', '"', "\\", "]"])
ROW = st.dictionaries(st.sampled_from("abc"), TEXT | st.lists(st.fixed_dictionaries({"a": TEXT}), max_size=3))
CELL = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(['"', "\n", "\r", ",", "\t"])


# --- Which files a source has


@pytest.mark.parametrize(
    ("path", "root", "labels"),
    [
        ("b/**/*.jsonl", "", ["b/1.jsonl", "b/2.jsonl", "b/c/3.jsonl"]),
        # A name with signs of a glob is a file where there is one.
        ("a[1].jsonl", "", ["a[1].jsonl"]),
        ("*.jsonl", "d[1]", ["e.jsonl"]),
        ("{folder}/b/*.jsonl", "", ["b/1.jsonl", "b/2.jsonl"]),
        ("{folder}/b/*.jsonl", "d[1]", ["{folder}/b/1.jsonl", "{folder}/b/2.jsonl"]),
    ],
)
def test_files_come_by_name_and_are_called_by_their_place_in_the_data_folder_or_in_full(
    tmp_path: Path, path: str, root: str, labels: list[str]
) -> None:
    for name in ("b/2.jsonl", "b/1.jsonl", "b/c/3.jsonl", "a[1].jsonl", "d[1]/e.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(LINES)
    declared = source(path=path.format(folder=tmp_path))
    expected = [label.format(folder=tmp_path) for label in labels]
    folder = tmp_path / root
    assert parts([declared], folder) == [Part(declared, name, folder / name, len(LINES)) for name in expected]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no.json", "no such file: "),
        ("no*.json", "no file matches "),
        ("**x.json", "no file matches "),
        ("folder", "is a folder; name its files"),
        ("", "is a folder; name its files"),
        ("empty.json", "empty.json: is empty"),
        ("odd.dat", "odd.dat: its name tells no format"),
        ("two.*", "two formats in one source: two.csv is csv, two.json is json"),
        ("zip.json", "zip.json: should be json, but is xlsx or another zip"),
    ],
)
def test_what_cannot_be_read_is_an_error_that_names_the_source(tmp_path: Path, path: str, message: str) -> None:
    (tmp_path / "folder").mkdir()
    contents = {"empty.json": b"", "odd.dat": b"x", "two.csv": b"a,b", "two.json": b"[]", "zip.json": b"PK\x03\x04"}
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    # A declared format settles files whose names tell none or two.
    assert len(parts([source(path="[ot][dw]*.*", format="csv")], tmp_path)) == 3
    with pytest.raises(OpenbookError, match="source some: ") as caught:
        parts([source(path=path)], tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).count("source some") == 1


@pytest.mark.parametrize(("declared", "holds"), [("json", "jsonl"), ("jsonl", "json")])
def test_a_declared_format_that_the_file_has_not_is_an_error(tmp_path: Path, declared: str, holds: str) -> None:
    (tmp_path / "a.txt").write_bytes(LINES if holds == "jsonl" else b"[]")
    with pytest.raises(OpenbookError, match=f"a.txt: is declared as {declared}, but is {holds}"):
        parts([source(path="a.txt", format=declared)], tmp_path)


def test_every_source_at_fault_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(OpenbookError) as caught:
        parts([source(name="one", path="a"), source(name="two", path="b*")], tmp_path)
    assert [line.partition(" file")[0] for line in str(caught.value).splitlines()] == [
        "2 sources cannot be read:",
        "  source one: no such",
        "  source two: no",
    ]


# --- Bytes


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_every_encoding_reads_the_same(tmp_path: Path, encoding: str, name: str) -> None:
    data = LINES if name == "a.jsonl" else ARRAY
    assert questions(tmp_path, name, data.decode().encode(encoding)) == QUESTIONS


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
@pytest.mark.parametrize("name", ["a.jsonl.gz", "b.jsonl.zst", "c.jsonl"])
def test_packed_files_are_read_to_the_end_whatever_they_are_called(
    tmp_path: Path, pack: Callable[[bytes], bytes], name: str
) -> None:
    assert questions(tmp_path, name, pack(LINES)) == QUESTIONS
    assert questions(tmp_path, name, pack(LINES) * 2) == QUESTIONS * 2


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
@pytest.mark.parametrize("broken", ["refuse", "salvage"])
def test_a_packed_file_that_is_cut_off_is_an_error_of_one_line(
    tmp_path: Path, pack: Callable[[bytes], bytes], broken: str
) -> None:
    with pytest.raises(OpenbookError, match="cannot be unpacked") as caught:
        read_bytes(tmp_path, "a.jsonl.gz", pack(LINES * 100)[:-9], broken=broken)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "data", "rows", "fault"),
    [
        ("a.jsonl", LINES.replace("阴阳".encode(), b"\xe9\x98"), [1, 3], (2, "line 2 is")),
        ("a.csv", "question,answer\n甲,乙\n".encode() + b"\xff\xfe,x\n" + "戊,己\n".encode(), [1, 3], (2, "line 3 is")),
        ("a.txt", "甲？\n乙。\n\n丙？\n丁。\n\n".encode() + b"\xff?\nx\n", [1, 2], (3, "line 7 begins a row that is")),
    ],
)  # fmt: skip
def test_bytes_that_are_no_text_cost_their_row_only(
    tmp_path: Path, name: str, data: bytes, rows: list[int], fault: tuple[int, str]
) -> None:
    layout = "qa" if name == "a.csv" else "alpaca"
    found, broken, _ = read_bytes(tmp_path, name, data, layout=layout, broken="salvage")
    assert [row[0] for row in found] == rows
    assert [row[:2] for row in broken] == [(fault[0], f"{fault[1]} neither UTF-8 nor gb18030")]


def test_damaged_utf8_is_not_taken_for_gb18030() -> None:
    damaged = "你好\n你好\n".encode() + "好".encode()[:-1]
    assert damaged.decode("gb18030") == "浣犲ソ\n浣犲ソ\n濂"
    assert as_utf8(damaged) == damaged


# --- JSON lines


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"xx", "not JSON (unexpected character, expected a JSON value, at character 1)"),
        (b'{"instruction": "a"', "not JSON (unexpected end of data, at character 20)"),
        (b'["a", "b"]', "a list, not an object"),
        (b"5", "a number, not an object"),
        (b"null", "null, not an object"),
        (b'{"instruction": NaN}', "not JSON (unexpected character, expected a JSON value, at character 17)"),
        (b'{"instruction": "\\ud800", "output": "a"}', "not JSON (no low surrogate in string, at character 18)"),
    ],
)
def test_a_line_that_is_no_object_is_broken_and_the_others_are_read(tmp_path: Path, line: bytes, reason: str) -> None:
    rows, broken, _ = read_bytes(tmp_path, "a.jsonl", GOOD + b"\n" + line + b"\n" + GOOD, broken="salvage")
    assert [row[0] for row in rows] == [1, 3]
    assert broken == [(2, f"line 2 is {reason}", line.decode())]


def test_blank_lines_are_no_rows_and_rows_are_numbered_by_their_lines(tmp_path: Path) -> None:
    rows, broken, _ = read_bytes(tmp_path, "a.jsonl", b"\n" + GOOD + b"\r\n  \r\n" + GOOD + b"\n\n")
    assert ([row[0] for row in rows], broken) == ([2, 4], [])


@pytest.mark.parametrize(
    ("line", "at_once"), [(GOOD, True), (b'{"instruction":"a","output":5}', False), (b'{"output":"a"}', False)]
)
def test_lines_of_plain_texts_are_read_at_once(tmp_path: Path, line: bytes, at_once: bool) -> None:
    # Else the tests of layouts would compare one way with itself.
    (tmp_path / "a.jsonl").write_bytes(line + b"\n" + GOOD + b"\n")
    (batch,) = read_lines(tmp_path / "a.jsonl", Layout.of(source(), "jsonl"))
    assert (batch.texts is not None) == at_once


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(ANY, ANY), max_size=6), block=st.integers(1, 40), last=st.booleans())
def test_lines_read_the_same_in_blocks_of_any_size(
    tmp_path: Path, rows: list[tuple[str, str]], block: int, last: bool
) -> None:
    data = json_lines([{"instruction": question, "output": answer} for question, answer in rows]) or b"\n"
    (tmp_path / "a.jsonl").write_bytes(data if last else data[:-1] or b" ")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formats, "BYTES", block)
        batches = read_lines(tmp_path / "a.jsonl", Layout.of(source(), "jsonl"))
        found = [row for batch in batches for row in _rows(batch)]
        assert found == [(n, q, a) for n, (q, a) in enumerate(rows, 1)]


def _rows(batch: Batch) -> list[tuple[int, str, str]]:
    if batch.texts is not None:
        return batch.texts.select("row", "question", "answer").rows()
    return [(number, row["instruction"], row["output"]) for number, row in batch.rows.items()]


# --- JSON arrays


def _read(data: bytes) -> tuple[list[Any], list[int], list[Any], list[str]]:
    batches = list(read_array(data))
    return (
        list(chain.from_iterable(batch.rows.values() for batch in batches)),
        list(chain.from_iterable(batch.rows for batch in batches)),
        list(chain.from_iterable(batch.faults for batch in batches)),
        list(chain.from_iterable(batch.breaks for batch in batches)),
    )


@given(rows=st.lists(ROW, max_size=8), indented=st.booleans(), piece=st.integers(1, 60))
def test_an_array_reads_the_same_in_pieces_of_any_size(
    rows: list[dict[str, object]], indented: bool, piece: int
) -> None:
    data = orjson.dumps(rows, option=orjson.OPT_INDENT_2 if indented else 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formats, "BYTES", 4 * piece)
        assert _read(data) == (rows, list(range(1, len(rows) + 1)), [], [])


@pytest.mark.parametrize("option", [0, orjson.OPT_INDENT_2])
def test_whatever_byte_is_lost_no_other_row_is_and_the_counts_are_exact(option: int) -> None:
    data = orjson.dumps(ROWS, option=option)
    first, last = data.index(b"{", data.index(b"{") + 1), data.rindex(b"{")
    for place in range(first, last):
        damaged = data[:place] + data[place + 1 :]
        rows, numbers, faults, breaks = _read(damaged)
        assert (rows[0], rows[-1]) == (ROWS[0], ROWS[2]), place
        assert sorted([*numbers, *(fault.row for fault in faults)]) == [1, 2, 3], place
        whole = not faults and not breaks
        assert whole == _is_json(damaged), place


def _is_json(data: bytes) -> bool:
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return False
    return True


def test_a_file_cut_off_anywhere_keeps_the_rows_before_the_cut() -> None:
    data = orjson.dumps(ROWS)
    for cut in range(data.rindex(b"{") + 1, len(data) - 2):
        rows, _, faults, _ = _read(data[:cut])
        assert (rows, [fault.row for fault in faults]) == (ROWS[:2], [3])
    assert _read(data[:-1])[0::3] == (ROWS, ["line 1: after a row stands nothing, where ] is wanted"])


@pytest.mark.parametrize(
    ("text", "numbers", "faults", "breaks"),
    [
        (b'[5, {"a":1}, "x"]', [2], [(1, "is a number, not an object", "5"),
         (3, "is a text, not an object", '"x"')], []),
        (b'[{"a":1},\n{"a":2},\n]', [1, 2], [], ["line 2: after a row stands ,], where ] is wanted"]),
        (b'[{"a":1}\n{"a":2}]', [1, 2], [], ["line 1: after a row stands nothing, where , is wanted"]),
        (b'[{"a":1}]\n[{"a":2}]', [1, 2], [], ["line 1: after a row stands ][, where , is wanted"]),
        (b'{"a":1}\n{"a":2}]', [1, 2], [], ["line 1: the array does not begin with [",
                                            "line 1: after a row stands nothing, where , is wanted"]),
        (b'[{"a":1},\n"a":2},\n{"a":3}]', [1, 3], [(2, "line 2 holds the remains of a row", '"a":2}')], []),
        (b'[{"a":1},\n{"a" 2},\n{"a":3}]', [1, 3],
         [(2, "line 2 begins a row that is not JSON (Expecting ':' delimiter, at line 2)", '{"a" 2}')], []),
        # Rows may begin with the first key of any other row.
        (b'[{"a":1},{"b":2},{"a" 3},{"b":4}]', [1, 2, 4],
         [(3, "line 1 begins a row that is not JSON (Expecting ':' delimiter, at line 1)", '{"a" 3}')], []),
        (b'[{"a":1},\n{"a":"\n"},\n{"a":3}]', [1, 3],
         [(2, "line 2 begins a row that is not JSON (Invalid control character at, at line 2)", '{"a":"\n"}')], []),
        (b'[{"a":NaN},{"a":3}]', [2],
         [(1, "line 1 begins a row that is not JSON (unexpected character, expected a JSON value, at character 6)",
           '{"a":NaN}')], []),
    ],
)  # fmt: skip
def test_broken_places_are_reported_with_their_lines(
    text: bytes, numbers: list[int], faults: list[tuple[int, str, str]], breaks: list[str]
) -> None:
    _, found, broken, reported = _read(text)
    assert (found, [(fault.row, fault.reason, fault.text) for fault in broken], reported) == (numbers, faults, breaks)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        # Objects inside a broken row are not taken for rows.
        ('{"b": [{"c": 1}, {"c": 2} "id": 1}',
         "line 1 begins a row that is not JSON (Expecting ',' delimiter, at line 1)"),
        ('{"a":' * 5000 + "1" + "}" * 5000, "line 1 begins a row that is nested too deeply"),
    ],
)  # fmt: skip
def test_a_broken_row_with_objects_inside_is_one_and_the_next_is_read(row: str, reason: str) -> None:
    rows, numbers, faults, _ = _read(f'[{{"b":[{{"c":1}}]}},{row},{{"b":2}}]'.encode())
    assert (rows, numbers) == ([{"b": [{"c": 1}]}, {"b": 2}], [1, 3])
    assert [(fault.row, fault.reason) for fault in faults] == [(2, reason)]


# --- CSV, plain text, Excel and parquet


@given(rows=st.lists(st.tuples(CELL, CELL), max_size=6), separator=st.sampled_from(",\t"))
def test_a_table_that_was_written_is_read(rows: list[tuple[str, str]], separator: str) -> None:
    stream = io.StringIO()
    csv.writer(stream, delimiter=separator).writerows([("q", "a"), *rows])
    batches = list(read_separated(stream.getvalue().encode(), separator, "f"))
    assert [tuple(row.values()) for batch in batches for row in batch.rows.values()] == rows
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
def test_a_line_of_a_table_that_is_no_row_is_broken(tmp_path: Path, line: str, reason: str) -> None:
    data = f'question,answer\n子,丑\n{line}\n寅,"卯"\n'.encode()
    rows, broken, _ = read_bytes(tmp_path, "a.csv", data, layout="qa", broken="salvage")
    assert rows == [(1, "子", "丑", None), (3, "寅", "卯", None)]
    assert broken == [(2, reason, line[:10_000])]


def test_a_quotation_mark_that_is_never_closed_and_blank_lines_take_no_row_with_them(tmp_path: Path) -> None:
    data = 'question\tanswer\n\n甲\t"乙\n\n丙\t丁\n\n'.encode()
    rows, broken, _ = read_bytes(tmp_path, "a.tsv", data, layout="qa", broken="salvage")
    assert rows == [(2, "丙", "丁", None)]
    assert broken == [(1, "line 3 is no row (unexpected end of data)", '甲\t"乙')]


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


@pytest.mark.parametrize(
    ("text", "rows", "faults"),
    [
        ("\n甲？\n乙。\n\n\n丙？\r\n丁。\r\n戊。\r\n \r\n己？\n庚。",
         [(1, "甲？", "乙。", None), (2, "丙？", "丁。\n戊。", None), (3, "己？", "庚。", None)], []),
        ("问：甲？\n补充。\n答：乙。\n\n丙。\nQ: 丁？\nA: 戊。\n",
         [(1, "甲？\n补充。", "乙。\n\n丙。", None), (2, "丁？", "戊。", None)], []),
        ("甲？\n\n乙？\n丙。\n", [(2, "乙？", "丙。", None)], ["甲？"]),
        ("问：甲？\n问：乙？\n答：丙。", [(2, "乙？", "丙。", None)], ["问：甲？"]),
    ],
)  # fmt: skip
def test_blank_lines_or_marks_begin_the_rows_of_a_text(
    tmp_path: Path, text: str, rows: list[tuple[int, str, str, None]], faults: list[str]
) -> None:
    found, broken, _ = read_bytes(tmp_path, "a.txt", text.encode("gb18030"), broken="salvage")
    assert found == rows
    assert broken == [(1, "line 1 begins a question without an answer", fault) for fault in faults]


def test_a_parquet_file_reads_as_its_rows_packed_or_not(tmp_path: Path) -> None:
    pl.DataFrame(ROWS).write_parquet(tmp_path / "a.parquet")
    rows, broken, _ = read_file(tmp_path / "a.parquet")
    assert rows == [(n, q, a, None) for n, q, a in zip((1, 2, 3), QUESTIONS, ANSWERS, strict=True)]
    assert broken == []
    packed = gzip.compress((tmp_path / "a.parquet").read_bytes())
    assert read_bytes(tmp_path, "b.parquet.gz", packed)[0] == rows


@pytest.mark.parametrize(
    ("columns", "layout", "row"),
    [
        ({"messages": [[{"role": "user", "content": "问"}, {"role": "assistant", "content": "答"}]]}, "chat",
         (1, "问", "答", None)),
        ({"question": [["甲", "乙"]], "answer": pl.Series([None], dtype=pl.String)}, "qa", (1, "甲\n乙", "", None)),
    ],
)  # fmt: skip
def test_nested_parquet_columns_are_chats_and_lists(
    tmp_path: Path, columns: dict[str, Any], layout: str, row: tuple[int, str, str, None]
) -> None:
    pl.DataFrame(columns).write_parquet(tmp_path / "a.parquet")
    assert read_file(tmp_path / "a.parquet", layout=layout)[0] == [row]


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


# --- Chunks


def test_frames_have_the_schema_and_say_where_each_row_was_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(json_lines(ROWS))
    (part,) = parts([source(path="*.jsonl", domain="western", name="huatuo")], tmp_path)
    (chunk,) = read(part)
    assert chunk.frame.schema == pl.Schema(SCHEMA)
    assert chunk.frame.row(0) == (
        "huatuo", "western", "a.jsonl", 1, "脉率正常是多少？\n成人，安静时", "每分钟60～100次。", None
    )  # fmt: skip
    assert chunk.broken == ()


def test_a_file_with_one_fault_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(OpenbookError) as caught:
        read_bytes(tmp_path, "a.jsonl", json_lines([*ROWS, {"instruction": "甲"}]))
    assert str(caught.value) == (
        "a.jsonl: row 4: key 'output' is missing; the row has instruction; "
        "fix it or the source's fields, or say broken: salvage there to take all other rows"
    )


def test_a_file_with_many_faults_tells_the_first_twenty_and_their_number(tmp_path: Path) -> None:
    with pytest.raises(OpenbookError) as caught:
        read_bytes(tmp_path, "a.jsonl", json_lines([{"instruction": "甲"}] * 1200))
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("a.jsonl: 1,200 faults, nothing was taken; ")
    assert lines[1] == "  row 1: key 'output' is missing; the row has instruction"
    assert lines[20].startswith("  row 20: ")
    assert lines[21:] == ["  and 1,180 more"]


def test_nothing_is_handed_on_from_where_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(json_lines(ROWS) + b"xx\n" + json_lines(ROWS * 20_000))
    (part,) = parts([source(path="*.jsonl")], tmp_path)
    chunks: list[Chunk] = []
    with pytest.raises(OpenbookError, match="row 4: line 4 is not JSON"):
        chunks.extend(read(part))
    assert chunks == []


def test_a_break_that_costs_no_row_is_refused_as_well(tmp_path: Path) -> None:
    with pytest.raises(OpenbookError, match=r"a\.json: line 1: after a row stands ,\], where \] is wanted; fix it"):
        read_bytes(tmp_path, "a.json", b'[{"instruction":"a","output":"b"},]')


@pytest.mark.parametrize(
    ("line", "fault", "text"),
    [
        (b"x" * 50_000, "line 1 is not JSON (unexpected character, expected a JSON value, at character 1)",
         "x" * 10_000),
        (b'{"else":' + b"[" * 900 + b"]" * 900 + b"}\n", "key 'instruction' is missing; the row has else",
         "(not shown: Recursion limit reached)"),
    ],
)  # fmt: skip
def test_a_broken_row_that_is_too_long_or_too_deep_to_show_is_cut(
    tmp_path: Path, line: bytes, fault: str, text: str
) -> None:
    assert read_bytes(tmp_path, "a.jsonl", line, broken="salvage")[1] == [(1, fault, text)]


@pytest.mark.parametrize(
    ("instruction", "given", "question"),
    [
        *(
            ("列出水果", no, "列出水果")
            for no in ("无输入", "没有输入。", "<noinput>", "No input.", "（无输入）", "N/A")
        ),
        ("为什么电脑显示无输入", "", "为什么电脑显示无输入"),
        ("翻译", "键盘无输入", "翻译\n键盘无输入"),
        ("\u3000甲 乙\n", "", "甲 乙"),
    ],
)
def test_an_input_that_says_there_is_none_and_white_space_around_texts_are_left_out(
    tmp_path: Path, instruction: str, given: str, question: str
) -> None:
    row = {"instruction": instruction, "input": given, "output": " No input from the keyboard "}
    rows, _, _ = read_bytes(tmp_path, "a.jsonl", json_lines([row]))
    assert rows == [(1, question, "No input from the keyboard", None)]


def test_a_large_file_comes_in_chunks_that_hold_every_row(tmp_path: Path) -> None:
    row = {"instruction": "甲", "output": "乙" * 100}
    (tmp_path / "a.jsonl").write_bytes(json_lines([row] * 100_000))
    (part,) = parts([source(path="*.jsonl")], tmp_path)
    frames = [chunk.frame for chunk in read(part)]
    assert len(frames) == 2
    assert pl.concat(frames)["row"].to_list() == list(range(1, 100_001))


def test_a_file_that_is_gone_meanwhile_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(LINES)
    (part,) = parts([source(path="*.jsonl")], tmp_path)
    (tmp_path / "a.jsonl").unlink()
    with pytest.raises(OpenbookError, match=r"a\.jsonl: cannot be read \(No such file or directory\)"):
        list(read(part))


# --- The samples of the project

# Rows that are read of each source, counted once by other means: lines, elements of the arrays, blocks of text.
SAMPLES = {
    "alpaca_zh_demo": 1000, "alpaca_zh": 20277, "huatuo_llama": 8658, "huatuo26m": 6000, "cmtmedqa": 1144,
    "toyhom_csv": 7644, "toyhom_text": 4048, "huangdi": 100, "tcmchat_cases": 500, "tcmchat_recommendations": 500,
    "mtcmb_exam_a": 1200, "mtcmb_exam_b": 4800, "mtcmb_safety_choice": 50, "mtcmb_safety_blanks": 50,
    "mtcmb_theory": 100, "mtcmb_diagnosis": 200, "mtcmb_formula": 200, "mtcmb_syndrome": 100,
    "mtcmb_prescription": 100, "mtcmb_dialogue": 100, "mtcmb_case_record": 100, "mtcmb_literature": 100,
}  # fmt: skip


@pytest.fixture(scope="module")
def spec() -> Spec:
    return read_spec(Path(data_prep.__file__).parent / "specs" / "samples.yml")


def test_every_file_of_the_samples_belongs_to_a_source(spec: Spec, real_exams: Path) -> None:
    data = real_exams.parent
    there = {file for domain in ("general", "tcm", "western") for file in (data / domain).rglob("*") if file.is_file()}
    assert len(there) == 28
    assert {source.name for source in spec.sources} == set(SAMPLES)
    assert {part.file for part in parts(spec.sources, data)} == there


def test_every_row_of_the_samples_is_read(spec: Spec, real_exams: Path) -> None:
    counts: dict[str, int] = {}
    breaks: list[str] = []
    for each in spec.sources:
        chunks = [chunk for part in parts([each], real_exams.parent) for chunk in read(part)]
        assert not [broken for chunk in chunks for broken in chunk.broken]
        breaks += [text for chunk in chunks for text in chunk.breaks]
        counts[each.name] = sum(chunk.frame.height for chunk in chunks)
        assert all(chunk.frame["question"].str.len_chars().min() for chunk in chunks), each.name
    assert counts == SAMPLES
    assert breaks == ["line 14006: after a row stands ,], where ] is wanted"]


# --- Lines of train.jsonl


def lines(*rows: tuple[str, str, str | None]) -> list[str]:
    frame = pl.DataFrame(rows, dict.fromkeys(("question", "answer", "turns"), pl.String), orient="row")
    found: list[str] = frame.select(train_line()).to_series().to_list()
    return found


def test_a_question_and_an_answer_are_two_messages_and_a_conversation_stands_as_it_was_read() -> None:
    turns = '[{"role":"user","content":"一"},{"role":"assistant","content":"二"},{"role":"user","content":"三"}]'
    assert lines(("头痛？", "多休息。", None), ("x", "y", turns)) == [
        '{"messages":[{"role":"user","content":"头痛？"},{"role":"assistant","content":"多休息。"}]}\n',
        f'{{"messages":{turns}}}\n',
    ]


@given(st.lists(st.tuples(ANY, ANY, st.none())))
@example([("".join(map(chr, range(128))), "\u2028\U0001f600", None)])
def test_any_text_is_written_as_orjson_writes_it(rows: list[tuple[str, str, None]]) -> None:
    pairs = [
        [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        for question, answer, _ in rows
    ]
    assert lines(*rows) == [f"{orjson.dumps({'messages': pair}).decode()}\n" for pair in pairs]
