"""What a run of the reading exam says of a model: gains, losses and obedience, each paired by item.

Definitions for users stand in tasks/README.md.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from pathlib import Path
from typing import Any

import orjson

from openbook_eval.types import EXAM_NAMES

# Parts of a book, front to back, in which entries are counted together.
DEPTHS = 5


@dataclass(frozen=True, slots=True)
class Answered:
    """One item of a run and its marks; `condition` is named as the task is: open, closed, library_4k, ..."""

    id: str
    exam: str
    condition: str
    depth: float | None
    correct: bool
    answered: bool
    abstained: bool
    followed: str | None


def find(results: Mapping[str, Any], samples: Mapping[str, Path]) -> dict[str, Any] | None:
    """The measures of a run, as JSON, from lm-eval's results and the samples file of each task; None for other exams.

    Where samples are missing or broken, `checked` is false and `reason` says why; nothing is raised.
    """
    tasks = [task for task in results["configs"] if task.startswith("cmed_reading_")]
    if not tasks:
        return None
    if missing := [task for task in tasks if task not in samples]:
        return {"checked": False, "reason": f"no samples of {missing[0]} beside the results"}
    try:
        return measures(item for task in tasks for item in _read(samples[task]))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        return {
            "checked": False,
            "reason": f"the samples are not as lm-eval writes them ({type(error).__name__}: {error})",
        }


def _read(path: Path) -> Iterator[Answered]:
    with path.open("rb") as lines:
        for line in lines:
            if item := answered(orjson.loads(line)):
                yield item


def answered(sample: Mapping[str, Any]) -> Answered | None:
    """The item of a line of lm-eval's samples, None where it is none of the reading exam or got no response.

    Raises KeyError.
    """
    doc = sample["doc"]
    # A question without a response has no marks.
    if not doc.get("condition", "").startswith("reading_") or sample.get("metrics") == []:
        return None
    followed = [name for name in ("context", "memory", "neither") if sample.get(f"follows_{name}")]
    condition = doc["condition"].removeprefix("reading_")
    shared = condition.startswith("library")
    return Answered(
        id=doc["id"],
        exam=doc["exam"],
        condition=condition,
        depth=doc["depth"] if shared else None,
        correct=bool(sample["correct"]),
        answered=bool(sample["answered"]),
        abstained=bool(sample["abstained"]),
        followed=followed[0] if followed else None,
    )


def measures(items: Iterable[Answered]) -> dict[str, Any]:
    """All measures of a run, over all its items and under `by_exam` for each exam; None stands where items lack.

    Shares are of 1. A paired measure is taken over the items that both conditions asked; its counts `both`,
    `first_only`, `second_only`, `neither` tell which of them were answered right where.
    """
    items = list(items)
    by_exam = {exam: own for exam in EXAM_NAMES if (own := [item for item in items if item.exam == exam])}
    return _of(items) | {"by_exam": {exam: _of(own) for exam, own in by_exam.items()}}


def _of(items: Sequence[Answered]) -> dict[str, Any]:
    runs: dict[str, dict[str, Answered]] = defaultdict(dict)
    for item in items:
        runs[item.condition][item.id] = item
    libraries = sorted((name for name in runs if name.startswith("library_")), key=lambda name: int(name[8:-1]))
    return {
        "conditions": {name: _shares(list(run.values())) for name, run in runs.items()},
        "context_gain": _gain(runs),
        "retention": {name: _retention(runs, name) for name in libraries},
        "abstention": {
            "unanswerable": _share(runs["unanswerable"].values(), _abstained) if "unanswerable" in runs else None,
            "false": {
                name: _share(runs[name].values(), _abstained)
                for name in ("open", *libraries, "counterfactual")
                if name in runs
            },
        },
        "context_faithfulness": _faithfulness(list(runs["counterfactual"].values()))
        if "counterfactual" in runs
        else None,
    }


def _shares(items: Sequence[Answered]) -> dict[str, Any]:
    return {
        "items": len(items),
        "correct": _share(items, _correct),
        "answered": _share(items, lambda item: item.answered),
        "abstained": _share(items, _abstained),
    }


def _gain(runs: Mapping[str, Mapping[str, Answered]]) -> dict[str, Any] | None:
    pairs = _pairs(runs, "open", "closed")
    if not pairs:
        return None
    opened, closed = _share([a for a, _ in pairs], _correct), _share([b for _, b in pairs], _correct)
    gain = fsum(a.correct - b.correct for a, b in pairs) / len(pairs)
    return {"items": len(pairs), "open": opened, "closed": closed, "gain": gain, **_table(pairs)}


def _retention(runs: Mapping[str, Mapping[str, Answered]], library: str) -> dict[str, Any] | None:
    pairs = _pairs(runs, library, "open")
    if not pairs:
        return None
    parts: dict[int, list[tuple[Answered, Answered]]] = defaultdict(list)
    for pair in pairs:
        parts[min(DEPTHS - 1, int((pair[0].depth or 0.0) * DEPTHS))].append(pair)
    by_depth = [
        {"from": part / DEPTHS, "to": (part + 1) / DEPTHS, **_ratio(parts[part])}
        for part in range(DEPTHS)
        if parts[part]
    ]
    return {**_ratio(pairs), **_table(pairs), "by_depth": by_depth}


def _ratio(pairs: Sequence[tuple[Answered, Answered]]) -> dict[str, Any]:
    """Right answers in the library over right answers to the same items on their own entry."""
    library, opened = (sum(pair[side].correct for pair in pairs) for side in (0, 1))
    return {
        "items": len(pairs),
        "library": library / len(pairs),
        "open": opened / len(pairs),
        "retention": library / opened if opened else None,
    }


def _faithfulness(items: Sequence[Answered]) -> dict[str, Any]:
    counts = {
        f"follows_{name}": sum(item.followed == name for item in items) / len(items)
        for name in ("context", "memory", "neither")
    }
    return {"items": len(items), **counts}


def _pairs(runs: Mapping[str, Mapping[str, Answered]], first: str, second: str) -> list[tuple[Answered, Answered]]:
    if first not in runs or second not in runs:
        return []
    return [(item, runs[second][key]) for key, item in runs[first].items() if key in runs[second]]


def _table(pairs: Sequence[tuple[Answered, Answered]]) -> dict[str, int]:
    right = [(first.correct, second.correct) for first, second in pairs]
    return {
        "both": right.count((True, True)),
        "first_only": right.count((True, False)),
        "second_only": right.count((False, True)),
        "neither": right.count((False, False)),
    }


def _share(items: Iterable[Answered], has: Callable[[Answered], bool]) -> float | None:
    marks = [has(item) for item in items]
    return sum(marks) / len(marks) if marks else None


def _correct(item: Answered) -> bool:
    return item.correct


def _abstained(item: Answered) -> bool:
    return item.abstained
