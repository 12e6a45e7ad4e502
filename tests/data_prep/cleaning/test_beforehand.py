"""The cheap test that comes before a filter never hides a row that the filter would drop."""

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.cleaning import characters, personal, repetition
from data_prep.cleaning.suspects import matches
from data_prep.signs import Signs
from tests.data_prep.cleaning.judged import applies, rows

DAMAGE = [
    "锛",
    "紝",
    "銆",
    "鐨",
    "鈥",
    "锟斤拷",
    "烫烫烫",
    "屯屯屯",
    "Ã©",
    "â€œ",
    "ï¼Œ",
    "ä¸­æ–‡",
    "ÄãºÃÂð",
    "\ufffd",
    "\x07",
]
TRACES = [
    "13812345678",
    "138 1234 5678",
    "6222 0210 0111 6245 702",
    "a@b.cn",
    "微信：abc1234",
    "QQ：12345678",
    "vx号abcdef",
]
PLAIN = st.text(st.sampled_from("头痛发热，。1a °·é"), max_size=6)


def mixed(pieces: list[str]) -> st.SearchStrategy[str]:
    return st.lists(PLAIN | st.sampled_from(pieces), max_size=5).map("".join)


@given(mixed(DAMAGE), mixed(DAMAGE))
def test_broken_characters(question: str, answer: str) -> None:
    found = rows((question, answer)).select(matches(characters._FOUND)).item()
    assert applies("broken_characters", question, answer) == found


@given(mixed(TRACES), mixed(TRACES))
def test_personal(question: str, answer: str) -> None:
    assert applies("personal", question, answer) == (
        personal._names_someone(question) or personal._names_someone(answer)
    )


@settings(max_examples=200)
@given(st.text(st.sampled_from("真的会好起来。"), min_size=1, max_size=9), st.integers(1, 30), PLAIN, PLAIN)
def test_repeated(piece: str, times: int, before: str, after: str) -> None:
    text = before + piece * times + after
    frame = rows(("怎么办？", text))
    looped = frame.select(
        pl.any_horizontal(*(repetition._stands_often(pl.col("answer"), s) for s in (0.4, 0.6)))
    ).item()
    assert not looped or repetition.pairs_return(Signs.of(frame)).item()
