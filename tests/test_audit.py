"""Faults of an exam are found where they are, and nowhere else."""

from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from time import process_time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.audit import MEANINGS, Audit, Finding, audit, contradict
from openbook_eval.exams import ExamFile, load_exam, read_path
from openbook_eval.exams.exam_file import Dropped
from openbook_eval.types import SIX_EXAMS, Entry, Question
from tests.conftest import ANSWERS, QUESTIONS, question, write

# One sound question with an entry of the file.
SOUND: dict[str, Any] = {
    "stem": "清热燥湿且泻火解毒的药是",
    "options": {"A": "黄芩", "B": "麻黄", "C": "桂枝"},
    "knowledge": "黄芩味苦性寒，清热燥湿，泻火解毒。",
}


def examine(
    *questions: Question, entries: Mapping[str, Entry] | None = None, dropped: tuple[Dropped, ...] = ()
) -> Audit:
    exam = ExamFile("exam", "1", "", questions, dropped)
    return audit(exam, entries or {each.id: Entry.given_or_statement(each) for each in questions})


def found(name: str, *questions: Question, **known: Any) -> Finding:
    (finding,) = (each for each in examine(*questions, **known).findings if each.name == name)
    return finding


def of_exam(exam: ExamFile) -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(*exam.questions, dropped=exam.dropped).findings}


def test_a_sound_question_has_no_finding_and_every_finding_is_named() -> None:
    findings = examine(question(**SOUND)).findings
    assert [finding.name for finding in findings] == list(MEANINGS)
    assert [finding.name for finding in findings if finding.ids or finding.share] == []


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("no_entry", {"knowledge": None}),
        ("entry_without_right_text", {"knowledge": "此药味苦性寒。"}),
        ("entry_without_right_text", {"qtype": "multi", "answer": "AC"}),
        ("entry_with_wrong_text", {"knowledge": "黄芩味苦性寒，麻黄味辛性温。"}),
        ("one_character_option", {"options": {"A": "黄芩", "B": "姜", "C": "桂枝"}}),
        ("unsorted_answer", {"qtype": "multi", "answer": "AB", "published": "BA", "knowledge": "黄芩与麻黄。"}),
        ("one_letter_multiple", {"qtype": "multi"}),
        ("missing_background", {"stem": "如图所示，此药是"}),
    ],
)
def test_a_fault_is_found_where_it_is_and_no_other(name: str, changes: dict[str, Any]) -> None:
    findings = examine(question(**{**SOUND, **changes})).findings
    assert {finding.name: finding.ids for finding in findings if finding.ids} == {name: ("q1",)}


def test_a_question_that_the_entries_lack_has_none() -> None:
    entries = {"q1": Entry("q1", "黄芩清热。", "passage")}
    findings = examine(question(**SOUND), question(**SOUND | {"id": "q2"}), entries=entries).findings
    assert {each.name: each.ids for each in findings if each.name in {"no_entry", "entry_without_right_text"}} == {
        "no_entry": ("q2",),
        "entry_without_right_text": (),
    }


def test_a_finding_counts_by_exam_and_by_class_where_there_is_no_exam_and_backgrounds_by_kind() -> None:
    bare = [question(id="1"), question(id="2", exam="other", exam_class="甲"), question(id="3", exam="physician")]
    finding = found("no_entry", *bare, question(**SOUND | {"id": "4"}))
    assert finding.by == {"nursing": 1, "other 甲": 1, "physician": 1}
    assert (finding.count, finding.of, finding.share) == (3, 4, 3 / 4)
    dropped = (Dropped("row 2", "faulty", "bad"), Dropped("x", "no_answer"), Dropped("y", "no_answer"))
    finding = found("not_asked", question(**SOUND), dropped=dropped)
    assert (finding.ids, finding.of, finding.by) == (("row 2", "x", "y"), 4, {"faulty": 1, "no_answer": 2})
    finding = found("missing_background", question(id="1", stem="该患者应"), question(id="2", stem="如图所示"))
    assert finding.by == {"patient": 1, "figure": 1}
    assert {each.share for each in examine().findings} == {0}


def test_the_same_question_is_known_in_another_order_and_writing() -> None:
    again = question(
        id="2", stem=" 清热燥湿且泻火解毒的药是", options={"C": "黄 芩", "B": "桂枝", "A": "麻黄"}, answer="C"
    )
    finding = found("same_question", question(**SOUND), again)
    assert (finding.within, finding.across) == ((("q1", "2"),), ())


def test_repetitions_are_counted_within_and_across_exams() -> None:
    copies = [
        question(**SOUND | {"id": str(n), "exam": exam}) for n, exam in enumerate(("nursing", "nursing", "other"))
    ]
    for name in ("same_question", "asks_the_same"):
        finding = found(name, *copies)
        assert (finding.within, finding.across) == ((), (("0", "1", "2"),))
        assert finding.by == {"clusters_within": 0, "clusters_across": 1, "pairs_within": 1, "pairs_across": 2}
        assert finding.ids == ("0", "1", "2")


def test_one_stem_with_another_answer_is_found_and_said_to_contradict_where_it_does() -> None:
    other = question(**SOUND | {"id": "2", "answer": "B"})
    finding = found("same_stem_other_answer", question(**SOUND), other)
    assert (finding.within, finding.by["clusters_contradicting"]) == ((("q1", "2"),), 1)
    same = question(**SOUND | {"id": "2", "options": {"A": "黄芩", "B": "附子"}})
    assert found("same_stem_other_answer", question(**SOUND), same).ids == ()


