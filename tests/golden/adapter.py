"""All that the golden tests know of names of commands, task files and modules: a rename changes this file only."""

from pathlib import Path
from typing import Any

from typer.testing import CliRunner

REPOSITORY = Path(__file__).parents[2]
EXAMS = ("physician", "nursing", "pharmacist", "technician", "professional", "postgraduate")
# Groups of task files by what they mean. Books of 64,000 characters and more are not filled by the bundled exam.
GROUPS = {
    "openbook": "cmed_openbook",
    "closedbook": "cmed_closedbook",
    "ranked": "cmed_openbook_ranked",
    "reading, open": "cmed_reading_open",
    "reading, closed": "cmed_reading_closed",
    "reading, library of 4k": "cmed_reading_library_4k",
    "reading, library of 16k": "cmed_reading_library_16k",
    "reading, unanswerable": "cmed_reading_missing",
    "reading, counterfactual": "cmed_reading_contrary",
}


def openbook_eval(*arguments: object) -> str:
    """Return what `openbook-eval ...` prints."""
    from openbook_eval.cli import app

    return _printed(app, arguments)


def _printed(app: Any, arguments: tuple[object, ...]) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def tasks() -> dict[str, dict[str, Any]]:
    """Return the tasks of the bundled exam by group's meaning and exam, as lm-eval loads them."""
    from lm_eval.tasks import TaskManager

    metadata = {"exam": "mini", "pretrained": "some/model"}
    manager = TaskManager(include_path=str(REPOSITORY / "tasks"), include_defaults=False, metadata=metadata)
    loaded = manager.load(list(GROUPS.values()))["tasks"]
    return {meaning: {exam: loaded[f"{group}_{exam}"] for exam in EXAMS} for meaning, group in GROUPS.items()}
