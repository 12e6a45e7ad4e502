"""Shared books: what is in them, what is never in them."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbook_eval.books.shared_books import Group, counterfactual, library, unanswerable
from openbook_eval.errors import ExamError
from openbook_eval.types import ExamName, Question
from tests.books.exams import make_exam, material
from tests.conftest import question

NURSING, PHYSICIAN = make_exam(70), make_exam(40, "physician")
TWO_EXAMS = material(*NURSING, *PHYSICIAN)


def members(groups: list[Group]) -> list[str]:
    return [item.question.id for group in groups for item in group]


def text(group: Group) -> str:
    return group[0].book.text


def sources(group: Group) -> set[str]:
    return {entry.question_id for entry in group[0].book.entries}


@settings(max_examples=40)
@given(st.integers(300, 1500), st.integers(0, 5))
def test_a_full_book_holds_every_entry_of_its_group_and_a_missing_one_none(length: int, seed: int) -> None:
    made = material(*NURSING, *PHYSICIAN, seed=seed)
    longest = max(len(entry.text) for entry in made.entries.values())
    for lay in (library, unanswerable):
        groups = lay(made, "nursing", length)
        assert members(groups) == [q.id for q in made.of("nursing")]
        for group in groups:
            lines, own = text(group).split("\n"), {item.entry.text for item in group}
            assert len(lines) == len(set(lines))
            assert own & set(lines) == (own if lay is library else set())
            assert length - longest <= len(text(group)) <= length


def test_groups_are_as_large_as_their_books_hold_and_the_missing_book_is_the_next_ones() -> None:
    groups = library(TWO_EXAMS, "nursing", 1000)
    for group, following in pairwise(groups):
        used = sum(len(item.entry.text) + 1 for item in group) - 1
        assert used <= 1000 < used + 1 + len(following[0].entry.text)
    assert set(members(groups[1:2])) <= sources(unanswerable(TWO_EXAMS, "nursing", 1000)[0])
    depths = [item.depth or 0.0 for item in groups[0]]
    assert depths != sorted(depths)
    # Where all answers are the same two words, books are laid all the same.
    judged = [replace(q, options={"A": "正确", "B": "错误"}, qtype="single", answer="B") for q in NURSING]
    assert all(len(text(group)) > 900 for group in unanswerable(material(*judged), "nursing", 1000))


def test_entries_of_other_exams_fill_up_before_those_of_the_exams_other_groups() -> None:
    last = library(TWO_EXAMS, "nursing", 1500)[-1]
    fillers = sources(last) - {item.question.id for item in last}
    assert {key.split("-")[0] for key in fillers} == {"physician"}


def test_a_spare_exam_fills_up_what_the_exam_itself_cannot() -> None:
    spare = make_exam(80, "pharmacist")
    alone = material(*NURSING[:10])
    with pytest.raises(ExamError):
        library(alone, "nursing", 1500)
    (group,) = library(material(*NURSING[:10], spare=spare), "nursing", 1500)
    assert len(text(group)) > 1400
    assert members([group]) == [q.id for q in alone.of("nursing")]


@pytest.mark.parametrize("exam", ["nursing", "physician"])
def test_near_duplicates_share_a_group_and_none_fills_the_missing_book_of_the_other(exam: ExamName) -> None:
    twins = [
        question(id=f"twin-{n}", exam=exam, stem=f"{q.stem}是", options=q.options, answer=q.answer, qtype=q.qtype)
        for n, q in enumerate(NURSING)
    ]
    made = material(*NURSING, *twins, *PHYSICIAN)
    groups = library(made, "nursing", 1000)
    assert any(key.startswith("twin-") for group in groups for key in sources(group))
    for mine in (set(members([group])) for group in groups):
        assert exam != "nursing" or all((f"twin-{n}" in mine) == (q.id in mine) for n, q in enumerate(NURSING))
    for group in unanswerable(made, "nursing", 1000):
        assert not {made.cluster_of[key] for key in sources(group)} & {made.cluster_of[key] for key in members([group])}


DRUGS = {"A": "地塞米松", "B": "可的松"}
ORGANS = {"A": "肝", "B": "肾"}


@pytest.mark.parametrize(
    ("options", "asked", "told"),
    [
        # Its entry holds the other's text,
        (DRUGS, {"knowledge": "脉浮为表证。"}, {"knowledge": "古书说：脉浮为表证。此外不赘。", "answer": "B"}),
        # or it names the right answer in other words,
        (DRUGS, {"stem": "水钠潴留作用最弱的是"}, {"stem": "不良反应中有水钠潴留，其最轻者当属"}),
        # or it asks the same, and its answer is too short to be looked for.
        (ORGANS, {"stem": "主疏泄而藏血的脏是"}, {"stem": "主疏泄又藏血的脏是"}),
    ],
)
def test_an_entry_that_tells_is_not_in_the_missing_book(
    options: dict[str, str], asked: dict[str, str], told: dict[str, str]
) -> None:
    one, other = question(id="asked", options=options, **asked), question(id="told", options=options, **told)
    made = material(one, replace(other, exam="physician"), *PHYSICIAN)
    assert "told" in sources(library(made, "nursing", 1300)[0])
    assert "told" not in sources(unanswerable(made, "nursing", 1300)[0])


def test_an_entry_of_two_questions_stands_once_in_a_book_and_is_not_rewritten_two_ways() -> None:
    made = material(*(question(id=key, stem=key, knowledge="脉率是每分钟60～100次。") for key in "ab"), *PHYSICIAN)
    (group,) = library(made, "nursing", 500)
    assert (len(group), text(group).count("脉率是")) == (2, 1)
    (group,) = counterfactual(made, "nursing", 500)
    assert {item.entry.provider for item in group} == {"statement"}


def test_a_contrary_book_holds_no_second_rewriting_of_an_entry_of_its_group() -> None:
    same: dict[str, Any] = {"knowledge": "脉浮为表证而脉沉为里证。", "answer": "A"}
    asked = question(id="asked", stem="脉浮为", options={"A": "表证", "B": "热证"}, **same)
    other = question(id="other", stem="脉沉为", options={"A": "里证", "B": "寒证"}, exam="physician", **same)
    made = material(asked, other, *PHYSICIAN)
    (group,) = counterfactual(made, "nursing", 1350)
    assert "other" not in sources(group)
    assert [line for line in text(group).split("\n") if "脉浮" in line] == ["脉浮为热证而脉沉为里证。"]


LONG = question(id="q-long", knowledge="长" * 700)


@pytest.mark.parametrize(
    ("lay", "questions", "length", "message"),
    [
        (library, make_exam(150), 16_000, ": all entries together have 5,021 characters, too few for a book of 16,000"),
        (library, [LONG, *PHYSICIAN], 500, ", question q-long: its entry has 700 characters, more than a book of 500"),
        (unanswerable, NURSING[:30], 1000, ", nursing: too few entries for a book of 1,000 characters that answers"),
    ],
)
def test_a_book_that_cannot_be_made_says_why(
    lay: Callable[..., list[Group]], questions: list[Question], length: int, message: str
) -> None:
    with pytest.raises(ExamError, match=f"^exam synthetic{message}"):
        lay(material(*questions), "nursing", length)


def test_books_do_not_hang_on_the_order_of_the_file() -> None:
    exams = (*NURSING, *PHYSICIAN, *make_exam(40, "pharmacist"))
    for lay in (library, unanswerable, counterfactual):
        books = [text(group) for group in lay(material(*exams), "nursing", 900)]
        assert len(books) > 2
        assert [text(group) for group in lay(material(*reversed(exams)), "nursing", 900)] == books
