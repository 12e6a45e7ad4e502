"""Files of every format and encoding are read whole, salvaged or refused, and every row is counted."""

import csv
import gzip
import io
from collections.abc import Callable
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
from data_prep.formats import UTF8, Fault, Foreign, as_utf8, read_array, read_separated
from data_prep.outputs import MESSAGES
from data_prep.read import SCHEMA, Chunk, parts, read
from data_prep.spec import Spec, read_spec
from openbook_eval.errors import OpenbookError
from tests.data_prep.files import ANSWERS, QUESTIONS, ROWS, json_lines, read_bytes, source
from tests.data_prep.workbook import write_workbook

LINES = json_lines(ROWS)
GOOD = json_lines(ROWS[1:2]).strip()
ARRAY = orjson.dumps(ROWS)
WHOLE = [(n, q, a, None) for n, q, a in zip((1, 2, 3), QUESTIONS, ANSWERS, strict=True)]
ANY = st.text(st.characters(exclude_categories=["Cs"]))
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(['},{"a":', '"', "\\", "]"])
CELL = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(['"', "\n", "\r", ",", "\t"])


# --- Which files a source has


@pytest.mark.parametrize(
    ("path", "root", "labels"),
    [
        ("b/**/*.jsonl", "", ["b/1.jsonl", "b/2.jsonl", "b/c/3.jsonl"]),
        # A name with signs of a glob is a file where there is one.
        ("a[1].jsonl", "", ["a[1].jsonl"]),
        ("*.jsonl", "d[1]", ["e.jsonl"]),
        ("{folder}/b/*.jsonl", "d[1]", ["{folder}/b/1.jsonl", "{folder}/b/2.jsonl"]),
    ],
)
def test_files_come_by_name_and_are_called_by_their_place_in_the_data_folder_or_in_full(
    tmp_path: Path, path: str, root: str, labels: list[str]
) -> None:
    for name in ("b/2.jsonl", "b/1.jsonl", "b/c/3.jsonl", "a[1].jsonl", "d[1]/e.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(LINES)
    found = parts([source(path=path.format(folder=tmp_path))], tmp_path / root)
    expected = [label.format(folder=tmp_path) for label in labels]
    assert [(part.label, part.file, part.size) for part in found] == [
        (name, tmp_path / root / name, len(LINES)) for name in expected
    ]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no*.json", "no such file: "),
        ("folder", "is a folder; name its files"),
        ("", "is a folder; name its files"),
        ("empty.json", "empty.json: is empty"),
        ("odd.dat", "odd.dat: its name tells no format"),
    ],
)
def test_what_cannot_be_read_is_an_error_that_names_the_source(tmp_path: Path, path: str, message: str) -> None:
    (tmp_path / "folder").mkdir()
    for name, data in {"empty.json": b"", "odd.dat": b"x"}.items():
        (tmp_path / name).write_bytes(data)
    assert len(parts([source(path="odd.dat", format="csv")], tmp_path)) == 1
    with pytest.raises(OpenbookError, match=r"^source some: ") as caught:
        parts([source(path=path)], tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(OpenbookError, match=r"^2 sources cannot be read:\n  source one: .*\n  source two: "):
        parts([source(name="one", path=path), source(name="two", path=path)], tmp_path)


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.txt"])
@pytest.mark.parametrize("data", [LINES, ARRAY, orjson.dumps(ROWS, option=orjson.OPT_INDENT_2)])
def test_lines_and_arrays_are_told_by_what_they_begin_with(tmp_path: Path, name: str, data: bytes) -> None:
    declared = {"format": "json"} if name == "a.txt" else {}
    assert read_bytes(tmp_path, name, data, **declared) == (WHOLE, [])


# --- Bytes


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize(("name", "data"), [("a.jsonl", LINES), ("a.json", ARRAY)])
def test_every_encoding_reads_the_same(tmp_path: Path, encoding: str, name: str, data: bytes) -> None:
    assert read_bytes(tmp_path, name, data.decode().encode(encoding)) == (WHOLE, [])


def test_gb18030_after_a_block_of_ascii_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "BYTES", 300)
    ascii_ = json_lines([{"instruction": "a", "output": "b"}] * 30)
    rows, faults = read_bytes(tmp_path, "a.jsonl", ascii_ + LINES.decode().encode("gb18030"))
    assert [row[1:] for row in rows[30:]] == [row[1:] for row in WHOLE]
    assert (len(rows), faults) == (33, [])


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
@pytest.mark.parametrize("name", ["a.jsonl.gz", "b.jsonl.zst", "c.jsonl"])
def test_packed_files_are_read_to_the_end_whatever_they_are_called(
    tmp_path: Path, pack: Callable[[bytes], bytes], name: str
) -> None:
    assert read_bytes(tmp_path, name, pack(LINES)) == (WHOLE, [])
    assert [row[1] for row in read_bytes(tmp_path, name, pack(LINES) * 2)[0]] == QUESTIONS * 2
    with pytest.raises(OpenbookError, match="cannot be unpacked") as caught:
        read_bytes(tmp_path, name, pack(LINES * 100)[:-9])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "data", "rows", "fault"),
    [
        ("a.jsonl", LINES.replace("阴阳".encode(), b"\xe9\x98"), [1, 3], (2, "is neither UTF-8 nor gb18030")),
        ("a.json", ARRAY.replace("阴阳".encode(), b"\xe9\x98"), [1, 3], (2, "is neither UTF-8 nor gb18030")),
        ("a.csv", "question,answer\n甲,乙\n".encode() + b"\xff\xfe,x\n" + "戊,己\n".encode(), [1, 3],
         (2, "(line 3) is no row (neither UTF-8 nor gb18030)")),
        ("a.txt", "甲？\n乙。\n\n丙？\n丁。\n\n".encode() + b"\xff?\nx\n", [1, 2], (3, "is neither UTF-8 nor gb18030")),
    ],
)  # fmt: skip
def test_bytes_that_are_no_text_cost_their_row_only(
    tmp_path: Path, name: str, data: bytes, rows: list[int], fault: tuple[int, str]
) -> None:
    found, faults = read_bytes(tmp_path, name, data, layout="qa" if name == "a.csv" else "alpaca")
    assert [row[0] for row in found] == rows
    assert [row[:2] for row in faults] == [fault]


