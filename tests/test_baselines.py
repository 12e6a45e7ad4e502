"""What readers without understanding score: exact chances, ties shared, long books read in time."""

from dataclasses import asdict
from time import process_time

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.baselines import Baseline, baselines, lexical_chance, overlap, random_chance
from openbook_eval.exams import load_exam
from openbook_eval.types import SIX_EXAMS, Entry, Question
from tests.conftest import question

THREE = {"A": "黄芩", "B": "麻黄", "C": "黄连"}


def rows(*questions: Question) -> dict[str, Baseline]:
    found = baselines(questions, {each.id: Entry.given_or_statement(each) for each in questions})
    return {baseline.name: baseline for baseline in found}


def test_a_guess_hits_one_option_of_n() -> None:
    assert random_chance(question(options=dict.fromkeys("ABCDE", "x"))) == 1 / 5


def test_a_guess_of_several_hits_one_of_all_sets_but_the_empty_one() -> None:
    assert random_chance(question(qtype="multi", options=dict.fromkeys("ABCDE", "x"))) == 1 / 31


def test_the_majority_is_of_the_same_exam_and_type() -> None:
    exam = [question(id=f"n{number}", answer=answer) for number, answer in enumerate("AABC")]
    exam += [question(id="m1", qtype="multi", answer="BC"), question(id="p", exam="physician", answer="C")]
    majority = rows(*exam)["majority letter"]
    assert majority.by_exam == {"physician": 1.0, "nursing": 3 / 5}
    assert majority.overall == 4 / 6


def test_the_majority_of_multiple_choice_is_a_set_of_letters() -> None:
    exam = [question(id=answer + str(n), qtype="multi", answer=answer) for answer in ("AB", "C") for n in range(2)]
    # Equally common: the first set counts, and so does half of the questions.
    assert rows(*exam)["majority letter"].overall == 0.5


@pytest.mark.parametrize(
    ("option", "text", "length"),
    [
        ("急性心肌炎", "慢性心肌病", 3),
        ("肝", "肾", 0),
        ("abcab", "xxabxxcabxx", 3),
        ("", "肝", 0),
        ("肝硬化", "肝硬化", 3),
    ],
)
def test_the_overlap_is_the_longest_piece_in_common(option: str, text: str, length: int) -> None:
    assert overlap(option, text) == length


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
def test_the_lexical_reader_picks_the_longest_overlap_and_draws_among_ties(text: str, chance: float) -> None:
    assert lexical_chance(question(options=THREE, answer="A"), text) == chance


@pytest.mark.parametrize(
    ("text", "chance"),
    [
        ("黄芩与黄连", 1.0),
        # One whole: that one only.
        ("黄芩", 0.0),
        # None whole: all that overlap most, here all three.
        ("黄", 0.0),
        # All whole and equally long: all three.
        ("黄芩麻黄黄连", 0.0),
    ],
)
def test_of_multiple_choice_the_lexical_reader_picks_what_stands_whole(text: str, chance: float) -> None:
    assert lexical_chance(question(qtype="multi", options=THREE, answer="AC"), text) == chance


def test_where_no_option_stands_whole_those_that_overlap_most_are_picked() -> None:
    options = {"A": "大黄芩", "B": "麻黄", "C": "生黄连"}
    assert lexical_chance(question(qtype="multi", options=options, answer="AC"), "黄芩黄连") == 1.0


def test_where_all_options_stand_whole_the_longest_is_picked() -> None:
    asked = question(qtype="multi", options={"A": "黄芩", "B": "炙麻黄", "C": "黄连"}, answer="B")
    assert lexical_chance(asked, "黄芩、炙麻黄与黄连") == 1.0


def test_blanks_and_width_are_nothing_to_the_lexical_reader() -> None:
    asked = question(options={"A": "DNA 聚合酶", "B": "RNA酶"}, answer="A")
    found = baselines([asked], {"q1": Entry("q1", "依赖ＤＮＡ聚　合酶。", "given")})
    assert found[2].overall == 1.0


def test_a_question_without_an_entry_is_guessed() -> None:
    assert baselines([question()], {})[2].overall == 1 / 3


def test_the_average_is_the_plain_mean_of_the_six_exams_and_wants_them_all() -> None:
    six = [question(id=exam, exam=exam) for exam in SIX_EXAMS]
    more = [question(id=f"n{number}", answer="B") for number in range(6)]
    whole = rows(*six, *more, question(id="other", exam="other"))["majority letter"]
    # Nursing has one A among six B.
    assert whole.average == pytest.approx((5 + 6 / 7) / 6)
    assert whole.overall == 12 / 13
    assert rows(*six[1:])["majority letter"].average is None


def test_without_questions_there_are_no_rows() -> None:
    assert baselines([], {}) == ()


def test_a_row_serialises() -> None:
    (random, *_) = baselines([question()], {})
    assert orjson.loads(orjson.dumps(random)) == asdict(random)


def test_the_order_of_the_questions_changes_nothing() -> None:
    questions = load_exam("mini").questions
    assert rows(*questions) == rows(*reversed(questions))


def test_the_mini_exam_is_read_by_matching_strings_and_not_by_guessing() -> None:
    found = rows(*load_exam("mini").questions)
    assert found["random"].average == pytest.approx((96 / 4 + 90 / 5 + 24 / 15 + 48 / 31) / 258)
    assert found["lexical reader"].average == pytest.approx(0.98333, abs=1e-5)


def test_a_long_book_is_searched_in_time() -> None:
    """600 questions against one text of 64,000 characters."""
    book = "".join(chr(0x4E00 + (17 * place * place) % 5000) for place in range(64_000))
    options = {letter: book[100 * n : 100 * n + 30] + "丙" + book[:20] for n, letter in enumerate("ABCDE")}
    questions = [question(id=str(n), options=options, qtype=("single", "multi")[n % 2]) for n in range(600)]
    begun = process_time()
    baselines(questions, dict.fromkeys(map(str, range(600)), Entry("", book, "x")))
    assert process_time() - begun < 5


@given(
    st.lists(st.sampled_from(["肝", "肝硬化", "硬化", "肾"]), min_size=2, max_size=4), st.text("肝硬化肾", max_size=8)
)
def test_chances_of_single_choice_sum_to_one_over_the_options(texts: list[str], entry: str) -> None:
    options = dict(zip("ABCD", texts, strict=False))
    chances = [lexical_chance(question(options=options, answer=letter), entry) for letter in options]
    assert sum(chances) == pytest.approx(1)