@pytest.mark.parametrize(
    ("qtype", "options", "answer", "contradicts"),
    [
        ("single", {"A": "黄芩", "B": "麻黄", "C": "桂枝"}, "B", True),
        # The other's right option is not offered here: it may be the better one.
        ("single", {"A": "黄芩", "B": "附子"}, "B", False),
        ("single", {"A": "附子", "B": "麻黄"}, "B", False),
        ("multi", {"A": "黄芩", "B": "麻黄", "C": "桂枝"}, "AB", False),
    ],
)
def test_questions_contradict_where_each_calls_the_others_answer_wrong(
    qtype: str, options: dict[str, str], answer: str, contradicts: bool
) -> None:
    other = question(qtype=qtype, options=options, answer=answer)
    assert contradict(question(**SOUND), other) is contradicts
    assert contradict(other, question(**SOUND)) is contradicts
    # Of multiple choice one option judged otherwise is enough.
    assert contradict(*(question(**SOUND | {"qtype": "multi", "answer": right}) for right in ("A", "AB")))


def test_letter_balance_is_of_single_choice_by_number_of_options_and_set_sizes_of_multiple_choice() -> None:
    answers = [question(id=str(n), answer=answer) for n, answer in enumerate("AAB")]
    four = question(id="d", options=dict(zip("ABCD", "甲乙丙丁", strict=True)), answer="D")
    multi = [question(id=answer, qtype="multi", answer=answer) for answer in ("ABC", "A", "AB", "BC")]
    found = examine(*answers, four, *multi)
    three, other = found.letter_balance
    assert (three.options, three.right, three.majority_share) == (3, {"A": 2, "B": 1, "C": 0}, 2 / 3)
    assert (other.options, other.right, other.questions) == (4, {"A": 0, "B": 0, "C": 0, "D": 1}, 1)
    assert found.set_sizes == {1: 1, 2: 2, 3: 1}
    (short,) = (each for each in found.findings if each.name == "one_letter_multiple")
    assert (short.ids, short.of) == (("A",), 4)


@given(st.lists(st.text(max_size=12), min_size=2, max_size=5), st.text(max_size=30), st.text(max_size=30))
def test_any_text_is_audited(texts: list[str], stem: str, knowledge: str) -> None:
    options = dict(zip("ABCDE", texts, strict=False))
    pair = [question(id=key, stem=stem, options=options, knowledge=knowledge) for key in "ab"]
    finding = found("same_question", *pair)
    assert finding.ids == ("a", "b")
    assert finding.by["pairs_within"] == 1


def test_the_mini_exam_has_no_faults_but_two_short_options() -> None:
    findings = of_exam(load_exam("mini"))
    assert {name: len(finding.ids) for name, finding in findings.items() if finding.ids} == {"one_character_option": 2}


def hash_of(key: object) -> str:
    return f"甲{sha256(str(key).encode()).hexdigest()[:16]}乙"


def test_cmbs_published_answers_hold_4_unsorted_and_25_single_letter_multiples_seen_in_time(
    real_exams: Path, tmp_path: Path
) -> None:
    # The published answers joined to made-up questions of the same ids: the questions are not at hand.
    answers = orjson.loads((real_exams / "CMB-test-choice-answer.json").read_bytes())
    write(tmp_path / ANSWERS, answers)
    rows = [{**row, "answer": None, "question": f"条目{hash_of(row['id'])}的说法是( )。"} for row in answers]
    options = ({letter: hash_of(f"{row['id']}{letter}") for letter in "ABCDEF"} for row in answers)
    write(tmp_path / QUESTIONS, [{**row, "option": option} for row, option in zip(rows, options, strict=True)])
    exam = read_path(tmp_path)
    assert (len(exam.questions), sum(question.qtype == "multi" for question in exam.questions)) == (11_200, 1_190)
    sizes = Counter(question.exam for question in exam.questions)
    assert [sizes[name] for name in SIX_EXAMS[:4]] == [2000, 1600, 3200, 1200]
    begun = process_time()
    findings = of_exam(exam)
    assert process_time() - begun < 15
    unsorted = [str(row["id"]) for row in answers if list(row["answer"]) != sorted(set(row["answer"]))]
    short = [str(row["id"]) for row in answers if row["question_type"] == "多项选择题" and len(set(row["answer"])) == 1]
    assert (len(unsorted), len(short)) == (4, 25)
    assert findings["unsorted_answer"].ids == tuple(unsorted)
    assert findings["one_letter_multiple"].ids == tuple(short)
    seen = {name for name, finding in findings.items() if finding.ids}
    assert seen == {"no_entry", "unsorted_answer", "one_letter_multiple"}


def test_real_files_have_the_faults_that_were_seen_in_them(real_exams: Path) -> None:
    apollo = of_exam(load_exam(str(real_exams / "apollo_test_zh.json")))
    cmexam = of_exam(load_exam(str(real_exams / "cmexam_val.xlsx")))
    assert apollo["missing_background"].by == {"patient": 2, "beginning": 9}
    assert cmexam["missing_background"].by == {"patient": 3, "beginning": 23}
    assert apollo["same_question"].by == {
        "clusters_within": 21, "clusters_across": 6, "pairs_within": 21, "pairs_across": 6,
    }  # fmt: skip
    # The rule joins stem and option without a space: "F1" and "3/4" become "F13/4".
    assert apollo["entry_without_right_text"].ids == ("cmmlu-medical-8139",)
    assert apollo["not_asked"].by == {"no_picture": 3, "no_table": 1}
    assert cmexam["not_asked"].by == {"no_answer": 1, "no_picture": 13, "no_table": 5}
