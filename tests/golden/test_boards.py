"""Boards and comparisons of invented runs, as `leaderboard --export` and `compare --export` write them.

The intervals are not pinned, nor what is drawn to find them.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.golden import adapter
from tests.golden.golden import same

FIGURES = ("average", "all_items", *adapter.EXAMS, "correct_strict", "format_followed", "answered", "partial_credit")
OF_RUN = ("model", "date", "exam_name", "exam_version", "asked", "shots", "limited", "prompts_cut", "gaps", "rank")
OF_DIFFERENCE = ("a", "b", "difference", "p", "p_holm", "items")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return adapter.lay_out("boards", tmp_path_factory.mktemp("boards"))


def exported(folder: Path, command: str, *arguments: object) -> list[dict[str, Any]]:
    file = folder / "exported.json"
    adapter.openbook_eval(command, *arguments, "--export", file)
    (found,) = json.loads(file.read_bytes()).values()
    assert isinstance(found, list)
    return found


def test_scores_averages_and_ranks(runs: Path, tmp_path: Path) -> None:
    boards = exported(tmp_path, "leaderboard", runs)
    assert [len(board["runs"]) for board in boards] == [6, 5, 1, 2, 2]
    found = {
        board["condition"]: {
            "exam": board["exam"],
            "notes": board["notes"],
            "runs": [{name: row[name] for name in (*OF_RUN, *FIGURES)} for row in board["runs"]],
        }
        for board in boards
    }
    same("boards.json", found)


@pytest.mark.parametrize("cluster", ["auto", "class"])
def test_differences_p_values_counts_and_flipped_items(runs: Path, tmp_path: Path, cluster: str) -> None:
    arguments = ("some/base", "some/base-1-9", "--among", runs, "--cluster", cluster)
    found = exported(tmp_path, "compare", *arguments)
    assert len(found) == 4
    same(
        f"compared_by_{cluster}.json",
        {
            each["condition"]: {
                "test": each["test"],
                "counts": each["counts"],
                "differences": {row["of"]: [row[name] for name in OF_DIFFERENCE] for row in each["differences"]},
                "flipped": [list(flip.values()) for flip in each["flipped"]],
            }
            for each in found
        },
    )
