"""What the reading exam comes to, counted by hand on a small exam."""

from pathlib import Path

from openbook_eval.conditions import LAYOUTS, ask
from openbook_eval.overview import overviews
from openbook_eval.prompt import render
from openbook_eval.sitting import Settings, prepare
from tests.exams.test_own import ROW, write_lines


def test_a_row_for_each_condition_and_a_reason_for_what_cannot_be_asked() -> None:
    rows = list(overviews(prepare(Settings(exam="mini"))))
    assert [row.condition for row in rows] == list(LAYOUTS)
    assert {row.condition for row in rows if row.refusal} == {"library_64k", "library_256k"}
    assert {row.items for row in rows if not row.refusal} == {258}


def test_a_book_counts_once_however_many_prompts_begin_with_it(tmp_path: Path) -> None:
    rows = [{**ROW, "id": str(n), "knowledge": f"第{n}条材料，" + "长" * 400} for n in range(20)]
    sitting = prepare(Settings(exam=str(write_lines(tmp_path, *rows))))
    library = next(row for row in overviews(sitting) if row.condition == "library_4k")
    prompts = [render(item.question, item.book, "reading") for item in ask(sitting.material, "nursing", "library")]
    books = {prompt.partition("【要求】")[0] for prompt in prompts}
    assert (library.items, library.books, len(books)) == (20, 3, 3)
    assert library.characters == sum(map(len, prompts))
    # The frame puts five signs before a book and two after it, into each prompt.
    own = sum(len(prompt) - len(prompt.partition("【要求】")[0]) + len("【材料】\n\n\n") for prompt in prompts)
    assert library.unique == own + sum(len(book) - len("【材料】\n\n\n") for book in books)
