"""The examinee on the bundled exam: it follows the book, the whole book, and nothing but the book."""

from collections.abc import Callable
from typing import Any

import pytest

from openbook_eval.examinee import examinee_dir
from openbook_eval.exams import load_exam
from openbook_eval.matching import match_choice
from openbook_eval.prompt import render
from openbook_eval.types import Book, Entry, Question

# transformers and torch warn of their own affairs.
pytestmark = pytest.mark.filterwarnings("ignore")

_QUESTIONS = [question for question in load_exam("mini").questions if question.qtype == "single"][::3]


@pytest.fixture(scope="module")
def share_right() -> Callable[[Callable[[Question], Book]], float]:
    """The share of single choice questions that the examinee answers right with books of some kind."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model: Any = AutoModelForCausalLM.from_pretrained(examinee_dir())
    tokenizer: Any = AutoTokenizer.from_pretrained(examinee_dir())

    def answer(question: Question, book: Book) -> str:
        tokens = tokenizer(render(question, book), return_tensors="pt")
        said = model.generate(**tokens, max_new_tokens=4, do_sample=False)[0, tokens["input_ids"].shape[1] :]
        return match_choice(tokenizer.decode(said, skip_special_tokens=True), question.options, "single").letters

    def of(book: Callable[[Question], Book]) -> float:
        return sum(answer(question, book(question)) == question.answer for question in _QUESTIONS) / len(_QUESTIONS)

    return of


def without_the_clause(question: Question) -> Book:
    """The open book cut before the right option."""
    text = Book.of(question).text
    (right,) = question.right_texts
    return Book((Entry(question.id, text.partition(right)[0] or "。", "given"),))


def test_with_the_book_it_is_right_and_without_at_chance(
    share_right: Callable[[Callable[[Question], Book]], float],
) -> None:
    assert share_right(Book.of) >= 0.9
    assert share_right(lambda _: Book()) <= 0.4


def test_a_book_cut_before_the_answer_loses(share_right: Callable[[Callable[[Question], Book]], float]) -> None:
    assert share_right(without_the_clause) <= 0.5
