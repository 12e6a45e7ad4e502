"""Every row is kept, or dropped for the first reason that applies."""

from pathlib import Path

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.cleaning import REASONS, judge
from data_prep.cleaning.judging import FILTERS
from data_prep.spec import Cleaning, read_spec
from openbook_eval.errors import OpenbookError
from tests.data_prep.cleaning.judged import ANSWER, QUESTION, reason, rows

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
# One after another, each row has the fault of its reason and of those that follow.
FAULTY = {
    "empty": ("", "<br>\ufffd"),
    "too_short": ("?", "<br>\ufffd"),
    "too_long": ("who?", "<br>\ufffd a@b.cn, " * 400),
    "not_chinese": ("who?", "<br>\ufffd a@b.cn, " * 9),
    "markup": (QUESTION, "<br>\ufffd a@b.cn" + "真的会好起来的。" * 9),
    "repeated": (QUESTION, "\ufffd a@b.cn" + "真的会好起来的。" * 9),
    "broken_characters": (QUESTION, "请写信给\ufffd a@b.cn"),
    "personal": (QUESTION, "请写信给 a@b.cn"),
}


def test_the_filters_are_the_reasons_in_their_order() -> None:
    assert tuple(FILTERS) == REASONS == tuple(FAULTY)


@pytest.mark.parametrize("expected", REASONS)
def test_the_first_reason_that_applies_is_told(expected: str) -> None:
    assert reason(*FAULTY[expected]) == expected


@pytest.mark.parametrize("kept", REASONS[2:])
def test_a_reason_that_is_kept_makes_room_for_the_next(kept: str) -> None:
    following = (*REASONS[REASONS.index(kept) + 1 :], None)[0]
    assert reason(*FAULTY[kept], keep=[kept]) == following


def test_a_sound_row_is_kept() -> None:
    assert reason(QUESTION, ANSWER) is None


def test_a_verdict_stands_at_the_place_of_its_row() -> None:
    frame = rows((QUESTION, ANSWER), *FAULTY.values(), (QUESTION, ANSWER))
    assert judge(frame, Cleaning()).to_list() == [None, *REASONS, None]


def test_with_all_reasons_kept_every_row_stays() -> None:
    assert judge(rows(*FAULTY.values()), Cleaning(keep=list(REASONS))).to_list() == [None] * len(FAULTY)


@pytest.mark.parametrize("keep", [[], list(REASONS)])
def test_no_rows_have_no_verdicts(keep: list[str]) -> None:
    verdicts = judge(rows(), Cleaning(keep=keep))
    assert len(verdicts) == 0
    assert verdicts.dtype == pl.String


def test_a_missing_text_is_an_empty_one() -> None:
    assert judge(rows((None, ANSWER), (QUESTION, None)), Cleaning()).to_list() == ["empty", "empty"]


def test_an_unknown_reason_to_keep_is_told_with_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "spec.yml"
    source = {"name": "a", "domain": "tcm", "licence": "MIT", "path": "a.json"}
    content = {"sources": [source], "mixes": {"m": {"size": 1, "ratio": {"tcm": 1}}}, "clean": {"keep": ["to_short"]}}
    path.write_bytes(orjson.dumps(content))
    with pytest.raises(OpenbookError) as caught:
        read_spec(path)
    expected = "clean.keep: 'to_short' is no reason to drop a row; did you mean 'too_short'?"
    assert str(caught.value) == f"{path}: {expected}"


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=5))
def test_any_texts_are_judged(texts: list[tuple[str, str]]) -> None:
    verdicts = judge(rows(*texts), Cleaning())
    assert len(verdicts) == len(texts)
    assert set(verdicts) <= {None, *REASONS}


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=5), st.permutations(range(5)))
def test_a_verdict_does_not_depend_on_other_rows(texts: list[tuple[str, str]], order: list[int]) -> None:
    shuffled = [texts[place] for place in order if place < len(texts)]
    alone = [judge(rows(pair), Cleaning()).item() for pair in shuffled]
    assert judge(rows(*shuffled), Cleaning()).to_list() == alone


def test_real_rows_are_dropped_for_the_reasons_that_were_read_by_eye(real_exams: Path) -> None:
    items = orjson.loads((real_exams.parent / "general" / "alpaca_zh_demo.json").read_bytes())
    texts = [("\n".join(filter(None, (item["instruction"], item["input"]))), item["output"]) for item in items]
    found = judge(rows(*texts), Cleaning(min_answer=1)).drop_nulls().value_counts().rows()
    assert dict(found) == {"not_chinese": 2}
