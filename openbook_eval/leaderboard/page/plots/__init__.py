"""The page's plots: drawn when it is built, each with its figures as a table."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import polars as pl

from openbook_eval.leaderboard.page.plots import profile, retention, sittings, study, tradeoff
from openbook_eval.leaderboard.page.plots.drawing import draw
from openbook_eval.leaderboard.page.plots.figure import Figure

if TYPE_CHECKING:
    from openbook_eval.leaderboard.board import Board

__all__ = ["Figure", "draw", "figures"]


def figures(boards: "Sequence[Board]", items: Mapping[str, pl.DataFrame]) -> list[Figure]:
    """All figures that there are data for, in the order of the page; `items` are those of each run by its id.

    A second figure of a kind, of another exam say, has a number at its name.
    """
    found: list[Figure | None] = [study.by_ratio(boards), study.by_size(boards)]
    groups = sittings.sittings(boards)
    for pair in tradeoff.PAIRS:
        found += [
            tradeoff.gain_by_knowledge(group, items, pair, _name(f"gain-{pair}", n)) for n, group in enumerate(groups)
        ]
    found += [retention.by_depth(group, items, _name("retention", n)) for n, group in enumerate(groups)]
    for kind, make in (("profile", profile.by_exam), ("strict", profile.strictly)):
        conditions = [board.group.condition for board in boards]
        found += [
            make(board, _name(f"{kind}-{board.group.condition}", conditions[:n].count(board.group.condition)))
            for n, board in enumerate(boards)
        ]
    return [figure for figure in found if figure is not None]


def _name(kind: str, earlier: int) -> str:
    return f"{kind}-{earlier + 1}" if earlier else kind
