"""The order in which questions are grouped, and which of them ask the same."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.books.shared_books import near_duplicates
from openbook_eval.types import Entry, Question
from tests.books.exams import make_exam, material
from tests.conftest import question

EXAM = make_exam(120)


def order(*questions: Question, seed: int = 0) -> list[str]:
    return [q.id for q in material(*questions, seed=seed).of("nursing")]


@given(st.permutations(EXAM))
def test_the_order_holds_every_question_once_and_does_not_hang_on_the_files(shuffled: list[Question]) -> None:
    assert order(*shuffled) == order(*EXAM)
    assert sorted(order(*shuffled)) == sorted(q.id for q in EXAM)


def test_the_order_is_pinned_and_hangs_on_the_seed() -> None:
    assert order(*EXAM)[:4] == ["nursing-86", "nursing-109", "nursing-33", "nursing-103"]
    assert order(*EXAM, seed=1)[:4] != order(*EXAM)[:4]


@pytest.mark.parametrize("first", [12, 30, 60])
def test_any_first_part_holds_class_and_type_in_proportion(first: int) -> None:
    by_id = {q.id: q for q in EXAM}
    strata = Counter((by_id[key].exam_class, by_id[key].qtype) for key in order(*EXAM)[:first])
    whole = Counter((q.exam_class, q.qtype) for q in EXAM)
    assert all(abs(strata[key] - first * size / len(EXAM)) <= 1 for key, size in whole.items())


def test_a_question_more_does_not_shuffle_others_but_stands_beside_one_that_asks_the_same() -> None:
    more = question(id="new", exam_class="class new")
    assert [key for key in order(*EXAM, more) if key != "new"] == order(*EXAM)
    twin = question(id="twin", stem=EXAM[40].stem + "的", options=EXAM[40].options, answer=EXAM[40].answer)
    dealt = order(*EXAM, twin)
    assert abs(dealt.index("twin") - dealt.index(EXAM[40].id)) == 1


def test_near_duplicates_are_known_across_exams_and_the_spare_exam() -> None:
    own = question(id="own")
    other, spare = question(id="other", exam="physician"), question(id="spare", exam="pharmacist")
    made = material(own, other, *EXAM, spare=[spare])
    assert len({made.cluster_of[key] for key in ("own", "other", "spare")}) == 1
    assert "pharmacist" not in made.clusters


def ids(*questions: Question, **texts: str) -> list[list[str]]:
    entries = {q.id: Entry(q.id, texts.get(q.id, f"{q.stem}{q.id}"), "given") for q in questions}
    return [[member.id for member in cluster] for cluster in near_duplicates(questions, entries)]


FIRST = question(id="a", stem="治疗支原体肺炎的首选药物是")


def test_the_same_right_text_and_a_like_stem_ask_the_same_wherever_the_letter_stands() -> None:
    other = question(
        id="b", stem="支原体肺炎的首选治疗药物是", options={"A": "青霉素", "C": FIRST.options["A"]}, answer="C"
    )
    assert ids(FIRST, question(id="x", stem="足三里属于哪一条经脉"), other) == [["a", "b"], ["x"]]


@pytest.mark.parametrize("changes", [{"answer": "B"}, {"stem": "成人安静时的脉率范围"}])
def test_another_right_text_or_an_unlike_stem_does_not(changes: dict[str, str]) -> None:
    assert ids(FIRST, question(**{"id": "b", "stem": FIRST.stem, **changes})) == [["a"], ["b"]]


def test_questions_with_one_entry_ask_the_same_and_chains_stand_in_one_cluster() -> None:
    other = question(id="b", stem="成人安静时的脉率范围", answer="B")
    assert ids(FIRST, other, a="同一段 材料。", b="同一段材料。") == [["a", "b"]]
    stems = ["甲乙丙丁戊己庚辛壬癸", "甲乙丙丁戊己庚辛子丑", "甲乙丙丁戊己寅卯子丑"]
    chain = [question(id=str(n), stem=stem) for n, stem in enumerate(stems)]
    assert ids(*chain) == [["0", "1", "2"]]
    assert ids(chain[0], chain[2]) == [["0"], ["2"]]
