"""What readers without understanding score: exact chances, ties shared, long books read in time."""

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.baselines import (
    Baseline,
    Reference,
    lexical_chance,
    options_held,
    overlap,
    plain,
    random_chance,
)
from openbook_eval.exams import load_exam
from openbook_eval.types import SIX_EXAMS, Entry, Question
from tests.conftest import question

THREE = {"A": "黄芩", "B": "麻黄", "C": "黄连"}


def rows(*questions: Question) -> dict[str, Baseline]:
    found = Reference.of(questions, [Entry.given_or_statement(each).text for each in questions])
    return {baseline.name: baseline for baseline in found.rows}


def test_a_guess_hits_one_option_of_n_or_one_of_all_sets_but_the_empty_one() -> None:
    five = dict.fromkeys("ABCDE", "x")
    assert random_chance(question(options=five)) == 1 / 5
    assert random_chance(question(qtype="multi", options=five)) == 1 / 31


def test_the_majority_is_of_the_same_exam_and_type() -> None:
    exam = [question(id=f"n{number}", answer=answer) for number, answer in enumerate("AABC")]
    exam += [question(id="m1", qtype="multi", answer="BC"), question(id="p", exam="physician", answer="C")]
    majority = rows(*exam)["majority letter"]
    assert majority.by_exam == {"physician": 1.0, "nursing": 3 / 5}
    assert majority.overall == 4 / 6
    # Equally common sets: the first counts, and so does half of the questions.
    sets = [question(id=answer + str(n), qtype="multi", answer=answer) for answer in ("AB", "C") for n in range(2)]
    assert rows(*sets)["majority letter"].overall == 0.5


@given(st.text("ab黄", max_size=9), st.text("ab黄", max_size=30))
def test_the_overlap_is_what_trying_every_piece_finds(option: str, text: str) -> None:
    pieces = (option[start:end] for start in range(len(option)) for end in range(start, len(option) + 1))
    assert overlap(option, text) == max((len(piece) for piece in pieces if piece in text), default=0)


@pytest.mark.parametrize(
    ("text", "chance"),
    [
        ("清热用黄芩", 1.0),
        ("清热用黄连", 0.0),
        # 黄 of all three: one in three.
        ("黄", 1 / 3),
        ("黄芩与黄连", 1 / 2),
        ("", 1 / 3),
    ],
)
def test_the_string_matching_reader_picks_the_longest_overlap_and_draws_among_ties(text: str, chance: float) -> None:
    assert lexical_chance(question(options=THREE, answer="A"), text) == chance


@pytest.mark.parametrize(
    ("options", "answer", "text", "chance"),
    [
        (THREE, "AC", "黄芩与黄连", 1.0),
        # One whole: that one only.
        (THREE, "AC", "黄芩", 0.0),
        # None whole: all that overlap most.
        (THREE, "AC", "黄", 0.0),
        ({"A": "大黄芩", "B": "麻黄", "C": "生黄连"}, "AC", "黄芩黄连", 1.0),
        # All whole: the longest, here all three or one.
        (THREE, "AC", "黄芩麻黄黄连", 0.0),
        ({"A": "黄芩", "B": "炙麻黄", "C": "黄连"}, "B", "黄芩、炙麻黄与黄连", 1.0),
    ],
)
def test_of_multiple_choice_the_string_matching_reader_picks_what_stands_whole_or_overlaps_most(
    options: dict[str, str], answer: str, text: str, chance: float
) -> None:
    assert lexical_chance(question(qtype="multi", options=options, answer=answer), text) == chance


def test_blanks_and_width_are_nothing_to_the_string_matching_reader() -> None:
    asked = question(options={"A": "DNA 聚合酶", "B": "RNA酶"}, answer="A")
    assert Reference.of([asked], ["依赖ＤＮＡ聚　合酶。"]).rows[3].overall == 1.0
    assert Reference.of([question()], [""]).rows[3].overall == 1 / 3  # without an entry it guesses
    assert Reference.of([], []) == Reference((), 0)


def test_the_average_is_the_plain_mean_of_the_six_exams_and_wants_them_all() -> None:
    six = [question(id=exam, exam=exam) for exam in SIX_EXAMS]
    more = [question(id=f"n{number}", answer="B") for number in range(6)]
    whole = rows(*six, *more, question(id="other", exam="other"))["majority letter"]
    # Nursing has one A among six B.
    assert whole.average == pytest.approx((5 + 6 / 7) / 6)
    assert whole.overall == 11 / 12  # without the unlabelled one
    assert whole.ranked == whole.average
    assert rows(*six[1:])["majority letter"].average is None


def test_a_score_is_read_with_rows_in_percent_by_what_was_right_and_shown_as_it_was_asked() -> None:
    """Four options of which the second is longest and the book names the third; of the last the answer is not shown."""
    options = {"A": "一", "B": "一二三", "C": "四五", "D": "六"}
    asked = [question(id=str(n), options=options, answer=answer) for n, answer in enumerate(("B", "C", "C", "E"))]
    found = Reference.of(asked, ["四五", "四五", "四五", "四五"])
    rows = {row.name: row.overall for row in found.rows}
    shares = {"chance": 3 / 16, "majority letter": 0.5, "longest option": 0.25, "string matching": 0.5, "ceiling": 0.75}
    assert (rows, found.cannot_be_right) == (shares, 1)
    assert str(Reference.of(asked[:3], None)) == "chance: 25.0, majority letter: 66.7, longest option: 33.3"
    # Where the book does not tell, all letters are wrong.
    assert str(Reference.of([question(answer="")], [""])) == "always abstaining: 100.0"


def test_the_mini_exam_is_read_by_matching_strings_and_not_by_guessing() -> None:
    found = rows(*load_exam("mini").questions)
    assert found == rows(*reversed(load_exam("mini").questions))
    assert found["chance"].average == pytest.approx((96 / 4 + 90 / 5 + 24 / 15 + 48 / 31) / 258)
    assert found["string matching"].average == pytest.approx(0.98333, abs=1e-5)


def test_a_long_book_is_searched_in_time() -> None:
    """600 questions against one text of 64,000 characters."""
    book = "".join(chr(0x4E00 + (17 * place * place) % 5000) for place in range(64_000))
    options = {letter: book[100 * n : 100 * n + 30] + "丙" + book[:20] for n, letter in enumerate("ABCDE")}
    questions = [question(id=str(n), options=options, qtype=("single", "multi")[n % 2]) for n in range(600)]
    begun = process_time()
    Reference.of(questions, [book] * 600)
    assert process_time() - begun < 5


def test_blanks_case_and_width_make_no_difference() -> None:
    assert plain(" ＤＮＡ　聚合 酶\n") == "dna聚合酶"


@pytest.mark.parametrize(
    ("text", "held"),
    [
        *(("肝硬化", "B"), ("肝和肝硬化", "AB"), ("肾", "DE"), ("每分钟16次", "C"), ("160或16", "C"), ("为16。", "C")),
        *((number, "") for number in ("每分钟160次", "2016年", "1.16", "16.5")),
    ],
)
def test_an_option_is_held_only_apart_from_longer_ones_and_numbers(text: str, held: str) -> None:
    assert options_held(text, {"A": "肝", "B": "肝硬化", "C": "16", "D": "肾", "E": "肾"}) == held
