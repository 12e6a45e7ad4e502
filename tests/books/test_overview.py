"""What the reading exam comes to, counted by hand on a small exam."""

from pathlib import Path

from openbook_eval.books.preparation import ExamSettings, overviews, prepare
from openbook_eval.prompt import build_prompt
from tests.books.exams import ask
from tests.exams.test_own import ROW, write_lines


def test_a_row_for_each_condition_and_a_reason_for_what_cannot_be_asked() -> None:
    rows = list(overviews(prepare(ExamSettings(exam="mini"))))
    assert [row.condition for row in rows] == [
        *("open", "closed", "library 4k", "library 16k", "library 64k", "library 256k"),
        *("unanswerable", "counterfactual"),
    ]
    assert {row.condition for row in rows if row.refusal} == {"library 64k", "library 256k"}
    assert {row.items for row in rows if not row.refusal} == {258}


def test_a_book_counts_once_however_many_prompts_begin_with_it(tmp_path: Path) -> None:
    rows = [{**ROW, "id": str(n), "knowledge": f"第{n}条材料，" + "长" * 400} for n in range(20)]
    prepared = prepare(ExamSettings(exam=str(write_lines(tmp_path, *rows))))
    library = next(row for row in overviews(prepared) if row.condition == "library 4k")
    prompts = [
        build_prompt(item.question, item.book, "reading") for item in ask(prepared.material, "nursing", "library_4k")
    ]
    books = {prompt.partition("【要求】")[0] for prompt in prompts}
    assert (library.items, library.books, len(books)) == (20, 3, 3)
    assert library.characters == sum(map(len, prompts))
    # The frame puts five signs before a book and two after it, into each prompt.
    own = sum(len(prompt) - len(prompt.partition("【要求】")[0]) + len("【材料】\n\n\n") for prompt in prompts)
    assert library.unique == own + sum(len(book) - len("【材料】\n\n\n") for book in books)