def test_neither_damaged_utf8_nor_big5_is_taken_for_gb18030() -> None:
    damaged = "你好\n你好\n".encode() + "好".encode()[:-1]
    assert damaged.decode("gb18030") == "浣犲ソ\n浣犲ソ\n濂"
    big5 = "感冒是由病毒引起的疾病，請多休息。".encode("big5")
    assert [as_utf8(data) for data in (damaged, big5)] == [(damaged, UTF8), (big5, UTF8)]
    cut = "感冒是由病毒引起".encode()[:-1]
    assert as_utf8(cut + b"\n" + "多休息".encode("gb18030")) == (cut + "\n多休息".encode(), Foreign(1, 2))
    lines = ["你好吗".encode("gb18030")] * 3
    assert as_utf8(b"\n".join([*lines, b"\xff\xff"])) == ("你好吗\n".encode() * 3 + b"\xff\xff", Foreign(3, 1))


def test_lines_of_two_encodings_are_each_read_as_what_they_are() -> None:
    utf8, foreign = ["发热三天", "多饮水。", "Füße"], "咳嗽两周"
    data = b"\n".join([*(line.encode() for line in utf8), foreign.encode("gb18030"), b"ascii"])
    assert as_utf8(data, first=10) == ("\n".join([*utf8, foreign, "ascii"]).encode(), Foreign(1, 13))
    by_chance = "楼路"
    assert by_chance.encode("gb18030").decode() == "¥·"
    data = b"\n".join(line.encode("gb18030") for line in (foreign, foreign, by_chance))
    assert as_utf8(data) == (f"{foreign}\n{foreign}\n{by_chance}".encode(), Foreign(3, 1))


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_a_few_foreign_lines_after_a_megabyte_are_read_and_counted(tmp_path: Path, name: str) -> None:
    rows = [{"instruction": f"问题{number}", "output": "回答。" * 30} for number in range(6000)]
    lines = [orjson.dumps(row) for row in rows]
    lines[5990] = lines[5990].decode().encode("gb18030")
    data = b"\n".join(lines) if name == "a.jsonl" else b"[" + b",\n".join(lines) + b"]"
    (tmp_path / name).write_bytes(data)
    (part,) = parts([source(path=name)], tmp_path)
    chunks = list(read(part))
    assert sum(chunk.frame.height for chunk in chunks) == 6000
    assert pl.concat(chunk.frame for chunk in chunks)["question"][5990] == "问题5990"
    assert [chunk.foreign for chunk in chunks if chunk.foreign.lines] == [Foreign(1, 5991)]


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
    rows, faults = read_bytes(tmp_path, "a.jsonl", GOOD + b"\n" + line + b"\n" + GOOD)
    assert ([row[0] for row in rows], faults) == ([1, 3], [(2, f"is {reason}", line.decode())])


