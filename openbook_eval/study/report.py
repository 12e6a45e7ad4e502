"""Write the report of a study as Markdown, page, CSV and pictures; print it, or a fit, for a terminal."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from rich.padding import Padding
from rich.text import Text

from openbook_eval.console import line, percent, table
from openbook_eval.errors import OpenbookError, visible
from openbook_eval.files import replace_folder
from openbook_eval.leaderboard import published
from openbook_eval.leaderboard.board import boards
from openbook_eval.leaderboard.export import (
    INTERVAL,
    NONE,
    Export,
    Sheet,
    between,
    export,
    markdown,
    p_value,
    percents,
    points,
)
from openbook_eval.leaderboard.page import build
from openbook_eval.leaderboard.plots import ACCURACY, Trained, framed, table_axis
from openbook_eval.leaderboard.svg import Plot, draw
from openbook_eval.results import Runs
from openbook_eval.results.runs import ORDER
from openbook_eval.study.claims import ClaimOutcome, Conclusion, Evidence, Judgement, judge
from openbook_eval.study.fit import FitGroup, FittedCondition, Optimum, StudyFit
from openbook_eval.study.laws import FORMULAS, Place
from openbook_eval.study.results import (
    CLOSED,
    OPEN,
    Arm,
    Result,
    Results,
    StudyPoint,
    arms_of,
    paper_points,
    points_of,
    read_results,
    title,
    under,
)
from openbook_eval.study.workflow import Workflow

if TYPE_CHECKING:
    from rich.console import RenderableType

REPORT, POINTS, PAGE = "report.md", "points.csv", "index.html"
_TEXTS, _COUNTS = ("source", "model", "condition", "cell"), ("table", "general", "medical", "rows", "seed", "items")
_POINTS = pl.Schema(dict.fromkeys(_TEXTS, pl.String()) | dict.fromkeys(_COUNTS, pl.Int64()) | {"share": pl.Float64()})
LEVELS = (
    "Only directions are compared with the paper: the level of an average is that of its models, its exam, its prompt "
    "and how answers are read, and these are others here."
)
_INTERVALS = (
    "Means are over seeds, of the plain means of the six exams, in percent. Intervals cover the choice of questions "
    "and of seeds; with one seed they are of questions alone."
)
_HOLM = (
    "p is corrected by Holm's method over the claims that can be tested; a claim is decided where it is below 0.05 and "
    "every arm has two seeds. How often that errs was checked for 3 and 5 seeds."
)
_PAPER_WORDS: dict[Conclusion, str] = {
    "replicates": "bear it out",
    "contradicts": "speak against it",
    "undecided": "cannot tell",
    "not in this study": "none are published",
}
_STYLES: dict[Conclusion, str] = {"replicates": "bold green", "contradicts": "bold red"}
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Report:
    """What was found, and the folder that it was written to. `refused` are runs that are in no figure, a line each.

    `unread` are the cells that are evaluated and of which no run can be read.
    """

    title: str
    folder: Path
    cells: int
    found: Results
    arms: tuple[Arm, ...]
    outcomes: tuple[ClaimOutcome, ...]
    refused: tuple[str, ...]
    figures: tuple[Plot, ...]

    @property
    def unread(self) -> int:
        """How many cells are evaluated without a run that can be read."""
        return self.cells - len(self.found.undone) - self.done

    @property
    def done(self) -> int:
        """How many cells have a run that can be read."""
        return len({each.cell.name for each in self.found.results})


def write(workflow: Workflow, work: Path) -> Report:
    """Read what is done of a study in `work` and write `WORK/reports/STUDY/`, the whole folder at once.

    The same results make the same bytes. Raises OpenbookError where the folder cannot be written, or is not a report.
    """
    found = read_results(workflow, work)
    own, without_average = points_of(found.results, workflow)
    arms, unlike = arms_of(found.results)
    report = Report(
        workflow.title, work / "reports" / workflow.name, len(workflow.cells), found, arms, judge(arms),
        (*found.refused, *without_average, *unlike), tuple(curves(arms)),
    )  # fmt: skip
    out = report.folder
    if out.exists() and not (out / REPORT).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise OpenbookError(f"{out}: is not a report of a study; move it away, or name another folder (--work)")
    with replace_folder(out, "name another folder (--work)") as new:
        _fill(new, report, own)
    return report


def _fill(folder: Path, report: Report, own: Sequence[StudyPoint]) -> None:
    if report.found.results:
        runs = _runs(report.found.results, report.refused)
        build(runs, boards(runs), folder, trained=_trained(report))
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    for figure in report.figures:
        (folder / "plots" / f"{figure.name}.svg").write_text(draw(figure), encoding="utf-8", newline="\n")
    frame = pl.DataFrame([asdict(point) for point in (*own, *paper_points())], schema=_POINTS)
    export(Export(frame), [folder / POINTS])
    (folder / REPORT).write_text("\n".join(_sections(report)) + "\n", encoding="utf-8", newline="\n")


def _runs(results: Sequence[Result], refused: Sequence[str]) -> Runs:
    """Return the runs as the leaderboard takes them, each once, by the names of their cells."""
    once = {each.run.id: each for each in reversed(results)}
    runs = [
        each.run if each.cell.seed is None else each.run.model_copy(update={"model": each.cell.name})
        for each in once.values()
    ]
    runs.sort(key=lambda run: (ORDER[run.condition], run.model, run.date))
    return Runs(tuple(runs), pl.concat([once[run.id].items for run in runs]), tuple(refused))


def _trained(report: Report) -> dict[str, Trained]:
    """Return what was trained by the ids of the runs; all seeds of an arm have the same."""
    found = dict[tuple[str, str], Trained]()
    for arm in report.arms:
        seeds, named = f"{len(arm.cells)} {'seed' if len(arm.cells) == 1 else 'seeds'}", arm.cells[0].name
        of = Trained(f"{named} ({seeds})", arm.table, title(arm.base), *arm.mix, arm.share, arm.interval)
        found |= {(cell.name, arm.condition): of for cell in arm.cells if arm.trained}
    places = {each.run.id: (each.cell.name, each.run.condition) for each in reversed(report.found.results)}
    return {run: found[place] for run, place in places.items() if place in found}


# The report in Markdown.


def _sections(report: Report) -> Iterator[str]:
    failed = sum(each.failed for each in report.found.undone)
    counts = (report.cells, report.done, report.unread, failed, len(report.found.undone) - failed)
    heads = ("cells", "evaluated", "unreadable", "failed", "to be done")
    yield "# A study beside the paper\n"
    yield markdown([Sheet(report.title, heads, [list(map(str, counts))], texts=0)])
    yield "## What the paper claims, and what this study finds\n"
    yield markdown([_claims(report.outcomes), *map(_claim, report.outcomes)])
    if report.figures:
        yield "## Curves\n"
    for plot in report.figures:
        picture = f'<img src="plots/{plot.name}.svg" alt="{plot.title}">'
        yield f"### {plot.title}\n\n{picture}\n\n{plot.caption}\n"
    if report.arms:
        yield f"## Arms\n\n{_INTERVALS}\n"
        yield markdown(_arms(report.arms))
    if report.found.undone or report.refused:
        yield "## What is missing\n"
        refused = Sheet("Runs that are in no figure", ("why",), [[line] for line in report.refused])
        yield markdown(sheet for sheet in (_undone(report.found), refused) if sheet.rows)
    yield f"## Files\n\n- [{POINTS}]({POINTS}): every average of this study and of the paper's tables 3 to 5"
    if report.found.results:
        yield f"- [{PAGE}]({PAGE}): every run and every answer, in a browser"


def _arms(arms: Sequence[Arm]) -> Iterator[Sheet]:
    """Yield a table for each of the paper's tables that a study has arms of; those of none come last."""
    heads = ("arm", "condition", "seeds", "mean", INTERVAL, "answered", "format")
    for number in sorted({arm.table for arm in arms}, key=lambda number: number or 99):
        rows = [_arm(arm) for arm in arms if arm.table == number]
        yield Sheet(f"Table {number}" if number else "Of none of the paper's tables", heads, rows, texts=2)


