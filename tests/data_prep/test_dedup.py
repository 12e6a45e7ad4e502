"""Keys, equal rows and near-duplicates: what stands for what, compared with the exact answer."""

import json
import random
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.dedup import Shingles, candidates, keys, mark_duplicates, near_duplicates, plain
from data_prep.dedup import _bands_of as bands_of
from data_prep.read import SCHEMA

_CHARACTERS = "患者发热咳嗽胸痛乏力首选治疗药物检查诊断急性慢性炎症感染手术护理观察病情变化肝肾心肺脾胃"


def texts(count: int, seed: int = 1, length: int = 120) -> list[str]:
    draw = random.Random(seed)  # noqa: S311 - no secret
    return ["".join(draw.choices(_CHARACTERS, k=length)) for _ in range(count)]


def changed(text: str, *places: int) -> str:
    """Of `length` - 4 shingles each change takes five away and brings five others."""
    return "".join("改" if place in places else character for place, character in enumerate(text))


def rows(pairs: Sequence[tuple[str, str]], own: Sequence[int] | None = None) -> pl.DataFrame:
    """Rows with these questions and answers; their keys are `own`, else a seeded order."""
    order = np.random.default_rng(0).permutation(len(pairs)) if own is None else own
    frame = pl.DataFrame(pairs, schema={"question": pl.String, "answer": pl.String}, orient="row")
    return frame.with_columns(key=pl.Series(list(order), dtype=pl.UInt64))


def near(some: Sequence[str], threshold: float, own: Sequence[int] | None = None) -> list[int]:
    return [int(place) for place in near_duplicates(rows([(text, "") for text in some], own), threshold)]


def shingles(some: Sequence[str]) -> Shingles:
    frame = pl.DataFrame({"text": some}, schema={"text": pl.String})
    return Shingles.of(frame.select(plain(pl.col("text"))).to_series())


def jaccard(some: Sequence[str], first: Sequence[int], second: Sequence[int]) -> list[float]:
    return [float(number) for number in shingles(some).jaccard(np.array(first, np.int64), np.array(second, np.int64))]


# Keys.


def keys_of(*pairs: tuple[str, str]) -> list[int]:
    frame = rows(pairs).with_columns(plain_question=plain(pl.col("question")), plain_answer=plain(pl.col("answer")))
    return keys(frame).to_list()


def test_keys_are_pinned_for_every_platform() -> None:
    assert keys_of(("高血压怎么办？", "低盐饮食。")) == [400389007963087136]


def test_equal_rows_have_equal_keys_and_others_not_whatever_stands_beside_them() -> None:
    some = [
        ("问 题？", "答案"), ("问题", "答案。"), ("问题答", "案"), ("问题", "别的"), ("", "问题答案"), ("问题答案", ""),
        # Rows of punctuation alone are told apart by their raw text.
        ("？", "！"), ("?", "!"), ("𠮷野家", "𪚥"), ("ﬁ Σ", "é"),
    ]  # fmt: skip
    found = keys_of(*some)
    assert found[0] == found[1]
    assert len(set(found)) == len(some) - 1
    assert found == [keys_of(row)[0] for row in some]
    assert keys_of() == []


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("每次1.5 mg", "每次 1.5mg。"), ("P < 0.05", "P＜0.05"),
        ("請問感冒該怎麼辦呢，需要吃藥嗎？", "请问感冒该怎么办呢，需要吃药吗？"),
        ("皮疹（+）", "皮疹(+)"), ("𠮷著乾隆", "𠮷著干隆"),
    ],
)  # fmt: skip
def test_copies_in_another_script_width_or_punctuation_are_equal(text: str, same: str) -> None:
    assert len(set(keys_of((text, ""), ("", text), (same, ""), ("", same)))) == 2


_OTHERS = [
    ("每次1.5 mg", "每次15 mg"), ("2+2等于几", "2×2等于几"), ("钾<3.5", "钾>3.5"), ("皮疹(+)", "皮疹(-)"),
    ("什么是C++", "什么是C#"), ("降到-5", "降到5"), ("3-5天", "35天"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "other"), _OTHERS)
def test_signs_that_change_what_a_text_says_make_another_row(text: str, other: str) -> None:
    answer = texts(1)[0]
    assert len(set(keys_of((text, answer), (other, answer), (answer, text), (answer, other)))) == 4
    assert near_duplicates(rows([(answer, text + answer), (answer, other + answer)], [0, 1]), 0.8).tolist() == [0, 1]


# Equal rows.

_PLACES = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from("ab"), st.sampled_from("xy"), st.integers(1, 99)),
    unique_by=lambda row: row[1:],
)


def index(places: Sequence[tuple[int, str, str, int]], **texts: Any) -> pl.DataFrame:
    columns = ("key", "source", "file", "row")
    frame = pl.DataFrame(
        places, schema={"key": pl.UInt64, **{name: SCHEMA[name] for name in columns[1:]}}, orient="row"
    )
    return frame.with_columns(**{name: pl.lit("") for name in ("question", "answer")}).with_columns(**texts)