def test_blank_lines_are_no_rows_and_rows_are_numbered_by_their_lines(tmp_path: Path) -> None:
    rows, faults = read_bytes(tmp_path, "a.jsonl", b"\n" + GOOD + b"\r\n  \r\n" + GOOD + b"\n\n")
    assert ([row[0] for row in rows], faults) == ([2, 4], [])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(ANY, ANY), min_size=1, max_size=6), block=st.integers(1, 40), last=st.booleans())
def test_lines_read_the_same_in_blocks_of_any_size(
    tmp_path: Path, rows: list[tuple[str, str]], block: int, last: bool
) -> None:
    data = json_lines([{"instruction": question, "output": answer} for question, answer in rows])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formats, "BYTES", block)
        found, faults = read_bytes(tmp_path, "a.jsonl", data if last else data[:-1])
    frame = pl.DataFrame(rows, {"q": pl.String, "a": pl.String}, orient="row").select(pl.all().str.strip_chars())
    assert [(question, answer) for _, question, answer, _ in found] == frame.rows()
    assert ([row[0] for row in found], faults) == (list(range(1, len(rows) + 1)), [])


# --- JSON arrays


def _array(data: bytes) -> tuple[list[Any], list[int], list[Fault]]:
    items = list(read_array(data))
    rows = [item for item in items if not isinstance(item, Fault)]
    return [row for _, row in rows], [number for number, _ in rows], [each for each in items if isinstance(each, Fault)]


@given(st.lists(st.fixed_dictionaries({"a": TEXT, "b": TEXT}), min_size=1, max_size=8), st.booleans())
def test_a_broken_array_of_whole_rows_loses_none(rows: list[dict[str, str]], indented: bool) -> None:
    data = orjson.dumps(rows, option=orjson.OPT_INDENT_2 if indented else 0)
    for broken in (data[:-1] + b",]", data[:-1], data[1:]):
        found, numbers, (fault,) = _array(broken)
        assert (found, numbers, fault.row) == (rows, list(range(1, len(rows) + 1)), 0)
    assert _array(data) == (rows, list(range(1, len(rows) + 1)), [])


@pytest.mark.parametrize("option", [0, orjson.OPT_INDENT_2])
def test_whatever_byte_is_lost_rows_before_and_after_are_read(option: int) -> None:
    data = orjson.dumps(ROWS, option=option)
    first, last = data.index(b"{", data.index(b"{") + 1), data.rindex(b"{")
    for place in range(first, last):
        rows, numbers, faults = _array(data[:place] + data[place + 1 :])
        assert rows[-1] == ROWS[2], place
        assert sorted([*numbers, *(fault.row for fault in faults if fault.row)]) == [1, 2, 3], place
        assert rows[0] == ROWS[0], place
    for cut in range(last + 1, len(data) - 2):
        rows, _, faults = _array(data[:cut])
        assert (rows, [fault.row for fault in faults]) == (ROWS[:2], [3])


