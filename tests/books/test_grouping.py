"""The order in which questions are dealt."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.books.exams import make_exam, material
from tests.conftest import question

EXAM = make_exam(120)


def order(*questions: object, seed: int = 0) -> list[str]:
    return [q.id for q in material(*questions, seed=seed).of("nursing")]  # type: ignore[arg-type]


def test_the_order_holds_every_question_once() -> None:
    assert sorted(order(*EXAM)) == sorted(q.id for q in EXAM)


@given(st.permutations(EXAM))
def test_the_order_does_not_hang_on_the_order_of_the_file(shuffled: list[object]) -> None:
    assert order(*shuffled) == order(*EXAM)


def test_the_order_is_pinned_and_hangs_on_the_seed() -> None:
    assert order(*EXAM)[:4] == ["nursing-86", "nursing-109", "nursing-33", "nursing-103"]
    assert order(*EXAM, seed=1)[:4] != order(*EXAM)[:4]


@pytest.mark.parametrize("first", [12, 30, 60])
def test_any_first_part_holds_class_and_type_in_proportion(first: int) -> None:
    by_id = {q.id: q for q in EXAM}
    strata = Counter((by_id[key].exam_class, by_id[key].qtype) for key in order(*EXAM)[:first])
    whole = Counter((q.exam_class, q.qtype) for q in EXAM)
    assert all(abs(strata[key] - first * size / len(EXAM)) <= 1 for key, size in whole.items())


def test_a_question_more_does_not_shuffle_the_others_of_other_strata() -> None:
    more = question(id="new", exam_class="class new")
    assert [key for key in order(*EXAM, more) if key != "new"] == order(*EXAM)


def test_questions_that_ask_the_same_stand_side_by_side() -> None:
    twin = question(id="twin", stem=EXAM[40].stem + "的", options=EXAM[40].options, answer=EXAM[40].answer)
    dealt = order(*EXAM, twin)
    assert abs(dealt.index("twin") - dealt.index(EXAM[40].id)) == 1


def test_twins_are_known_across_exams_and_the_spare_exam() -> None:
    own = question(id="own")
    other, spare = question(id="other", exam="physician"), question(id="spare", exam="pharmacist")
    made = material(own, other, *EXAM, spare=[spare])
    assert len({made.cluster_of[key] for key in ("own", "other", "spare")}) == 1
    assert "pharmacist" not in made.clusters


def test_characters_count_each_text_once_and_the_breaks_between_them() -> None:
    made = material(
        question(id="a", knowledge="一二三"), question(id="b", knowledge="一二三"), question(id="c", knowledge="四")
    )
    assert made.characters == len("一二三\n四")
