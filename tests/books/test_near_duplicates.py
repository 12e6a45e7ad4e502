"""Which questions ask the same."""

from openbook_eval.books.grouping import near_duplicates
from openbook_eval.types import Entry, Question
from tests.conftest import question


def ids(*questions: Question, **texts: str) -> list[list[str]]:
    entries = {q.id: Entry(q.id, texts.get(q.id, f"{q.stem}{q.id}"), "given") for q in questions}
    return [[member.id for member in cluster] for cluster in near_duplicates(questions, entries)]


FIRST = question(id="a", stem="治疗支原体肺炎的首选药物是")


def test_the_same_right_text_and_a_like_stem_make_twins_wherever_the_letter_stands() -> None:
    other = question(
        id="b", stem="支原体肺炎的首选治疗药物是", options={"A": "青霉素", "C": FIRST.options["A"]}, answer="C"
    )
    assert ids(FIRST, question(id="x", stem="足三里属于哪一条经脉"), other) == [["a", "b"], ["x"]]


def test_another_right_text_makes_no_twins() -> None:
    assert ids(FIRST, question(id="b", stem=FIRST.stem, answer="B")) == [["a"], ["b"]]


def test_a_stem_unlike_makes_no_twins_though_the_right_text_is_the_same() -> None:
    assert ids(FIRST, question(id="b", stem="成人安静时的脉率范围")) == [["a"], ["b"]]


def test_one_entry_for_several_questions_makes_twins_of_them() -> None:
    other = question(id="b", stem="成人安静时的脉率范围", answer="B")
    assert ids(FIRST, other, a="同一段 材料。", b="同一段材料。") == [["a", "b"]]


def test_twins_of_twins_stand_in_one_cluster() -> None:
    stems = ["甲乙丙丁戊己庚辛壬癸", "甲乙丙丁戊己庚辛子丑", "甲乙丙丁戊己寅卯子丑"]
    chain = [question(id=str(n), stem=stem) for n, stem in enumerate(stems)]
    assert ids(*chain) == [["0", "1", "2"]]
    assert ids(chain[0], chain[2]) == [["0"], ["2"]]