@pytest.mark.parametrize(
    ("text", "numbers", "faults"),
    [
        (b'[5, {"a":1}, "x"]', [2], [(1, "is a number, not an object", "5"), (3, "is a text, not an object", '"x"')]),
        (b'[{"a":1},\n{"a":2},\n]', [1, 2],
         [(0, "is no array of JSON (trailing comma is not allowed, at line 2)", "")]),
        (b'[{"a":1},\n{"a" 2},\n{"a":3}]', [1, 3],
         [(2, "is not JSON (unexpected character, expected ':' after key, at character 6)", '{"a" 2}')]),
        # Objects inside a broken row are not taken for rows.
        (b'[{"a":1},{"a":[{"c":1},{"c":2} "id":1},{"a":3}]', [1, 3],
         [(2, "is not JSON (unexpected character, expected ',' or ']', at character 23)",
           '{"a":[{"c":1},{"c":2} "id":1}')]),
        (b'[{"a":NaN},{"a":3}]', [2],
         [(1, "is not JSON (unexpected character, expected a JSON value, at character 6)", '{"a":NaN}')]),
        (b'[{"b":1},' + b'{"a":' * 5000 + b"1" + b"}" * 5000, [1], None),
    ],
)  # fmt: skip
def test_broken_rows_of_an_array_are_reported(
    text: bytes, numbers: list[int], faults: list[tuple[int, str, str]] | None
) -> None:
    _, found, broken = _array(text)
    assert found == numbers
    assert faults is None or [tuple(fault) for fault in broken] == faults


# --- CSV, plain text, Excel and parquet


@given(rows=st.lists(st.tuples(CELL, CELL), max_size=6), separator=st.sampled_from(",\t"))
def test_a_table_that_was_written_is_read(rows: list[tuple[str, str]], separator: str) -> None:
    stream = io.StringIO()
    csv.writer(stream, delimiter=separator).writerows([("q", "a"), *rows])
    items = list(read_separated(stream.getvalue().encode(), separator, "f"))
    assert items == [(number, {"q": one, "a": other}) for number, (one, other) in enumerate(rows, 1)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("甲", "1 cells, the header has 2"),
        ("甲,乙,丙", "3 cells, the header has 2"),
        ('甲,"乙', "',' expected after '\"'"),
        ('甲,"乙"丙', "',' expected after '\"'"),
        ("甲," + "乙" * 131_073, "field larger than field limit (131072)"),
    ],
)
def test_a_line_of_a_table_that_is_no_row_is_broken(tmp_path: Path, line: str, reason: str) -> None:
    data = f'question,answer\n子,丑\n{line}\n寅,"卯"\n'.encode()
    rows, faults = read_bytes(tmp_path, "a.csv", data, layout="qa")
    assert rows == [(1, "子", "丑", None), (3, "寅", "卯", None)]
    assert faults == [(2, f"(line 3) is no row ({reason})", line[:10_000])]


