"""Builds the page: a folder that works from disk, its data in pieces that are loaded when they are looked at."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from openbook_eval.leaderboard.export import without_folders
from openbook_eval.leaderboard.page import chunks, columns, pieces
from openbook_eval.leaderboard.page.folder import replacing
from openbook_eval.leaderboard.page.overview import overview
from openbook_eval.leaderboard.page.plots import Figure, draw, figures
from openbook_eval.results import Run

if TYPE_CHECKING:
    from openbook_eval.leaderboard.board import Board
    from openbook_eval.results import Runs

Progress = Callable[[str], None]


def build(taken: "Runs", boards: "Sequence[Board]", out: Path, *, progress: Progress | None = None) -> Path:
    """Writes the page of `boards` to the folder `out` and gives its index.html; an older page there is replaced.

    The same input makes the same bytes: the page's date is that of the newest run. Runs whose texts are not at hand
    have marks but no texts. `progress` is told what is being written. Raises OpenbookError where `out` holds
    something else, or cannot be written.
    """
    tell = progress or _say_nothing
    runs = [row.run for board in boards for row in board.rows]
    numbers = {run.id: number for number, run in enumerate(runs)}
    items = {str(run): own for (run,), own in taken.items.partition_by("run", as_dict=True).items()}
    with replacing(out) as new:
        with_texts: set[str] = set()
        for number, board in enumerate(boards):
            with_texts |= _write_board(new / "data", number, board, items, numbers, tell)
        tell("plots")
        drawn = figures(boards, items)
        for figure in drawn:
            _write_plot(new / "plots", figure)
        made = max((run.date for run in runs), default="")
        board_piece = overview(boards, runs, taken.refused, made=made, with_texts=with_texts, figures=drawn)
        pieces.write(new / "data", "board", without_folders(board_piece))
        _copy_static(new)
    return out / "index.html"


def _write_board(
    data: Path,
    number: int,
    board: "Board",
    items: Mapping[str, pl.DataFrame],
    numbers: Mapping[str, int],
    tell: Progress,
) -> set[str]:
    """Writes items, marks and texts of a board; gives the ids of the runs whose texts were at hand."""
    asked = columns.in_order(items[board.rows[0].run.id], board.exams)
    pieces.write(data, f"items-{number}", columns.of_items(asked, board.exams))
    places = {key: place for place, key in enumerate(asked["id"])}
    with_texts: list[Run] = []
    for run in (row.run for row in board.rows):
        tell(f"{run.model}, {run.condition}")
        pieces.write(data, f"marks-{numbers[run.id]}", columns.of_marks(items[run.id], asked["id"]))
        if run.has_texts:
            chunks.write(data, f"answers-{numbers[run.id]}", _answers(run), places)
            with_texts.append(run)
    # All runs of a board were asked the same in the same words: the first that has them tells them.
    if with_texts:
        chunks.write(data, f"questions-{number}", _questions(with_texts[0]), places)
        books = ((text.book_sha256 or "", text.book) for text in with_texts[0].texts() if text.book is not None)
        chunks.write_books(data, books)
    return {run.id for run in with_texts}


def _questions(run: Run) -> Iterator[tuple[str, dict[str, Any]]]:
    for text in run.texts():
        question = text.question
        yield (
            question.id,
            {
                "id": question.id,
                "exam_class": question.exam_class,
                "subject": question.subject,
                "qtype": question.qtype,
                "stem": question.stem,
                "options": [list(option) for option in question.options.items()],
                "right": text.expected,
                "entry": text.entry,
                "provider": text.provider,
                "book": text.book_sha256 if chunks.is_digest(text.book_sha256) else None,
                "before": text.prompt_before,
                "after": text.prompt_after,
            },
        )


def _answers(run: Run) -> Iterator[tuple[str, dict[str, Any]]]:
    for text in run.texts():
        yield (
            text.question.id,
            {
                "response": text.response,
                "letters": text.choice.letters if text.choice else None,
                "state": text.choice.state if text.choice else None,
                "rule": text.choice.rule if text.choice else None,
                "opening": text.template_before,
                "closing": text.template_after,
            },
        )


def _write_plot(plots: Path, figure: Figure) -> None:
    for theme, picture in draw(figure).items():
        (plots / f"{figure.name}-{theme}.svg").write_text(picture, encoding="utf-8", newline="\n")


def _copy_static(new: Path) -> None:
    (new / "assets").mkdir()
    with as_file(files("openbook_eval.leaderboard.page") / "static") as static:
        for path in sorted(static.iterdir()):
            shutil.copyfile(path, new / ("" if path.name == "index.html" else "assets") / path.name)


def _say_nothing(_: str) -> None:
    """Where nobody waits."""
