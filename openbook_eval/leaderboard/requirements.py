"""What a run must be before it is ranked on a board that others hand runs in to."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import polars as pl

from openbook_eval.leaderboard.likeness import key, unlike
from openbook_eval.leaderboard.runs import Run
from openbook_eval.leaderboard.taken import Taken
from openbook_eval.types import SIX_EXAMS

# The engine is asked once where questions repeat each other word for word; no exam has so many that do.
_DISTINCT = 0.9


def faults(run: Run, board: Taken) -> Iterator[str]:
    """Why a run may not be ranked among the runs of a board, itself one of them; nothing where it may."""
    own = board.items.filter(run=run.id)
    yield from _incomplete(run, own)
    yield from _cut(run)
    if without := [file.exam for file in run.samples if f"cmed_{run.condition}_{file.exam}" not in run.task_hashes]:
        yield f"no task hash of {', '.join(without)}; lm-eval writes them with --log_samples"
    others = [other for other in board.runs if other.id != run.id]
    # Of each kind one is enough.
    for odds in (_other_items, _other_prompts, _false_items):
        yield from islice(odds(run, others, board), 1)


def _incomplete(run: Run, own: pl.DataFrame) -> Iterator[str]:
    exams = {file.exam for file in run.samples}
    if exams != {"other"} and (lacking := [exam for exam in SIX_EXAMS if exam not in exams]):
        yield f"asks no questions of {', '.join(lacking)}: a board ranks all six exams"
    if run.limited:
        yield "was taken with --limit"
    if run.gaps:
        yield run.gaps
    elif unanswered := own["correct"].null_count():
        yield f"{unanswered:,} items have no response"
    if own.height != run.asked:
        yield f"has {own.height:,} items, but says that it asked {run.asked:,}"
    answered = _answered(run.cost or {})
    if answered is not None and answered < _DISTINCT * run.asked:
        yield f"its journal has {answered:,} answers to {run.asked:,} items"


def _cut(run: Run) -> Iterator[str]:
    if not run.truncation.checked:
        yield f"was not checked for truncation ({run.truncation.reason})"
    elif run.truncation.cut:
        yield f"{run.truncation.cut:,} of {run.truncation.prompts:,} prompts did not reach the model whole"


def _other_items(run: Run, others: Sequence[Run], _: Taken) -> Iterator[str]:
    """A board has one set of items of each exam: no run of a part of it, or with its books laid in another way."""
    for other in others:
        if other.items_sha256 != run.items_sha256 and _same_but_items(run, other):
            yield f"beside {other.model}: {'; '.join(unlike(other, run))}"


def _other_prompts(run: Run, others: Sequence[Run], _: Taken) -> Iterator[str]:
    """A task hash is over documents, prompts and answers; prompts are alike where the chat template is."""
    for other in others:
        same = key(other) == key(run) and other.chat_template == run.chat_template
        if same and other.task_hashes != run.task_hashes:
            yield f"its task hashes are not those of {other.model} with the same chat template: prompts differ"


def _false_items(run: Run, others: Sequence[Run], board: Taken) -> Iterator[str]:
    own = _asked(board, run)
    for other in others:
        if key(other) == key(run) and not _asked(board, other).equals(own):
            yield f"its items are not those of {other.model}, though it says so"


def _asked(board: Taken, run: Run) -> pl.DataFrame:
    return board.items.filter(run=run.id).select("exam", "id", "right").sort("exam", "id")


def _same_but_items(run: Run, other: Run) -> bool:
    there = other.model_copy(update={"items_sha256": run.items_sha256})
    return key(there) == key(run)


def _answered(cost: Mapping[str, Any]) -> int | None:
    """Prompts that were answered, by the engine or from its journal, or by an endpoint; None where it is not told."""
    told = [cost[name] for name in ("prompts", "kept", "answered") if isinstance(cost.get(name), int)]
    return sum(told) if told else None
