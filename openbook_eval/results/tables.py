"""The scores of runs laid out for a terminal of 80 columns."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from openbook_eval.books.conditions import CONDITIONS
from openbook_eval.console import percent, table
from openbook_eval.errors import visible
from openbook_eval.results.metrics import DEPTHS, Scores
from openbook_eval.results.rescoring import Rescored
from openbook_eval.results.runs import READING, Run
from openbook_eval.scoring import METRICS
from openbook_eval.types import CHINESE_NAMES, EXAM_NAMES, SIX_EXAMS

# So that eight exams stand in a terminal of 80 columns.
_SHORT = dict(zip(EXAM_NAMES, ("phys", "nurs", "phar", "tech", "prof", "post", "other"), strict=True))
_EXCERPT = 100


def scores_table(run: Run, scores: Scores, interval: tuple[float, float] | None = None) -> Table:
    """Lay out the exams of a run in percent, below them the paper's average, its 95 % interval, and that by size."""
    metrics = [name for name in METRICS if scores.exams[name].null_count() < scores.exams.height]
    rows = [
        [
            f"{row['exam']} {CHINESE_NAMES[row['exam']]}",
            str(row["questions"]),
            *(percent(row[name], 2) for name in metrics),
        ]
        for row in scores.exams.to_dicts()
    ]
    if six := scores.six.height:
        asked = str(scores.six["questions"].sum()) if six else ""
        rows += [[], ["Avg.(All exams)", asked, percent(scores.average, 2)]]
        rows += [["95 % interval", "", f"{percent(interval[0])}-{percent(interval[1])}"]] if interval else []
        rows += [["weighted by size", asked, percent(scores.weighted_average, 2)]]
    legend = "percent; strict: nothing but the right letters; format: nothing but letters"
    columns = ["exam", "asked", *(METRICS[name].label for name in metrics)]
    return table(columns, rows, _title(run, CONDITIONS[run.condition].title), [legend, *caveats(run)])


def _title(run: Run, asked: str) -> str:
    exam = f"{run.exam.name}, version {run.exam.version}, sha256 {run.exam.sha256[:12]}"
    return f"{run.model}, {asked}\nexam {exam}; run {run.date}"


def caveats(run: Run) -> Iterator[str]:
    """Say what keeps a run's figures from being those of the whole exam: a limit, missing answers, cut prompts."""
    if run.limited:
        yield "taken with --limit: not all questions were asked"
    if run.gaps:
        yield run.gaps
    if not run.truncation.checked:
        yield f"not checked for truncation ({run.truncation.reason})"
    elif run.truncation.cut:
        yield f"TRUNCATED: {run.truncation.cut} of {run.truncation.prompts} prompts did not reach the model whole"


def reading_report(runs: Mapping[str, Run], metrics: Mapping[str, Any]) -> Iterator[Table | Text]:
    """Lay out right answers by condition and exam, then gain, retention, abstention and faithfulness, in percent."""
    notes = dict.fromkeys(note for run in runs.values() for note in caveats(run))
    yield _by_condition(metrics, _title(next(iter(runs.values())), "reading exam"), list(notes))
    if gain := metrics["context_gain"]:
        yield Text(
            f"context gain {100 * gain['gain']:+.2f}: open {percent(gain['open'], 2)}, "
            f"closed {percent(gain['closed'], 2)}; of {gain['items']} items {gain['both']} right in both, "
            f"{gain['first_only']} only open, {gain['second_only']} only closed, {gain['neither']} in neither"
        )
    if metrics["retention"]:
        yield _by_length(metrics["retention"])
    abstention = metrics["abstention"]
    if abstention["unanswerable"] is not None:
        yield Text(f"abstained where the book does not tell: {percent(abstention['unanswerable'], 2)}")
    if abstention["false"]:
        false = ", ".join(
            f"{CONDITIONS[name].title} {percent(share, 2)}" for name, share in abstention["false"].items()
        )
        yield Text(f"abstained where the book tells: {false}")
    if faithfulness := metrics["context_faithfulness"]:
        follows = (f"{percent(faithfulness[f'follows_{name}'], 2)} {name}" for name in ("context", "memory", "neither"))
        yield Text(f"context faithfulness: where the book says otherwise, answers follow {', '.join(follows)}")


def _narrow(share: float | None) -> str:
    return percent(share).replace("100.0", "100")


def _by_condition(metrics: Mapping[str, Any], title: str, notes: list[str]) -> Table:
    """Lay out a row a condition: right answers of each exam, the plain mean of the six, and of all items."""
    exams = [exam for exam in EXAM_NAMES if exam in metrics["by_exam"]]
    six = set(SIX_EXAMS) <= set(exams)
    rows = []
    for condition in (name for name in READING if name in metrics["conditions"]):
        of_exams = [metrics["by_exam"][exam]["conditions"].get(condition, {}).get("correct") for exam in exams]
        own = metrics["conditions"][condition]
        known = [share for exam, share in zip(exams, of_exams, strict=True) if exam in SIX_EXAMS and share is not None]
        mean = [sum(known) / 6 if len(known) == 6 else None] if six else []
        rows.append([CONDITIONS[condition].title, str(own["items"]), *map(_narrow, [*of_exams, *mean, own["correct"]])])
    columns = ["correct", "items", *(_SHORT[exam] for exam in exams), *(["six"] if six else []), "all"]
    return table(columns, rows, title, notes)


def _by_length(retention: Mapping[str, Any]) -> Table:
    """Lay out a row a library: what is kept of the open book's right answers, in all and by the entry's depth."""
    rows = []
    for name, kept in retention.items():
        if kept:
            parts = {round(part["from"] * DEPTHS): part["retention"] for part in kept["by_depth"]}
            shares = [kept["open"], kept["library"], kept["retention"], *(parts.get(part) for part in range(DEPTHS))]
            rows.append([CONDITIONS[name].title, str(kept["items"]), *map(_narrow, shares)])
    fifths = [f"{100 * part // DEPTHS}-{100 * (part + 1) // DEPTHS}" for part in range(DEPTHS)]
    return table(["retention", "items", "open", "library", "kept", *fifths], rows)


def rescored_report(rescored: Rescored, shown: int) -> Iterator[Table | Text]:
    """Lay out score and rank of each model by each matcher, and the responses that are read differently."""
    names = list(rescored.scores)
    rows = [
        [model, *(f"{percent(rescored.scores[name][model], 2)} ({rescored.ranks[name][model]})" for name in names)]
        for model in next(iter(rescored.scores.values()))
    ]
    yield table(["model", *names], rows, f"{rescored.asked}: correct in percent (rank)")
    if rescored.order_depends_on_matcher:
        yield Text("warning: the order of the models depends on the matcher", style="bold")
    yield Text(f"{len(rescored.differences)} of {rescored.responses} responses are not read the same by all")
    for response, read in rescored.differences[:shown]:
        letters = ", ".join(f"{name} {found or '-'}" for name, found in read.items())
        excerpt = " ".join(response.text.split())
        excerpt = excerpt if len(excerpt) <= _EXCERPT else f"{excerpt[:50]} ... {excerpt[-45:]}"
        yield Text(visible(f"{response.id} (answer {response.answer}): {letters} | {excerpt}"))
