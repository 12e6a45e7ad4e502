"""The piece `board`: all that the page shows before an item is opened."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from openbook_eval import __version__
from openbook_eval.leaderboard import published
from openbook_eval.leaderboard.page.chunks import SIZE
from openbook_eval.leaderboard.page.plots import Figure
from openbook_eval.results import Run
from openbook_eval.types import CHINESE_NAMES

if TYPE_CHECKING:
    from openbook_eval.leaderboard.board import Board, Row
    from openbook_eval.leaderboard.stats import Estimate, Interval

_OF_A_RUN = (
    "id",
    "model",
    "condition",
    "date",
    "exam",
    "entries_sha256",
    "task_version",
    "items_sha256",
    "asked",
    "limited",
    "shots",
    "system_instruction",
    "chat_template",
    "task_hashes",
    "gaps",
    "cost",
    "profile",
    "trained_on",
    "versions",
    "results",
)
_OF_TRUNCATION = ("checked", "reason", "prompts", "cut", "longest", "room")


def overview(
    boards: "Sequence[Board]",
    runs: Sequence[Run],
    refused: Sequence[str],
    *,
    made: str,
    with_texts: Collection[str],
    figures: Sequence[Figure],
) -> dict[str, Any]:
    """All of the piece. `runs` are those of the boards, in the order of their numbers; `with_texts` are ids of them."""
    board_of = {row.run.id: number for number, board in enumerate(boards) for row in board.rows}
    numbers = {run.id: number for number, run in enumerate(runs)}
    return {
        "version": __version__,
        "made": made,
        "refused": list(refused),
        "runs": [_run(run) | {"board": board_of[run.id], "texts": run.id in with_texts} for run in runs],
        "boards": [_board(board, numbers) for board in boards],
        "exams": dict(CHINESE_NAMES),
        "published": _published(),
        "plots": [_plot(figure) for figure in figures],
    }


def _run(run: Run) -> dict[str, Any]:
    fields = run.model_dump()
    truncation = {name: getattr(run.truncation, name) for name in _OF_TRUNCATION}
    return {name: fields[name] for name in _OF_A_RUN} | {"truncation": truncation}


def _board(board: "Board", numbers: Mapping[str, int]) -> dict[str, Any]:
    return {
        "key": board.group.key,
        "condition": board.group.condition,
        "title": board.group.title,
        "exams": list(board.exams),
        "notes": list(board.notes),
        "detectable": board.detectable,
        "items_for_a_point": board.items_for_a_point,
        "items": max(row.asked for row in board.rows),
        "chunk": SIZE,
        "rows": [_row(row, numbers[row.run.id]) for row in board.rows],
    }


def _row(row: "Row", number: int) -> dict[str, Any]:
    return {
        "run": number,
        "rank": [row.rank.place, row.rank.place, row.rank.last] if row.rank else None,
        "macro": _estimate(row.averages.macro),
        "micro": _estimate(row.averages.micro),
        "exams": [_estimate(estimate) for estimate in row.averages.exams],
        "marks": dict(row.metrics),
    }


def _estimate(estimate: "Estimate") -> list[float | None]:
    return [estimate.value, *_ends(estimate.interval)]


def _ends(interval: "Interval | None") -> tuple[float | None, float | None]:
    return (interval.low, interval.high) if interval else (None, None)


def _published() -> list[dict[str, Any]]:
    return [
        {
            "number": table.number,
            "title": table.title,
            "rows": [
                {
                    "model": row.model,
                    "params": row.params,
                    "setting": row.setting,
                    "general_ratio": row.general_ratio,
                    "medical_ratio": row.medical_ratio,
                    "medical_pairs": row.medical_pairs,
                    "value": [row.share, *_ends(row.interval)],
                    "before": row.before,
                    "note": row.note,
                }
                for row in table.rows
            ],
        }
        for table in published.tables()
    ]


def _plot(figure: Figure) -> dict[str, Any]:
    return {
        "name": figure.name,
        "title": figure.title,
        "alt": figure.alt,
        "caption": figure.caption,
        "columns": list(figure.columns),
        "rows": [list(row) for row in figure.rows],
    }
