"""Entries that say otherwise, and the answer that is the book's."""

import pytest

from openbook_eval.baselines import options_held
from openbook_eval.books.shared_books import counterfactual_answer, rewrite
from openbook_eval.exams import load_exam
from openbook_eval.types import Entry, Question
from tests.conftest import question

DRUGS = {"A": "红霉素", "B": "青霉素", "C": "链霉素", "D": "庆大霉素"}
SINGLE = question(stem="治疗支原体肺炎的首选药物是( )。", options=DRUGS, answer="A")
MULTI = question(qtype="multi", stem="属于大环内酯类的有", options=DRUGS, answer="AC")


def given(text: str) -> Entry:
    return Entry("q1", text, "given")


@pytest.mark.parametrize(
    ("options", "drawn"),
    [
        (DRUGS, set("BCD")),
        # "all of the above" only where nothing else is wrong
        ({"A": "红霉素", "B": "以上都是", "C": "青霉素"}, {"C"}),
        ({"A": "红霉素", "B": "以上都不是"}, {"B"}),
        # a wrong option with the right one's text would support nothing else
        ({"A": "红霉素", "B": " 红霉素", "C": "青霉素"}, {"C"}),
    ],
)
def test_a_wrong_letter_is_drawn_by_the_seed(options: dict[str, str], drawn: set[str]) -> None:
    assert {counterfactual_answer(question(options=options, answer="A"), seed) for seed in range(20)} == drawn


@pytest.mark.parametrize("seed", range(8))
def test_of_several_right_letters_one_gives_way_to_a_wrong_one(seed: int) -> None:
    answer = counterfactual_answer(MULTI, seed)
    assert len(answer) == 2
    assert len(set(answer) & set("AC")) == 1
    assert list(answer) == sorted(answer)
    assert len(counterfactual_answer(question(qtype="multi", options=DRUGS, answer="ABCD"), seed)) == 3


def test_twins_with_the_same_options_are_given_the_same_wrong_text_whatever_the_letters() -> None:
    turned = question(
        id="q2", stem="支原体肺炎首选", options=dict(zip("DCBA", DRUGS.values(), strict=True)), answer="D"
    )
    for seed in range(10):
        assert turned.options[counterfactual_answer(turned, seed)] == DRUGS[counterfactual_answer(SINGLE, seed)]


@pytest.mark.parametrize(
    ("options", "text", "exchanged"),
    [
        (DRUGS, "支原体肺炎首选红霉素。红霉素属大环内酯类。", "支原体肺炎首选青霉素。青霉素属大环内酯类。"),
        # not inside longer numbers
        ({"A": "10", "B": "80"}, "1000万人中有8000人患病，每万人10人。", "1000万人中有8000人患病，每万人80人。"),
        # what looks like a pattern is text
        ({"A": r"\d+(.*)", "B": r"\1[x]"}, r"答：\d+(.*)。", r"答：\1[x]。"),
    ],
)
def test_right_and_wrong_are_exchanged_in_a_passage(options: dict[str, str], text: str, exchanged: str) -> None:
    asked = question(stem="是哪一个", options=options, answer="A")
    assert rewrite(asked, given(text), "B", shared=False) == given(exchanged)


def test_a_passage_whose_stem_the_exchange_would_turn_gives_way_to_the_statement() -> None:
    reflex = question(stem="以“反射弧”作出反应称为", options={"A": "反射", "B": "顺应"}, answer="A")
    rewritten = rewrite(reflex, given("以“反射弧”作出反应称为反射。"), "B", shared=False)
    assert rewritten == Entry("q1", "以“反射弧”作出反应称为顺应。", "statement")


@pytest.mark.parametrize(
    ("text", "options", "shared"),
    [
        ("首选红霉素，而不是青霉素。", DRUGS, False),  # it would still name the right option
        ("支原体肺炎用大环内酯类。", DRUGS, False),  # no right text to exchange
        ("首选红霉素。", DRUGS, True),  # two questions would rewrite it two ways
        ("首选红霉素。", {"A": "红霉素", "B": "红霉素片"}, False),  # one is part of the other
        ("选肝。", {"A": "肝", "B": "肾"}, False),  # a single sign may be part of any word
    ],
)
def test_the_statement_of_the_wrong_option_stands_in_where_exchange_does_not_do(
    text: str, options: dict[str, str], shared: bool
) -> None:
    asked = question(stem="首选药物是", options=options, answer="A")
    assert rewrite(asked, given(text), "B", shared=shared) == Entry("q1", f"首选药物是{options['B']}。", "statement")


def test_a_multiple_choice_statement_names_exactly_the_books_answer() -> None:
    entry = rewrite(MULTI, given("属于大环内酯类的有红霉素链霉素。"), "AD", shared=False)
    assert entry.text == "属于大环内酯类的有红霉素庆大霉素。"
    assert options_held(entry.text, DRUGS) == "AD"


def test_every_entry_of_the_bundled_exam_supports_the_books_answer_and_not_the_option_given_up() -> None:
    def fits(asked: Question) -> bool:
        answer = counterfactual_answer(asked, 0)
        entry = rewrite(asked, Entry(asked.id, asked.knowledge or "", "given"), answer, shared=False)
        held = set(options_held(entry.text, asked.options))
        return set(answer) <= held and not (set(asked.answer) - set(answer)) & held

    unfit = [asked.id for asked in load_exam("mini").questions if not fits(asked)]
    assert unfit == []