def _arm(arm: Arm) -> list[str]:
    mix, seeds = (f"{arm.ratio}, {arm.rows:,} rows", str(len(arm.cells))) if arm.trained else ("as it is", NONE)
    figures = percent(arm.share), percents(arm.interval), percent(arm.answered), percent(arm.format_followed)
    return [f"{title(arm.base)}, {mix}", arm.condition, seeds, *figures]


def _claims(outcomes: Sequence[ClaimOutcome]) -> Sheet:
    heads = ("claim", "the paper's own figures", "this study", "difference", INTERVAL, "p (Holm)", "seeds")
    rows = [
        [each.claim.text, _PAPER_WORDS[each.paper.conclusion], each.study.conclusion, *_figures(each.study)]
        for each in outcomes
    ]
    return Sheet("The paper's claims", heads, rows, (LEVELS, _HOLM), texts=3)


def _figures(judgement: Judgement) -> tuple[str, ...]:
    found = judgement.found
    if found is None:
        return (NONE,) * 4
    return points(found.value), between(found.interval), p_value(judgement.adjusted), str(found.seeds or NONE)


def _claim(outcome: ClaimOutcome) -> Sheet:
    """Return one claim in full: the figures of either side, what was compared, and how each model fares."""
    claim = outcome.claim
    sides = (
        ("this study", outcome.study, outcome.study.conclusion),
        ("the paper", outcome.paper, _PAPER_WORDS[outcome.paper.conclusion]),
    )
    rows = [[side, says, each.found.test if each.found else NONE, *_figures(each)] for side, each, says in sides]
    needs = [f"a study needs {claim.needs}"] if outcome.study.found is None else []
    told = [f"{side}: {line}" for side, each, _ in sides for line in _told(each.found)]
    heads = ("figures of", "say", "test", "difference", INTERVAL, "p (Holm)", "seeds")
    return Sheet(claim.text, heads, rows, [f"{claim.where}. Compared: {claim.compared}", *needs, *told], texts=3)


