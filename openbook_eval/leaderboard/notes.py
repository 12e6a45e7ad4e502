"""What must be said below a board: which of its runs are not those of the whole exam, and what was not averaged."""

from collections.abc import Iterator, Mapping, Sequence

from openbook_eval.errors import some
from openbook_eval.leaderboard.runs import Run
from openbook_eval.types import SIX_EXAMS, ExamName


def notes(runs: Sequence[Run], exams: Sequence[ExamName], unanswered: Mapping[str, int]) -> Iterator[str]:
    """The notes of a board, a line each; they hold names of models as they are.

    `unanswered` counts the items without a response of those runs that have such, by their ids.
    """
    six = [exam for exam in exams if exam in SIX_EXAMS]
    if 0 < len(six) < len(SIX_EXAMS):
        yield f"only {', '.join(six)}: no average of six exams; runs are ranked by the share of all items"
    if six and len(six) < len(exams):
        yield "questions without a label (other) stand beside the six exams and are in no average"
    if any(run.limited for run in runs):
        yield "taken with --limit: not all questions were asked"
    for run in runs:
        if run.truncation.checked and run.truncation.cut:
            cut = f"{run.truncation.cut:,} of {run.truncation.prompts:,} prompts did not reach the model whole"
            yield f"TRUNCATED: {run.model}: {cut}"
        if lacking := unanswered.get(run.id):
            reason = f" ({run.gaps})" if run.gaps else ""
            yield (
                f"{run.model}: {lacking:,} of {run.asked:,} items have no response{reason}; it has no rank, and its "
                "averages are of the others"
            )
    for reason, models in _unchecked(runs).items():
        yield f"not checked for truncation ({reason}): {some(models)}"


def _unchecked(runs: Sequence[Run]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for run in runs:
        if not run.truncation.checked:
            found.setdefault(run.truncation.reason or "no reason is told", []).append(run.model)
    return found
