"""Write the report of a study: Markdown, page, points and pictures; the same text, or that of a fit, for a terminal."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from openbook_eval.console import line, percent
from openbook_eval.errors import OpenbookError, visible
from openbook_eval.files import replace_folder
from openbook_eval.leaderboard import published
from openbook_eval.leaderboard.board import boards
from openbook_eval.leaderboard.export import (
    Export,
    between,
    export,
    markdown_text,
    p_value,
    percents,
    points,
    without_folders,
)
from openbook_eval.leaderboard.page import build
from openbook_eval.leaderboard.plots import ACCURACY, framed, table_axis
from openbook_eval.leaderboard.svg import Plot, draw
from openbook_eval.results import Runs
from openbook_eval.results.metrics import floor
from openbook_eval.results.runs import ORDER
from openbook_eval.study.claims import Claim, Evidence, judge
from openbook_eval.study.fit import StudyFit
from openbook_eval.study.results import CLOSED, OPEN, Arm, Results, paper_points, read_results, under
from openbook_eval.study.workflow import Workflow

if TYPE_CHECKING:
    from rich.console import RenderableType

REPORT, POINTS, PAGE = "report.md", "points.csv", "index.html"
_COLUMNS = ("source", "model", "condition", "cell", "table", "general", "medical", "rows", "seed", "items", "share")
_SHOWN = 20  # cells without a result on a terminal


@dataclass(frozen=True, slots=True)
class Report:
    """What was found of so many cells, and the folder that it was written to."""

    title: str
    folder: Path
    cells: int
    found: Results
    outcomes: list[tuple[Claim, Evidence | None]]
    figures: tuple[Plot, ...]

    @property
    def done(self) -> int:
        """How many cells have a run that is in a figure."""
        return len({each.cell.name for each in self.found.results})

    @property
    def readers(self) -> list[str]:
        """What readers without understanding get, a line for each condition that was asked."""
        runs = {each.run.condition: each.run for each in reversed(self.found.results)}
        return [f"{name}, {text}" for name in sorted(runs, key=ORDER.__getitem__) for text in floor(runs[name])]

    def text(self, shown: int | None = None) -> str:
        """Return the report in Markdown; for a terminal without pictures, and so many lines of what is missing."""
        return str(_template("report").render(report=self, found=self.found, shown=shown))


def write(workflow: Workflow, work: Path) -> Report:
    """Read what is done of a study and write `WORK/reports/STUDY/`, at once; the same results make the same bytes."""
    found = read_results(workflow, work)
    out, figures = work / "reports" / workflow.name, tuple(curves(found.arms))
    report = Report(workflow.title, out, len(workflow.cells), found, judge(found.arms), figures)
    if out.exists() and not (out / REPORT).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise OpenbookError(f"{out}: is not a report of a study; move it away, or name another folder (--work)")
    with replace_folder(out, "name another folder (--work)") as new:
        if found.results:
            runs = _runs(found)
            build(runs, boards(runs), new, figures=figures)
        (new / "plots").mkdir(exist_ok=True)
        for figure in figures:
            (new / "plots" / f"{figure.name}.svg").write_text(draw(figure), encoding="utf-8", newline="\n")
        export(Export(pl.concat([found.points, paper_points()]).select(_COLUMNS)), [new / POINTS])
        (new / REPORT).write_text(report.text(), encoding="utf-8", newline="\n")
    return report


def _runs(found: Results) -> Runs:
    # Each once, by the name of its cell.
    once = {each.run.id: each for each in reversed(found.results)}
    runs = [
        each.run.model_copy(update={"model": each.cell.name}) if each.cell.mix else each.run for each in once.values()
    ]
    runs.sort(key=lambda run: (ORDER[run.condition], run.model, run.date))
    return Runs(tuple(runs), pl.concat([once[run.id].items for run in runs]), found.refused)


_BEFORE = "before training"
_BAND = (
    "Points are means over seeds; bands are 95 % intervals for the choice of questions and of seeds, of questions "
    "alone where there is one. The paper's are approximate, for 11,200 questions. Dashed: the model before training. "
    "Levels are those of other models and exams than the paper's; only directions can be compared."
)
_Row = tuple[str, str, str | None, str | int | None, int, float, float, float]


def curves(arms: Sequence[Arm]) -> Iterator[Plot]:
    """Yield a plot for each of tables 4 and 5 that a study has trainings of, beside the paper's."""
    for number, name, by in ((4, "ratio", "ratio of general to medical data"), (5, "size", "number of rows")):
        own = [*_own("open book", under(arms, OPEN), number), *_own("closed book", under(arms, CLOSED), number)]
        if not own:
            continue
        paper = published.tables()[number - 1].rows
        rows = [*own, *(("the paper, open book", row.model, None, row.x, 1, row.share, *row.interval) for row in paper)]
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


def _own(panel: str, arms: Sequence[Arm], number: int) -> Iterator[_Row]:
    before = {arm.cell.base: arm for arm in reversed(arms) if arm.cell.mix is None}
    own = [(arm, arm.cell.mix) for arm in arms if arm.cell.mix and arm.cell.table == number]
    for arm, mix in own:
        x = mix.ratio if number == 4 else mix.rows
        yield panel, arm.cell.title, None, x, len(arm.cells), arm.share, *arm.interval
    for arm in (before[base] for base in dict.fromkeys(arm.cell.base for arm, _ in own) if base in before):
        yield panel, arm.cell.title, _BEFORE, None, 1, arm.share, *arm.interval


@cache
def _template(name: str) -> Any:
    environment = Environment(
        loader=PackageLoader("openbook_eval.study", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_as_text,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = (percent, percents, points, between, p_value, visible)
    environment.filters |= {each.__name__: each for each in shown} | {
        "count": "{:,}".format,
        "ratio": _ratio,
    }
    return environment.get_template(f"{name}.md.jinja")


def _as_text(value: object) -> Markup:
    # Markdown shows it as it is, and no folder of this machine.
    if isinstance(value, Markup):
        return value
    return Markup(markdown_text(without_folders(str(value), visible)))  # noqa: S704 (escaped)


def _ratio(medical: float) -> str:
    share = Fraction(medical).limit_denominator(1000)
    return f"{share.denominator - share.numerator}:{share.numerator}"


def lay_out(report: Report) -> "Iterator[RenderableType]":
    """Yield the report for a terminal, and where its files lie."""
    from rich.markdown import Markdown

    yield Markdown(report.text(_SHOWN))
    yield line(f"the report: {report.folder / REPORT}")
    if report.found.results:
        yield line(f"every run and every answer: {report.folder / PAGE}")


def fit_report(fit: StudyFit) -> "RenderableType":
    """Return all groups of a fit, what is undetermined, and what the figures mean."""
    from rich.markdown import Markdown

    return Markdown(_template("fit").render(fit=fit))