def _told(found: Evidence | None) -> Iterator[str]:
    if found and found.by_model:
        yield ", ".join(f"{model} {points(value)}" for model, value in found.by_model)
    if found and found.note:
        yield found.note


def _undone(found: Results) -> Sheet:
    """Return a row a cell without an evaluation, failed ones first."""
    rows = [
        [each.cell, "failed" if each.failed else "to be done", each.step, each.reason, each.log or NONE]
        for each in sorted(found.undone, key=lambda one: not one.failed)
    ]
    return Sheet("Cells without a result", ("cell", "state", "step", "reason", "log"), rows, texts=5)


# Curves.

_PAPER = "the paper, open book"
_BEFORE = "before training"
_BAND = (
    "Points are means over seeds; bands are 95 % intervals for the choice of questions and of seeds, of questions "
    "alone where there is one. The paper's are approximate, for 11,200 questions. Dashed: the model before training. "
    "Levels are those of other models and exams than the paper's; only directions can be compared."
)
# Panel, model, whether it is as it was before training, x (None: a level), seeds, accuracy and its interval.
_Placed = tuple[str, str, str | None, str | int | None, int, float, float | None, float | None]


def curves(arms: Sequence[Arm]) -> Iterator[Plot]:
    """Yield a plot for each of tables 4 and 5 that a study has trainings of, beside the paper's."""
    of_tables = ((4, "ratio", "ratio of general to medical data"), (5, "size", "number of rows"))
    for number, name, by in of_tables:
        own = list(_placed(arms, number))
        if not own:
            continue
        rows = [*own, *_of_paper(number)]
        x = table_axis(number, (row[3] for row in rows))
        yield Plot(
            name=f"study-{name}",
            title=f"Accuracy by {by}",
            caption=f"Beside the paper's table {number}. {_BAND}",
            frame=framed(rows, "panel", "model", "state", x.column, "seeds", "accuracy", "low", "high"),
            x=x,
            y=ACCURACY,
            mark="line",
            facet="panel",
            also="state",
            dashed=_BEFORE,
        )


