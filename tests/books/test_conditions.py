"""Items of each condition, on synthetic, bundled and published exams."""

import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from openbook_eval.baselines import options_held
from openbook_eval.books import shared_books
from openbook_eval.books.conditions import CONDITIONS
from openbook_eval.books.shared_books import Material
from openbook_eval.exams import load_exam
from tests.books.exams import ask, ask_all, make_exam, material

EXAMS = (*make_exam(900), *make_exam(300, "physician"), *make_exam(90, "pharmacist"))
LARGE = material(*EXAMS)


def test_a_condition_asks_the_own_entry_or_no_book() -> None:
    for item in ask(LARGE, "physician", "open"):
        assert (item.book.entries, item.expected, item.group) == ((item.entry,), item.question.answer, None)
        assert (item.depth, item.book_length) == (0.0, None)
    items = ask(LARGE, "physician", "closed")
    assert {(item.book.text, item.depth, item.group) for item in items} == {("", None, None)}
    assert [item.expected for item in items] == [item.question.answer for item in items]


def test_the_papers_conditions_ask_in_the_files_order_and_look_for_no_near_duplicates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared_books, "near_duplicates", lambda *_: pytest.fail("looked for"))
    made = material(*EXAMS, spare=[replace(EXAMS[0], id="spare")])
    for name in ("openbook", "closedbook", "openbook_ranked"):
        items = CONDITIONS[name].ask(made, "nursing", False)
        assert [item.question.id for item in items] == [f"nursing-{n}" for n in range(900)]


def test_all_conditions_ask_the_same_questions_in_the_same_order() -> None:
    orders = {
        condition: [item.question.id for item in ask(LARGE, "physician", condition)]
        for condition in ("open", "closed", "library_4k", "unanswerable", "counterfactual")
    }
    assert len(orders["open"]) == 300
    assert all(order == orders["open"] for order in orders.values())


def test_a_library_holds_the_entry_at_its_depth_and_an_unanswerable_book_wants_abstention() -> None:
    for item in ask(LARGE, "physician", "library_4k"):
        assert item.depth == item.book.text.index(item.entry.text) / len(item.book.text)
    assert {(item.expected, item.depth) for item in ask(LARGE, "physician", "unanswerable")} == {("", None)}


def test_right_is_the_books_answer_where_the_book_says_otherwise() -> None:
    for item in ask(LARGE, "physician", "counterfactual"):
        assert item.expected != item.question.answer
        assert options_held(item.entry.text, item.question.options) == item.expected
        assert item.entry.text in item.book.text


def test_a_contrary_book_is_rewritten_whole_as_long_as_the_librarys_and_in_its_order() -> None:
    plain, lies = (ask(LARGE, "pharmacist", condition)[0].book for condition in ("library_4k", "counterfactual"))
    assert 3_900 < len(lies.text) <= 4_000
    assert not {entry.text for entry in LARGE.entries.values()} & {entry.text for entry in lies.entries}
    assert {entry.question_id.split("-")[0] for entry in lies.entries} > {"pharmacist"}
    orders = [[entry.question_id for entry in book.entries] for book in (plain, lies)]
    both = set(orders[0]) & set(orders[1])
    assert len(both) > 100
    assert [key for key in orders[0] if key in both] == [key for key in orders[1] if key in both]


def test_passages_that_shrink_when_rewritten_are_made_up_for() -> None:
    long = [replace(q, knowledge=f"{q.stem}{'长' * 150}") for q in EXAMS]
    for item in ask(material(*long), "pharmacist", "counterfactual"):
        assert item.entry.provider == "statement"
        assert 3_900 < len(item.book.text) <= 4_000


def test_the_longest_books_ask_a_sample_that_is_each_exams_share_of_600_or_all_where_wanted() -> None:
    made = material(*EXAMS, *make_exam(600, "technician", stem=60))
    asked = {exam: len(ask(made, exam, "library_64k")) for exam in made.clusters}
    assert asked == {"nursing": 286, "physician": 95, "pharmacist": 29, "technician": 190}
    assert len(ask(made, "nursing", "library_64k", full=True)) == 900


def test_the_sample_is_the_same_at_both_lengths_and_the_first_of_the_order() -> None:
    made = material(*EXAMS, *make_exam(4000, "technician", stem=60))
    orders = [[item.question.id for item in ask(made, "nursing", name)] for name in ("library_64k", "library_256k")]
    assert orders[0] == orders[1] == [q.id for q in made.of("nursing")][: len(orders[0])]


def test_groups_smaller_than_the_share_are_asked_whole_and_so_is_a_small_exam() -> None:
    made = material(*make_exam(800, stem=900), *make_exam(800, "physician", stem=900))
    groups = Counter(item.group for item in ask(made, "nursing", "library_64k"))
    # 70 entries fill a book; four whole groups come nearest to the share of 300.
    assert list(groups.values()) == [70, 70, 70, 70]
    assert len(ask(material(*make_exam(40), *make_exam(500, "physician", stem=130)), "nursing", "library_64k")) == 40


def of_exam_file(spec: str) -> Material:
    return replace(material(*load_exam(spec).questions), name=spec)


def assert_sound(made: Material, lengths: list[int]) -> None:
    """What holds for every item of an exam: where its entry is, where it never is, and one book for a group."""
    for length in lengths:
        items = ask_all(made, f"library_{length // 1000}k")
        assert len(items) == len(made.questions) or length > 16_000
        assert all(item.entry.text in item.book.text.split("\n") for item in items)
        assert len({(item.group, item.book.text) for item in items}) == len({item.group for item in items})
        assert all(0.9 * length < len(item.book.text) <= length for item in items)
    lacking = ask_all(made, "unanswerable")
    assert len(lacking) == len(made.questions)
    for item in lacking:
        assert item.entry.text not in item.book.text
        told = {made.cluster_of[entry.question_id] for entry in item.book.entries}
        assert made.cluster_of[item.question.id] not in told


def test_the_bundled_exam_is_sound_in_every_condition() -> None:
    assert_sound(of_exam_file("mini"), [4_000, 16_000])


def test_two_thousand_published_questions_are_sound_in_every_condition(real_exams: Path) -> None:
    assert_sound(of_exam_file(f"{real_exams}/apollo_test_zh.json#cmb-single"), [4_000, 16_000, 64_000])


@pytest.mark.parametrize(
    ("condition", "pinned"),
    [("library_4k", "9e972d46cdb2"), ("unanswerable", "e6b4bfd1e374"), ("counterfactual", "296e3898f6ad")],
)
def test_books_are_laid_the_same_in_every_process(condition: str, pinned: str) -> None:
    """Pinned: python's own hashes differ from process to process, and nothing may hang on them."""
    books = dict.fromkeys(item.book.sha256 for item in ask_all(of_exam_file("mini"), condition))
    assert hashlib.sha256("".join(books).encode()).hexdigest()[:12] == pinned
