"""The report of a study: what is done so far, written to a folder whole, for people, for a browser and for programs."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from pathlib import Path

import polars as pl

from openbook_eval.errors import OpenbookError
from openbook_eval.leaderboard.board import boards
from openbook_eval.leaderboard.export import Export, Sheet, export, sound, without_folders
from openbook_eval.leaderboard.export import markdown as markdown_tables
from openbook_eval.leaderboard.page import build
from openbook_eval.leaderboard.plots import Trained
from openbook_eval.leaderboard.svg import Plot, draw
from openbook_eval.results import Runs
from openbook_eval.results.runs import ORDER
from openbook_eval.study.findings import sheets
from openbook_eval.study.findings.claims import Outcome, judge
from openbook_eval.study.findings.curves import curves
from openbook_eval.study.findings.points import Point, paper_points, points_of
from openbook_eval.study.findings.results import Result, Undone, read_results
from openbook_eval.study.findings.settings import Setting, settings_of
from openbook_eval.study.workflow import Workflow

REPORT, POINTS, PAGE = "report.md", "points.csv", "index.html"
_POINTS = pl.Schema(
    {
        **dict.fromkeys(("source",), pl.String()),
        "table": pl.Int64(),
        "model": pl.String(),
        **dict.fromkeys(("general", "medical", "rows", "seed"), pl.Int64()),
        "condition": pl.String(),
        "share": pl.Float64(),
        "items": pl.Int64(),
        "run": pl.String(),
    }
)


@dataclass(frozen=True, slots=True)
class Report:
    """What was found, and the folder it was written to. `refused` are runs that are in no figure, a line each.

    `unread` are the cells whose exam is done and of which no run can be read.
    """

    title: str
    folder: Path
    cells: int
    settings: tuple[Setting, ...]
    outcomes: tuple[Outcome, ...]
    undone: tuple[Undone, ...]
    unread: int
    refused: tuple[str, ...]
    figures: tuple[Plot, ...]
    paged: bool

    @property
    def done(self) -> int:
        """How many cells were examined, so that a run can be read."""
        return self.cells - len(self.undone) - self.unread


def write(workflow: Workflow, work: Path) -> Report:
    """Reads what is done of a study in `work` and writes `WORK/reports/STUDY/`, the whole folder at once.

    The same results make the same bytes. Raises OpenbookError where the folder cannot be written, or is not a report.
    """
    found = read_results(workflow, work)
    points, without_average = points_of(found.results, workflow.name)
    settings, unlike = settings_of(found.results)
    report = Report(
        title=workflow.title,
        folder=work / "reports" / workflow.name,
        cells=len(workflow.cells),
        settings=settings,
        outcomes=judge(settings),
        undone=found.undone,
        unread=len(workflow.cells) - len(found.undone) - len({each.cell.name for each in found.results}),
        refused=(*found.refused, *without_average, *unlike),
        figures=tuple(curves(settings)),
        paged=bool(found.results),
    )
    _write(report, found.results, points)
    return report


def _write(report: Report, results: Sequence[Result], points: Sequence[Point]) -> None:
    out = report.folder
    if out.exists() and not (out / REPORT).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise OpenbookError(f"{out}: is not a report of a study; move it away, or name another folder (--work)")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as building:
            # Not the temporary folder itself: only its owner may look into that.
            new = Path(building) / "new"
            if results:
                taken = _taken(results, report.refused)
                build(taken, boards(taken), new, trained=_trained(results, report.settings))
            (new / "plots").mkdir(parents=True, exist_ok=True)
            for figure in report.figures:
                (new / "plots" / f"{figure.name}.svg").write_text(draw(figure), encoding="utf-8", newline="\n")
            frame = pl.DataFrame([asdict(point) for point in (*points, *paper_points())], schema=_POINTS)
            export(Export(frame), [new / POINTS])
            (new / REPORT).write_text(markdown(report), encoding="utf-8", newline="\n")
            if out.exists():
                out.rename(Path(building) / "old")
            new.rename(out)
    except OSError as error:
        raise OpenbookError(f"{out}: the report cannot be written ({error.strerror or error})") from error


def _taken(results: Sequence[Result], refused: Sequence[str]) -> Runs:
    """Return the runs as the leaderboard takes them, each once, by the names of their cells."""
    once = {result.run.id: result for result in reversed(results)}
    runs = [
        each.run if each.cell.seed is None else each.run.model_copy(update={"model": each.cell.name})
        for each in once.values()
    ]
    runs.sort(key=lambda run: (ORDER[run.condition], run.model, run.date))
    return Runs(tuple(runs), pl.concat([once[run.id].items for run in runs]), tuple(refused))


def _trained(results: Sequence[Result], settings: Sequence[Setting]) -> dict[str, Trained]:
    """Return what was trained by the ids of the runs; those that differ in their seed only have the same."""
    of = {(name, each.condition): _of_setting(each) for each in settings if each.trained for name in each.cells}
    places = {result.run.id: (result.cell.name, result.run.condition) for result in reversed(results)}
    return {run: of[place] for run, place in places.items() if place in of}


def _of_setting(setting: Setting) -> Trained:
    seeds = len(setting.seeds)
    return Trained(
        name=f"{setting.cells[0]} ({seeds} {'seed' if seeds == 1 else 'seeds'})",
        table=setting.table,
        model=setting.model,
        general=setting.general,
        medical=setting.medical,
        rows=setting.rows,
        share=setting.share,
        interval=setting.interval,
    )


def markdown(report: Report) -> str:
    """The whole report as Markdown, all text from outside escaped."""
    return "\n".join(_sections(report)) + "\n"


def _sections(report: Report) -> Iterator[str]:
    table = markdown_tables
    yield "# A study beside the paper\n"
    yield table([sheets.count_sheet(report.title, report.cells, report.unread, report.undone)])
    yield "## What the paper claims, and what this study finds\n"
    yield table([sheets.claim_sheet(report.outcomes), *map(sheets.outcome_sheet, report.outcomes)])
    if report.figures:
        yield "## Curves\n"
    for figure in report.figures:
        yield f"### {figure.title}\n\n{_picture(figure)}\n\n{figure.caption}\n"
    if report.settings:
        yield f"## Cells\n\n{sheets.INTERVALS}\n"
        yield table(sheets.setting_sheets(report.settings))
    if report.undone or report.refused:
        yield "## What is missing\n"
    if report.undone:
        yield table([_without_folders(sheets.undone_sheet(report.undone))])
    if report.refused:
        yield table([_without_folders(sheets.refused_sheet(report.refused))])
    yield "## Files\n"
    yield f"- [{POINTS}]({POINTS}): every average of this study and of the paper's tables 3 to 5"
    if report.paged:
        yield f"- [{PAGE}]({PAGE}): every run and every answer, in a browser"


def _picture(figure: Plot) -> str:
    """Return the picture as HTML, for names of models in its description are escaped."""
    return f'<img src="plots/{figure.name}.svg" alt="{escape(sound(figure.alt))}">'


def _without_folders(sheet: Sheet) -> Sheet:
    return replace(sheet, rows=without_folders([list(row) for row in sheet.rows]))