def _placed(arms: Sequence[Arm], number: int) -> Iterator[_Placed]:
    for panel, conditions in (("open book", OPEN), ("closed book", CLOSED)):
        own = under(arms, conditions)
        trained = [arm for arm in own if arm.table == number and arm.trained]
        before = {arm.base: arm for arm in reversed(own) if not arm.trained}
        for arm in trained:
            x = arm.ratio if number == 4 else arm.rows
            yield panel, title(arm.base), None, x, len(arm.cells), arm.share, *(arm.interval or (None, None))
        for arm in (before[base] for base in dict.fromkeys(arm.base for arm in trained) if base in before):
            yield panel, title(arm.base), _BEFORE, None, 1, arm.share, *(arm.interval or (None, None))


def _of_paper(number: int) -> Iterator[_Placed]:
    for row in published.tables()[number - 1].rows:
        yield _PAPER, row.model, None, row.x, 1, row.share, *row.interval


# For the terminal.


def _wrapped(text: str, style: str = "", indent: int = 0) -> Padding:
    """Return text that is broken between words; text alone is broken by the terminal, so that paths can be copied."""
    return Padding(Text(visible(text), style), (0, 0, 0, indent))


def lay_out(report: Report) -> "Iterator[RenderableType]":
    """Yield the claims as a list, conclusion first, a table for each of the paper's, and what has no result."""
    unread = f", and the results of {report.unread} cannot be read" if report.unread else ""
    yield line(f"{report.title}: {report.done} of {report.cells} cells are evaluated{unread}")
    for sheet in _arms(report.arms):
        yield table(sheet.heads, sheet.rows, f"\n{sheet.title}")
    if report.arms:
        yield _wrapped(_INTERVALS)
    yield Text("\nThe paper's claims", "bold")
    for each in report.outcomes:
        conclusion = each.study.conclusion
        yield Padding(Text.assemble("\n", (conclusion, _STYLES.get(conclusion, "bold")), f": {each.claim.text}"), 0)
        yield _wrapped("; ".join(_said(each)), indent=2)
    yield from (Text(), _wrapped(LEVELS), _wrapped(_HOLM), Text())
    for undone in sorted(report.found.undone, key=lambda one: not one.failed)[:_SHOWN]:
        state, log = "failed" if undone.failed else "to be done", f" (log: {undone.log})" if undone.log else ""
        yield line(f"{state}: {undone.cell}: {undone.step}: {undone.reason}{log}")
    for refused in report.refused[:_SHOWN]:
        yield line(f"in no figure: {refused}")
    more = max(0, len(report.found.undone) - _SHOWN) + max(0, len(report.refused) - _SHOWN)
    yield line((f"and {more} more; " if more else "") + f"the report: {report.folder / REPORT}")
    if report.found.results:
        yield line(f"every run and every answer: {report.folder / PAGE}")


def _said(outcome: ClaimOutcome) -> Iterator[str]:
    found = outcome.study.found
    if found is None:
        yield f"a study needs {outcome.claim.needs}"
    else:
        difference, interval, p, seeds = _figures(outcome.study)
        yield f"{difference} points ({interval}), p {p}, {seeds} seeds"
        yield from filter(None, [found.note])
    yield f"the paper's own figures {_PAPER_WORDS[outcome.paper.conclusion]}"


_FIGURES = (
    "Percent and points. Error: the mean square, in squared points, of predicting an arm from all others, with its "
    "standard error; the simplest law within one standard error of the best is chosen; drawn: how often the bootstrap "
    "chose it. Intervals are of 95 %, of the mean over trainings"
)


