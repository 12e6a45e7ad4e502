"""Near-duplicates: what stands for what, compared with the exact answer."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.duplicates import keys as keys_of
from data_prep.duplicates import near
from data_prep.duplicates.shingles import Places, shingles
from tests.data_prep.duplicates.copies import changed, keys, texts


def jaccard(some: Sequence[str], first: Places, second: Places) -> list[float]:
    return [float(number) for number in shingles(some).jaccard(first, second)]


def test_of_alike_texts_the_one_with_the_lowest_key_stands_for_the_others() -> None:
    first, other = texts(2)
    found = near([first, other, changed(first, 60)], np.array([9, 5, 3], dtype=np.uint64), 0.8)
    assert found.tolist() == [2, 1, 2]


def test_what_is_less_alike_than_the_threshold_stays() -> None:
    (text,) = texts(1)
    # Four changes leave 96 of 116 shingles, and there are 136 in all.
    both = [text, changed(text, 10, 40, 70, 100)]
    assert jaccard(both, np.array([0]), np.array([1])) == [96 / 136]
    assert near(both, keys(2), 96 / 136 + 1e-9).tolist() == [0, 1]
    assert len(set(near(both, keys(2), 96 / 136).tolist())) == 1


def test_a_text_goes_only_for_one_that_stays_and_that_it_is_like() -> None:
    (text,) = texts(1)
    # Neighbours are alike, the ends of the chain are not.
    chain = [text, changed(text, 10, 30), changed(text, 10, 30, 50, 70)]
    assert jaccard(chain, np.array([0, 1, 0]), np.array([1, 2, 2])) == [106 / 126, 106 / 126, 96 / 136]
    assert near(chain, np.array([0, 1, 2], dtype=np.uint64), 0.8).tolist() == [0, 0, 2]
    assert near(chain, np.array([1, 0, 2], dtype=np.uint64), 0.8).tolist() == [1, 1, 1]


def test_the_same_question_with_another_answer_is_another_row() -> None:
    (question,) = texts(1)
    answers = ["答案：A", "答案：C", "答案： Ａ。"]
    rows = [f"{question}\n{answer}" for answer in answers]
    own = np.arange(3, dtype=np.uint64)
    assert near(rows, own, 0.8).tolist() == [0, 0, 0]
    assert near(rows, own, 0.8, answers).tolist() == [0, 1, 0]


def test_signs_and_white_space_do_not_matter() -> None:
    assert len(set(near(["发热，怎么办？多喝水。", "发热 怎么办?多喝水"], keys(2), 1.0).tolist())) == 1


def test_texts_shorter_than_a_shingle_are_alike_only_if_they_are_the_same() -> None:
    assert near(["头痛", "头痛！", "头晕", "痛"], np.arange(4, dtype=np.uint64), 0.1).tolist() == [0, 0, 2, 3]


def test_texts_of_signs_alone_are_like_none() -> None:
    assert near(["", "。", "！", ""], np.arange(4, dtype=np.uint64), 0.1).tolist() == [0, 1, 2, 3]


def test_very_long_texts_are_compared_as_others() -> None:
    (text,) = texts(1, length=1_500_000)
    assert near([text, "头痛", text[:-40] + "改" * 40], np.arange(3, dtype=np.uint64), 0.9).tolist() == [0, 1, 0]


def test_no_text_and_one_text_stand_for_themselves() -> None:
    assert near([], keys(0), 0.8).tolist() == []
    assert near(["头痛"], keys(1), 0.8).tolist() == [0]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.5, 0.7, 0.8]), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(seed: int, threshold: float, shuffler: random.Random) -> None:
    base = texts(12, seed)
    rows = [*base, *(changed(text, 30) for text in base[:6]), *(changed(text, 30, 60, 90) for text in base[:3])]
    own = keys(len(rows), seed)
    order = list(range(len(rows)))
    shuffler.shuffle(order)
    plain = near(rows, own, threshold)
    turned = near([rows[n] for n in order], own[order], threshold)
    assert {order[n]: order[int(turned[n])] for n in range(len(order))} == dict(enumerate(plain.tolist()))


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.text(alphabet="甲乙丙", min_size=1, max_size=9), max_size=30), st.floats(0.05, 1), st.integers(0, 99)
)
def test_what_goes_is_like_a_row_of_a_lower_key_that_stays(rows: list[str], threshold: float, seed: int) -> None:
    own = keys(len(rows), seed)
    found = near(rows, own, threshold)
    gone = np.flatnonzero(found != np.arange(len(rows)))
    assert (found[found] == found).all()
    assert (own[found[gone]] < own[gone]).all()
    assert all(alike >= threshold for alike in jaccard(rows, gone, found[gone]))


def test_nearly_all_pairs_above_the_threshold_are_found_and_none_below() -> None:
    draw = random.Random(5)  # noqa: S311 - no secret
    base = texts(150, 7)
    rows = [*base, *(changed(text, *draw.sample(range(120), draw.randint(1, 6))) for text in base)]
    found = near(rows, keys(300), 0.8)
    both = jaccard(rows, np.arange(150), np.arange(150, 300))
    alike = {n for n in range(150) if both[n] >= 0.8}
    assert 40 < len(alike) < 140
    joined = {n for n in range(150) if found[n] == found[n + 150]}
    assert joined <= alike
    assert len(joined) >= 0.98 * len(alike)


class Aside(Sequence[str]):
    """Texts that are made when they are asked for."""

    def __len__(self) -> int:
        return 40

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            raise AssertionError("texts are read one by one")
        if place >= len(self):
            raise IndexError(place)
        return changed(texts(1, place % 20)[0], place // 20)


def test_texts_need_not_be_in_memory() -> None:
    assert near(Aside(), np.arange(40, dtype=np.uint64), 0.8).tolist() == [*range(20), *range(20)]


def test_two_translations_of_a_question_with_answers_of_their_own_both_stay(real_exams: Path) -> None:
    folder = real_exams.parent / "general"
    files = [folder / "alpaca_zh_demo.json", *sorted((folder / "alpaca_zh").glob("*已完成.json"))]
    if not all(file.is_file() for file in files) or len(files) < 3:
        pytest.skip("the Chinese Alpaca files are not on this machine")
    rows = [{**row, "file": file.name} for file in files for row in json.loads(file.read_text(encoding="utf-8-sig"))]
    frame = (
        pl.DataFrame(rows)
        .fill_null("")
        .select("file", question=pl.concat_str("instruction", "input", separator="\n"), answer="output")
    )
    frame = frame.unique(["question", "answer"], keep="first", maintain_order=True)
    questions, answers = frame["question"].to_list(), frame["answer"].to_list()
    own, file = keys_of(frame), frame["file"]
    asked = near(questions, own, 0.8)
    assert sum(file[place] != file[int(stands)] for place, stands in enumerate(asked)) > 10
    whole = near([f"{question}\n{answer}" for question, answer in zip(questions, answers, strict=True)], own, 0.8)
    assert all(file[place] == file[int(stands)] for place, stands in enumerate(whole))