def test_a_quotation_mark_that_is_never_closed_and_blank_lines_take_no_row_with_them(tmp_path: Path) -> None:
    data = 'question\tanswer\n\n甲\t"乙\n\n丙\t丁\n\n'.encode()
    rows, faults = read_bytes(tmp_path, "a.tsv", data, layout="qa")
    assert rows == [(2, "丙", "丁", None)]
    assert faults == [(1, "(line 3) is no row (unexpected end of data)", '甲\t"乙')]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\n\n", "a.csv: has no header: the first line is blank"),
        (b'"a,b\n', "a.csv: has no header: the first line is no row"),
        (b"a,b, a\n1,2,3\n", "a.csv: the header has column 'a' twice"),
    ],
)
def test_a_header_that_cannot_be_used_is_an_error(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(OpenbookError, match=message):
        read_bytes(tmp_path, "a.csv", data)


@pytest.mark.parametrize(
    ("text", "rows", "faults"),
    [
        ("\n甲？\n乙。\n\n\n丙？\r\n丁。\r\n戊。\r\n \r\n己？\n庚。",
         [(1, "甲？", "乙。", None), (2, "丙？", "丁。\n戊。", None), (3, "己？", "庚。", None)], []),
        ("问：甲？\n补充。\n答：乙。\n\n丙。\nQ: 丁？\nA: 戊。\n",
         [(1, "甲？\n补充。", "乙。\n\n丙。", None), (2, "丁？", "戊。", None)], []),
        ("甲？\n\n乙？\n丙。\n", [(2, "乙？", "丙。", None)], ["甲？"]),
        ("问：甲？\n问：乙？\n答：丙。", [(2, "乙？", "丙。", None)], ["甲？"]),
    ],
)  # fmt: skip
def test_blank_lines_or_marks_begin_the_rows_of_a_text(
    tmp_path: Path, text: str, rows: list[tuple[int, str, str, None]], faults: list[str]
) -> None:
    found, broken = read_bytes(tmp_path, "a.txt", text.encode("gb18030"))
    assert found == rows
    assert broken == [(1, "is a question without an answer", fault) for fault in faults]


def _parquet(frame: pl.DataFrame) -> bytes:
    stream = io.BytesIO()
    frame.write_parquet(stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("columns", "layout", "found"),
    [
        (pl.DataFrame(ROWS).to_dict(), "alpaca", WHOLE),
        ({"messages": [[{"role": "user", "content": "问"}, {"role": "assistant", "content": "答"}]]}, "chat",
         [(1, "问", "答", None)]),
        ({"question": [["甲", "乙"]], "answer": pl.Series([None], dtype=pl.String)}, "qa", [(1, "甲\n乙", "", None)]),
    ],
)  # fmt: skip
def test_columns_of_parquet_are_texts_lists_and_chats_packed_or_not(
    tmp_path: Path, columns: dict[str, Any], layout: str, found: list[tuple[int, str, str, None]]
) -> None:
    data = _parquet(pl.DataFrame(columns))
    assert read_bytes(tmp_path, "a.parquet", data, layout=layout) == (found, [])
    assert read_bytes(tmp_path, "b.parquet.gz", gzip.compress(data), layout=layout) == (found, [])


def test_a_sheet_reads_as_text_empty_rows_are_none_and_a_second_sheet_with_rows_is_an_error(tmp_path: Path) -> None:
    cells: list[list[object]] = [["question", "answer"], ["心率多少？", 72], [None, None], ["甲", None]]
    one, two = (write_workbook({"Sheet1": cells, "Sheet2": more}) for more in ([], cells))
    rows, faults = read_bytes(tmp_path, "a.xlsx", one, layout="qa")
    assert (rows, faults) == ([(1, "心率多少？", "72", None), (3, "甲", "", None)], [])
    with pytest.raises(OpenbookError, match=r"a\.xlsx: rows stand in 2 sheets \(Sheet1, Sheet2\); keep one sheet"):
        read_bytes(tmp_path, "a.xlsx", two, layout="qa")


@pytest.mark.parametrize(("name", "data"), [("a.xlsx", b"PK\x03\x04xx"), ("a.parquet", b"PAR1xx"), ("b.xlsx", b"xx")])
def test_a_file_that_is_no_table_is_an_error_of_one_line(tmp_path: Path, name: str, data: bytes) -> None:
    with pytest.raises(OpenbookError, match=f"{name}: not a readable ") as caught:
        read_bytes(tmp_path, name, data)
    assert "\n" not in str(caught.value)


# --- Chunks


def test_frames_have_the_schema_and_a_large_file_comes_in_several(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(LINES + json_lines([{"instruction": "甲", "output": "乙" * 100}] * 100_000))
    (part,) = parts([source(path="*.jsonl", domain="western", name="huatuo")], tmp_path)
    frames = [chunk.frame for chunk in read(part)]
    assert len(frames) == 2
    assert frames[0].schema == pl.Schema(SCHEMA)
    assert frames[0].row(0) == ("huatuo", "western", "a.jsonl", *WHOLE[0])
    assert pl.concat(frames)["row"].to_list() == list(range(1, 100_004))


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (json_lines([*ROWS, {"instruction": "甲"}]),
         ["a.jsonl: row 4: key 'output' is missing; the row has instruction; fix it or the source's fields, or say "
          "broken: salvage there to take all other rows"]),
        (b'[{"instruction":"a","output":"b"},]',
         ["a.jsonl: is no array of JSON (trailing comma is not allowed, at line 1); fix it or the "
          "source's fields, or say broken: salvage there to take all other rows"]),
        (json_lines([{"instruction": "甲"}] * 1200),
         ["a.jsonl: 1,200 rows (1, 2, 3 and 1,197 more): key 'output' is missing; the row has instruction; fix it or "
          "the source's fields, or say broken: salvage there to take all other rows"]),
        (json_lines([{f"x{n}": "甲"} for n in (*range(30), 0)]),
         ["a.jsonl: 31 faults, nothing was taken; fix it or the source's fields, or say broken: salvage there to "
          "take all other rows:",
          "  2 rows (1, 31): key 'instruction' is missing; the row has x0",
          *(f"  row {n + 1}: key 'instruction' is missing; the row has x{n}" for n in range(1, 20)),
          "  and 10 other faults"]),
    ],
)  # fmt: skip
def test_a_file_with_faults_is_refused_with_twenty_of_them_each_once(
    tmp_path: Path, data: bytes, lines: list[str]
) -> None:
    with pytest.raises(OpenbookError) as caught:
        read_bytes(tmp_path, "a.jsonl", data, broken="refuse")
    assert str(caught.value).splitlines() == lines