def fit_report(fit: StudyFit) -> "Iterator[RenderableType]":
    """Yield all groups of a fit, what is undetermined, and what the figures mean."""
    for group in fit.groups:
        source = f"{group.source}, table {group.table}" if group.table else group.source
        yield from (Text(), _wrapped(f"{', '.join(group.models)}: accuracy by {group.varies} ({source})", "bold"))
        for condition in filter(None, (group.reading, group.knowledge)):
            yield from _condition(condition, FORMULAS[group.varies])
        if group.optimum:
            yield from map(_wrapped, _best(group, group.optimum, fit.weight))
        of = [f"{each.place.model} on " if len(group.models) > 1 else "" for each in group.next]
        cells = [f"{m}{_mix(each.place)} ({percents(each.interval)})" for m, each in zip(of, group.next, strict=True)]
        untrained = "; ".join(cells) or "all of study and paper are trained"
        yield _wrapped(f"next cell, where the draws part most: {untrained}")
    yield from (_wrapped(f"undetermined: {reason}") for reason in fit.undetermined)
    yield from (Text(), _wrapped(f"{_FIGURES}; {fit.draws:,} draws, seed {fit.seed}"))


def _condition(found: FittedCondition, formulas: Sequence[str]) -> "Iterator[RenderableType]":
    around = f"which scatter by {100 * found.scatter:.2f} points around the law"
    yield _wrapped(f"{found.name}: {found.arms} arms, {found.trainings} trainings, {around}")
    tried = list(zip(found.tried, formulas, strict=True))
    rows = [
        [f"{law.name}, {formula}", str(law.parameters), f"{1e4 * law.error:.2f} ± {1e4 * (law.spread or 0):.2f}",
         f"{law.drawn:.0%}", "chosen" if law is found.chosen else ""]
        for law, formula in tried if law.error is not None
    ]  # fmt: skip
    yield table(("law of 1 - accuracy", "parameters", "error", "drawn", ""), rows)
    yield from (_wrapped(f"undetermined: {law.name}, {formula}: {law.reason}") for law, formula in tried if law.reason)
    if (trend := found.trend) is not None:
        by = "from no medical data to nothing else" if "r" in formulas[1].split() else "for twice the rows"
        slope = f"{points(trend.slope)} points ({between(trend.interval)}), p {p_value(trend.p)}"
        power = "" if trend.p < 0.05 else f"; 4 of 5 such studies would find one of {100 * trend.detectable:.1f} points"
        yield _wrapped(f"by a straight line, {by}: {slope}{power}")
    mixes = [
        [_mix(each.place), percent(each.observed), percent(each.share), percents(each.interval)]
        for each in found.predicted
    ]
    yield table(("mix", "observed", "predicted", INTERVAL), mixes)


def _best(group: FitGroup, best: Optimum, weight: float) -> Iterator[str]:
    wanted = f"{weight:g} x reading + {1 - weight:g} x knowledge" if group.knowledge else "reading alone"
    told = f"best ratio for {wanted}{f' with {best.rows:,} rows' if best.rows else ''}"
    if best.medical is None or best.undetermined:
        yield f"{told}: undetermined"
    else:
        value = f"value {percent(best.value)} ({percents(best.value_interval)})"
        yield f"{told}: {best.medical:.0%} medical ({best.interval.low:.0%} to {best.interval.high:.0%}), {value}"
    if group.knowledge is None:
        yield f"the trade-off is undetermined: closed-book runs are not fitted ({group.lacking})"
    if not best.undetermined and best.medical is not None and not best.trained.low <= best.medical <= best.trained.high:
        yield f"no mix was trained there: {best.trained.low:.0%} to {best.trained.high:.0%} medical were"


def _mix(place: Place) -> str:
    return f"{place.ratio}, {place.rows:,} rows" if place.rows else place.ratio
