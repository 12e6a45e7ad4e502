"""A JSON array: whole, and broken in every place that it can be."""

from itertools import chain
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.sources import json_array
from data_prep.sources.json_array import read_array
from tests.data_prep.sources.raw import ROWS, read_bytes

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(['},{"a":', '"', "\\", "]"])
ROW = st.dictionaries(st.sampled_from("abc"), TEXT | st.lists(st.fixed_dictionaries({"a": TEXT}), max_size=3))


def _read(data: bytes) -> tuple[list[Any], list[int], list[Any], list[str]]:
    batches = list(read_array(data))
    return (
        list(chain.from_iterable(batch.rows for batch in batches)),
        list(chain.from_iterable(batch.numbers for batch in batches)),
        list(chain.from_iterable(batch.faults for batch in batches)),
        list(chain.from_iterable(batch.breaks for batch in batches)),
    )


@given(rows=st.lists(ROW, max_size=8), indented=st.booleans(), piece=st.integers(1, 60))
def test_an_array_reads_the_same_in_pieces_of_any_size(
    rows: list[dict[str, object]], indented: bool, piece: int
) -> None:
    data = orjson.dumps(rows, option=orjson.OPT_INDENT_2 if indented else 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_array, "_PIECE", piece)
        assert _read(data) == (rows, list(range(1, len(rows) + 1)), [], [])


def test_elements_that_are_no_objects_are_broken_rows() -> None:
    rows, numbers, faults, breaks = _read(b'[5, {"a": 1}, "x", null]')
    assert (rows, numbers, breaks) == ([{"a": 1}], [2], [])
    assert [(fault.row, fault.reason, fault.text) for fault in faults] == [
        (1, "is a number, not an object", "5"),
        (3, "is a text, not an object", '"x"'),
        (4, "is null, not an object", "null"),
    ]


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
    end = data.rindex(b"{")
    for cut in range(end + 1, len(data) - 2):
        rows, _, faults, _ = _read(data[:cut])
        assert rows == ROWS[:2]
        assert [fault.row for fault in faults] == [3]
    assert _read(data[:-1])[0::3] == (ROWS, ["line 1: after a row stands nothing, where ] is wanted"])


@pytest.mark.parametrize(
    ("text", "numbers", "faults", "breaks"),
    [
        (b'[{"a":1},\n{"a":2},\n]', [1, 2], [], ["line 2: after a row stands ,], where ] is wanted"]),
        (b'[{"a":1}\n{"a":2}]', [1, 2], [], ["line 1: after a row stands nothing, where , is wanted"]),
        (b'[{"a":1}]\n[{"a":2}]', [1, 2], [], ["line 1: after a row stands ][, where , is wanted"]),
        (b'{"a":1}\n{"a":2}]', [1, 2], [], ["line 1: the array does not begin with [",
                                            "line 1: after a row stands nothing, where , is wanted"]),
        (b'[{"a":1},\n"a":2},\n{"a":3}]', [1, 3], [(2, "line 2 holds the remains of a row", '"a":2}')], []),
        (b'[{"a":1},\n{"a" 2},\n{"a":3}]', [1, 3],
         [(2, "line 2 begins a row that is not JSON (Expecting ':' delimiter, at line 2)", '{"a" 2}')], []),
        (b'[{"a":1},\n{"a":"\n"},\n{"a":3}]', [1, 3],
         [(2, "line 2 begins a row that is not JSON (Invalid control character at, at line 2)", '{"a":"\n"}')], []),
        (b'[{"a":NaN},{"a":3}]', [2],
         [(1, "line 1 begins a row that is not JSON (unexpected character, expected a JSON value, at character 6)",
           '{"a":NaN}')], []),
    ],
)  # fmt: skip
def test_broken_places_are_told_with_their_lines(
    text: bytes, numbers: list[int], faults: list[tuple[int, str, str]], breaks: list[str]
) -> None:
    _, found, broken, told = _read(text)
    assert (found, [(fault.row, fault.reason, fault.text) for fault in broken], told) == (numbers, faults, breaks)


def test_objects_inside_a_broken_row_are_not_taken_for_rows() -> None:
    inner = '{"from": "human", "value": "a"}'
    text = f'[{{"turns": [{inner}]}}, {{"turns": [{inner}, {inner} "id": 1}}, {{"turns": [{inner}]}}]'
    _, numbers, faults, _ = _read(text.encode())
    assert (numbers, [fault.row for fault in faults]) == ([1, 3], [2])


def test_a_row_nested_too_deeply_is_broken_and_the_next_is_read() -> None:
    deep = b'{"a":' * 5000 + b"1" + b"}" * 5000
    rows, numbers, faults, _ = _read(b'[{"b":1},' + deep + b',{"b":2}]')
    assert (rows, numbers, [fault.row for fault in faults]) == ([{"b": 1}, {"b": 2}], [1, 3], [2])
    assert faults[0].reason == "line 1 begins a row that is nested too deeply"


def test_breaks_that_cost_no_row_reach_the_reader_of_the_part(tmp_path: Path) -> None:
    data = orjson.dumps(ROWS)[:-1] + b",\n]"
    rows, broken, breaks = read_bytes(tmp_path, "a.json", data, broken="salvage")
    assert (len(rows), broken, breaks) == (3, [], ["line 1: after a row stands ,], where ] is wanted"])