@given(_PLACES, st.randoms())
def test_of_equal_rows_one_stays_and_the_same_in_any_order(
    places: list[tuple[int, str, str, int]], shuffle: Any
) -> None:
    found = mark_duplicates(index(places), 7, None)
    kept = found.filter(pl.col("reason").is_null())
    assert sorted(kept["key"]) == sorted({row[0] for row in places})
    gone = found.filter(pl.col("reason") == "duplicate")
    assert found["key"][gone["of"]].to_list() == gone["key"].to_list()
    assert found["reason"][gone["of"]].null_count() == gone.height
    shuffle.shuffle(places)
    again = mark_duplicates(index(places), 7, None).filter(pl.col("reason").is_null())
    assert set(again.drop("of").iter_rows()) == set(kept.drop("of").iter_rows())


def test_alike_rows_go_after_equal_ones_and_name_the_row_that_stays() -> None:
    long = "，".join(f"饭后散步{number}分钟有助于消化，睡前不要吃得太饱" for number in range(20))
    answers = [long, long, long + "。好", "完全不同的内容：感冒的时候多喝水，注意休息，必要时去医院就诊检查。"]
    some = index([(1, "a", "x", 1), (1, "a", "x", 4), (2, "b", "y", 2), (3, "b", "y", 3)], answer=pl.Series(answers))
    found = mark_duplicates(some, 0, 0.8)
    assert sorted(found["reason"].to_list(), key=str) == [None, None, "duplicate", "near_duplicate"]
    stays = found["of"].to_list()
    (near_one,) = (found["reason"] == "near_duplicate").arg_true().to_list()
    assert {found["key"][near_one], found["key"][stays[near_one]]} == {1, 2}
    assert found["reason"][stays[near_one]] is None
    assert mark_duplicates(some, 0, None)["reason"].null_count() == 3


# Near-duplicates.


def test_of_alike_texts_the_one_with_the_lowest_key_stands_for_the_others() -> None:
    first, other = texts(2)
    assert near([first, other, changed(first, 60)], 0.8, [9, 5, 3]) == [2, 1, 2]


def test_what_is_less_alike_than_the_threshold_stays() -> None:
    (text,) = texts(1)
    # Four changes leave 96 of 116 shingles, and there are 136 in all.
    both = [text, changed(text, 10, 40, 70, 100)]
    assert jaccard(both, [0], [1]) == [96 / 136]
    assert near(both, 96 / 136 + 1e-9) == [0, 1]
    assert len(set(near(both, 96 / 136))) == 1


def test_a_text_goes_only_for_one_that_stays_and_that_it_is_like() -> None:
    (text,) = texts(1)
    # Neighbours are alike, the ends of the chain are not.
    chain = [text, changed(text, 10, 30), changed(text, 10, 30, 50, 70)]
    assert jaccard(chain, [0, 1, 0], [1, 2, 2]) == [106 / 126, 106 / 126, 96 / 136]
    assert near(chain, 0.8, [0, 1, 2]) == [0, 0, 2]
    assert near(chain, 0.8, [1, 0, 2]) == [1, 1, 1]


def test_the_same_question_with_another_answer_is_another_row() -> None:
    (question,) = texts(1)
    some = rows([(question, answer) for answer in ("答案：A", "答案：C", "答案： Ａ。")], [0, 1, 2])
    assert near_duplicates(some, 0.8).tolist() == [0, 1, 0]


def test_another_question_with_the_same_answer_is_another_row() -> None:
    (answer,) = texts(1)
    question = "含有天麻的方剂有哪些，请推荐几种并说明"
    asked = [question, question.replace("说明", "解释"), "含有海马的中成药叫什么名字"]
    assert near_duplicates(rows([(some, answer) for some in asked], [0, 1, 2]), 0.8).tolist() == [0, 0, 2]


def test_punctuation_does_not_matter_and_short_texts_are_alike_only_if_they_are_the_same() -> None:
    assert len(set(near(["发热，怎么办？多喝水。", "发热 怎么办?多喝水"], 1.0))) == 1
    assert near(["头痛", "头痛！", "头晕", "痛"], 0.1, [0, 1, 2, 3]) == [0, 0, 2, 3]
    assert near(["", "。", "！", ""], 0.1, [0, 1, 2, 3]) == [0, 1, 2, 3]
    assert [near(some, 0.8) for some in ([], ["头痛"])] == [[], [0]]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.5, 0.7, 0.8]), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(seed: int, threshold: float, shuffler: random.Random) -> None:
    base = texts(12, seed)
    some = [*base, *(changed(text, 30) for text in base[:6]), *(changed(text, 30, 60, 90) for text in base[:3])]
    own = np.random.default_rng(seed).permutation(len(some)).tolist()
    order = list(range(len(some)))
    shuffler.shuffle(order)
    turned = near([some[n] for n in order], threshold, [own[n] for n in order])
    assert {order[n]: order[turned[n]] for n in range(len(order))} == dict(enumerate(near(some, threshold, own)))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text("甲乙丙", min_size=1, max_size=9), max_size=30), st.floats(0.05, 1), st.integers(0, 99))
