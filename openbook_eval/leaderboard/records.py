"""Boards and comparisons as they are exported: every figure with its interval, every run with what it was taken on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from math import isfinite
from typing import Any

import polars as pl

from openbook_eval.leaderboard.comparing import Comparison
from openbook_eval.leaderboard.exporting import Export, Sheet, sound
from openbook_eval.leaderboard.paths import without_folders
from openbook_eval.leaderboard.runs import Run
from openbook_eval.leaderboard.sheets import board_sheet, comparison_sheet
from openbook_eval.leaderboard.standings import MARKS, Board, Row
from openbook_eval.leaderboard.statistics.values import Estimate
from openbook_eval.types import EXAM_NAMES

_TEXTS = (
    "board", "condition", "model", "run", "date", "exam_name", "exam_version", "exam_sha256", "entries_sha256",
    "items_sha256", "task_version", "system_instruction", "chat_template", "profile", "gaps",
)  # fmt: skip
_ESTIMATES = ("average", "all_items", *EXAM_NAMES)
# A row of an exported table of boards. Shares are of 1; null where there is none.
RUNS = pl.Schema(
    {
        **dict.fromkeys(_TEXTS, pl.String()),
        **dict.fromkeys(("rank", "rank_low", "rank_high"), pl.Int64()),
        **{f"{name}{end}": pl.Float64() for name in _ESTIMATES for end in ("", "_low", "_high")},
        **dict.fromkeys(MARKS, pl.Float64()),
        **dict.fromkeys(("asked", "shots", "prompts_cut"), pl.Int64()),
        **dict.fromkeys(("limited", "truncation_checked"), pl.Boolean()),
    }
)
# A row of an exported table of comparisons: an exam, the average of six, or all items.
DIFFERENCES = pl.Schema(
    {
        **dict.fromkeys(("condition", "a_model", "b_model", "a_run", "b_run", "of"), pl.String()),
        **dict.fromkeys(("a", "b", "difference", "low", "high", "p", "p_holm"), pl.Float64()),
        "items": pl.Int64(),
    }
)


def of_boards(boards: Sequence[Board]) -> Export:
    """A row a run; as JSON a board with its runs; to read, a table a board."""
    rows = [[_row(board, row) for row in board.rows] for board in boards]
    frame = pl.DataFrame([row for own in rows for row in own], schema=RUNS)
    record = {"boards": [_board(board, own) for board, own in zip(boards, rows, strict=True)]}
    return Export(frame, without_folders(record), [_published(board_sheet(board)) for board in boards])


def of_comparisons(comparisons: Sequence[Comparison]) -> Export:
    """A row a difference; as JSON a comparison with the flipped items; to read, a table a comparison."""
    rows = [list(_differences(each)) for each in comparisons]
    frame = pl.DataFrame([row for own in rows for row in own], schema=DIFFERENCES)
    record = {"comparisons": [_comparison(each, own) for each, own in zip(comparisons, rows, strict=True)]}
    return Export(frame, without_folders(record), [_published(comparison_sheet(each)) for each in comparisons])


def _published(sheet: Sheet) -> Sheet:
    rows, notes = without_folders([list(row) for row in sheet.rows]), without_folders(list(sheet.notes))
    return replace(sheet, title=without_folders(sheet.title), rows=rows, notes=notes)


def _row(board: Board, row: Row) -> dict[str, Any]:
    averages = {"average": row.averages.macro, "all_items": row.averages.micro}
    estimates = averages | dict(zip(row.exams, row.averages.exams, strict=True))
    values: dict[str, Any] = {"board": board.group.key, **_of_run(row.run), **row.marks}
    if row.rank:
        values |= {"rank": row.rank.place, "rank_low": row.rank.low, "rank_high": row.rank.high}
    for name, estimate in estimates.items():
        values |= zip((name, f"{name}_low", f"{name}_high"), _ends(estimate), strict=True)
    return {name: values.get(name) for name in RUNS}


def _of_run(run: Run) -> dict[str, Any]:
    told = {
        "condition": run.condition,
        "model": run.model,
        "run": run.id,
        "date": run.date,
        "exam_name": run.exam.name,
        "exam_version": run.exam.version,
        "exam_sha256": run.exam.sha256,
        "entries_sha256": run.entries_sha256,
        "items_sha256": run.items_sha256,
        "task_version": run.task_version,
        "system_instruction": run.system_instruction,
        "chat_template": run.chat_template,
        "profile": run.profile,
        "gaps": run.gaps,
        "asked": run.asked,
        "shots": run.shots,
        "prompts_cut": run.truncation.cut,
        "limited": run.limited,
        "truncation_checked": run.truncation.checked,
    }
    sound_ones = {name: sound(value) if isinstance(value, str) else value for name, value in told.items()}
    return dict(without_folders(sound_ones))


def _ends(estimate: Estimate) -> tuple[float | None, float | None, float | None]:
    if not isfinite(estimate.value):
        return None, None, None
    if estimate.interval is None:
        return estimate.value, None, None
    return estimate.value, estimate.interval.low, estimate.interval.high


def _board(board: Board, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "board": board.group.key,
        "condition": board.group.condition,
        "exam": sound(board.group.title),
        "exams": list(board.exams),
        "detectable": board.detectable,
        "items_for_a_point": board.items_for_a_point,
        "notes": list(map(sound, board.notes)),
        "runs": list(rows),
    }


def _differences(comparison: Comparison) -> Iterator[dict[str, Any]]:
    a, b = _of_run(comparison.a), _of_run(comparison.b)
    runs = {"condition": a["condition"], "a_model": a["model"], "b_model": b["model"], "a_run": a["run"]}
    for name, found in comparison.differences():
        difference, low, high = _ends(found.estimate)
        yield {
            **runs,
            "b_run": b["run"],
            "of": name,
            "a": _number(found.a),
            "b": _number(found.b),
            "difference": difference,
            "low": low,
            "high": high,
            "p": _number(found.p),
            "p_holm": _number(found.adjusted),
            "items": found.estimate.n,
        }


def _number(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


def _comparison(comparison: Comparison, differences: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    flipped = [
        {name: sound(value) if isinstance(value, str) else value for name, value in asdict(flip).items()}
        for flip in comparison.flipped
    ]
    return {
        "condition": comparison.a.condition,
        "a": _of_run(comparison.a),
        "b": _of_run(comparison.b),
        "test": comparison.test,
        "detectable": comparison.detectable,
        "counts": asdict(comparison.counts),
        "differences": list(differences),
        "flipped": flipped,
    }
