"""Many rows written at once are the lines that `data_prep.rows.line` writes one by one."""

import orjson
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from data_prep.building.lines import Lines
from data_prep.rows import line

_TEXT = st.text(st.characters(codec="utf-8")) | st.text('中"\\\n\t\r/')
_TURNS = st.none() | st.lists(st.fixed_dictionaries({"role": _TEXT, "content": _TEXT})).map(
    lambda turns: orjson.dumps(turns).decode()
)


def _frame(rows: list[tuple[str, str, str | None]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"question": pl.String, "answer": pl.String, "turns": pl.String}, orient="row")


@given(st.lists(st.tuples(_TEXT, _TEXT, _TURNS)))
def test_a_frame_gives_the_line_of_every_row_whatever_its_text(rows: list[tuple[str, str, str | None]]) -> None:
    written = Lines.of(_frame(rows))
    assert written.each() == [line(*row) for row in rows]
    assert written.text == b"".join(written.each())
    assert written.lengths.tolist() == [len(each) for each in written.each()]


def test_quotes_backslashes_breaks_and_control_characters_are_escaped() -> None:
    (written,) = Lines.of(_frame([('说"好"', "一\\二\n三\t四\r\x00\x1f\x7f", None)])).each()
    assert orjson.loads(written)["messages"][1]["content"] == "一\\二\n三\t四\r\x00\x1f\x7f"
    assert b'"\\u0000\\u001f' not in written
    assert written.count(b"\n") == 1


def test_a_conversation_is_written_as_it_stands() -> None:
    turns = '[{"role":"user","content":"一"},{"role":"assistant","content":"二"}]'
    assert Lines.of(_frame([("一", "二", turns)])).each() == [b'{"messages":' + turns.encode() + b"}\n"]