def test_nothing_is_handed_on_from_where_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(json_lines(ROWS) + b"xx\n" + json_lines(ROWS * 20_000))
    (part,) = parts([source(path="*.jsonl")], tmp_path)
    chunks: list[Chunk] = []
    with pytest.raises(OpenbookError, match="row 4: is not JSON"):
        chunks.extend(read(part))
    assert chunks == []
    part.file.unlink()
    with pytest.raises(OpenbookError, match=r"a\.jsonl: cannot be read \(No such file or directory\)"):
        list(read(part))


@pytest.mark.parametrize(
    ("line", "fault", "text"),
    [
        (b"x" * 50_000, "is not JSON (unexpected character, expected a JSON value, at character 1)", "x" * 10_000),
        (b'{"else":' + b"[" * 900 + b"]" * 900 + b"}\n", "key 'instruction' is missing; the row has else",
         "(not shown: Recursion limit reached)"),
    ],
)  # fmt: skip
def test_a_broken_row_that_is_too_long_or_too_deep_to_show_is_cut(
    tmp_path: Path, line: bytes, fault: str, text: str
) -> None:
    assert read_bytes(tmp_path, "a.jsonl", line)[1] == [(1, fault, text)]


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
    assert read_bytes(tmp_path, "a.jsonl", json_lines([row]))[0] == [(1, question, "No input from the keyboard", None)]


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


def test_every_row_of_every_file_of_the_samples_is_read(spec: Spec, real_exams: Path) -> None:
    data = real_exams.parent
    there = {file for domain in ("general", "tcm", "western") for file in (data / domain).rglob("*") if file.is_file()}
    found = parts(spec.sources, data)
    assert len(there) == 28
    assert {part.file for part in found} == there
    chunks = [(part, chunk) for part in found for chunk in read(part)]
    counts = dict.fromkeys(SAMPLES, 0)
    for part, chunk in chunks:
        counts[part.source.name] += chunk.frame.height
        assert chunk.frame["question"].str.len_chars().min(), part.label
    assert counts == SAMPLES
    faults = [fault for _, chunk in chunks for fault in chunk.faults]
    assert [tuple(fault) for fault in faults] == [
        (0, "is no array of JSON (trailing comma is not allowed, at line 14006)", "")
    ]


# --- Lines of train.jsonl


def lines(*rows: tuple[str, str, str | None]) -> list[str]:
    frame = pl.DataFrame(rows, dict.fromkeys(("question", "answer", "turns"), pl.String), orient="row")
    return [line.decode() for line in MESSAGES.lines(frame)]


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