def test_what_goes_is_like_a_row_of_a_lower_key_that_stays(some: list[str], threshold: float, seed: int) -> None:
    own = np.random.default_rng(seed).permutation(len(some))
    found = np.array(near(some, threshold, own.tolist()), dtype=np.int64)
    gone = np.flatnonzero(found != np.arange(len(some)))
    assert (found[found] == found).all()
    assert (own[found[gone]] < own[gone]).all()
    assert all(alike >= threshold for alike in jaccard(some, gone.tolist(), found[gone].tolist()))


def test_nearly_all_pairs_above_the_threshold_are_found_and_none_below() -> None:
    draw = random.Random(5)  # noqa: S311 - no secret
    base = texts(150, 7)
    some = [*base, *(changed(text, *draw.sample(range(120), draw.randint(1, 6))) for text in base)]
    found, both = near(some, 0.8), jaccard(some, range(150), range(150, 300))
    alike = {n for n in range(150) if both[n] >= 0.8}
    assert 40 < len(alike) < 140
    joined = {n for n in range(150) if found[n] == found[n + 150]}
    assert joined <= alike
    assert len(joined) >= 0.98 * len(alike)


# Shingles and buckets.


@given(st.lists(st.text("甲乙丙丁", max_size=12), min_size=2, max_size=6))
def test_jaccard_is_that_of_the_sets_of_substrings(some: list[str]) -> None:
    def substrings(text: str) -> set[str]:
        return {text[n : n + 5] for n in range(max(1, len(text) - 4))} if text else set()

    pairs = list(combinations(range(len(some)), 2))
    for (a, b), found in zip(pairs, jaccard(some, *zip(*pairs, strict=True)), strict=True):
        both, shared = substrings(some[a]) | substrings(some[b]), substrings(some[a]) & substrings(some[b])
        assert found == (len(shared) / len(both) if both else 1.0)


def pairs_of(some: list[str], threshold: float) -> list[tuple[int, ...]]:
    found = candidates(*bands_of(rows([(text, "") for text in some]), threshold), threshold)
    return [tuple(pair) for pair in found.tolist()]


def test_bands_are_pinned_for_every_platform() -> None:
    # Another version of rensa, or another instruction set, must not choose other rows.
    bands, sizes = bands_of(rows([("高血压患者怎么办", ""), ("低盐饮食多运动。" * 400, "")]), 0.8)
    assert (bands.shape, sizes.tolist()) == ((2, 21), [4, 7])
    assert bands[:, 0].tolist() == [9013265501909692987, 11017189712461535239]


def test_pairs_agree_in_a_band_each_once_and_in_order_and_are_of_like_length() -> None:
    base = texts(30, 2)
    assert pairs_of([*base, *base[:10]], 0.8) == [(n, n + 30) for n in range(10)]
    # 116 of 166 shingles.
    text, other = base[:2]
    assert [pairs_of([text, text + other[:50]], threshold) for threshold in (0.6, 0.7)] == [[(0, 1)], []]
    assert pairs_of(["。", "！", ""], 0.8) == []


@pytest.mark.parametrize("count", [10, 300])
def test_a_bucket_of_many_costs_no_more_than_nine_pairs_a_text(count: int) -> None:
    found = pairs_of(["低盐饮食多运动。" * 9] * count, 0.8)
    assert set(combinations(range(9), 2)) <= set(found)
    assert {(0, place) for place in range(1, count)} <= set(found)
    assert len(found) <= 9 * count


def test_two_translations_of_a_question_with_answers_of_their_own_both_stay(real_exams: Path) -> None:
    folder = real_exams.parent / "general"
    files = [folder / "alpaca_zh_demo.json", *sorted((folder / "alpaca_zh").glob("*已完成.json"))]
    if not all(file.is_file() for file in files) or len(files) < 3:
        pytest.skip("the Chinese Alpaca files are not on this machine")
    some = [{**row, "file": file.name} for file in files for row in json.loads(file.read_text(encoding="utf-8-sig"))]
    question = pl.concat_str("instruction", "input", separator="\n")
    frame = pl.DataFrame(some).fill_null("").select("file", question=question, answer="output")
    frame = frame.unique(["question", "answer"], keep="first", maintain_order=True).with_row_index("key")
    asked = frame["file"][near_duplicates(frame.with_columns(answer=pl.lit("")), 0.8)]
    assert (asked != frame["file"]).sum() > 10
    assert (frame["file"][near_duplicates(frame, 0.8)] == frame["file"]).all()
