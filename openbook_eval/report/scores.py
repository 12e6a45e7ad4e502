"""Scores laid out for the terminal: the six exams of a run, and runs marked again by several matchers."""

from collections.abc import Iterator

from rich import box
from rich.table import Table
from rich.text import Text

from openbook_eval.report.cells import caveats, percent
from openbook_eval.rescoring import Rescored
from openbook_eval.scores import MARKS, RunScores
from openbook_eval.types import CHINESE_NAMES


def scores_table(scores: RunScores) -> Table:
    """The exams of a run in percent, the paper's average and the size-weighted one below them."""
    title = Text(f"{scores.model}, {scores.condition}\nexam {scores.exam_file}; run {scores.date}")
    # Without upright lines all columns stand whole in a terminal of 80.
    table = Table(
        title=title, title_justify="left", caption_justify="left", box=box.SIMPLE, pad_edge=False, collapse_padding=True
    )
    table.add_column("exam", no_wrap=True)
    for name in ("asked", "correct", "strict", "format", "answered", "partial"):
        table.add_column(name, justify="right")
    for score in scores.exams:
        table.add_row(
            f"{score.exam} {CHINESE_NAMES[score.exam]}",
            str(score.questions),
            *(percent(getattr(score, mark)) for mark in MARKS),
        )
    if scores.six:
        table.add_section()
        asked = str(sum(score.questions for score in scores.six))
        table.add_row("Avg.(All exams)", asked, percent(scores.average))
        table.add_row("weighted by size", asked, percent(scores.weighted_average))
    marks = Text("percent; strict: nothing but the right letters; format: nothing but letters", "table.caption")
    table.caption = Text("\n").join([marks, *caveats(scores.limited, scores.truncation, scores.gaps)])
    return table


def rescored_report(rescored: Rescored, shown: int) -> Iterator[Table | Text]:
    """Score and rank of each model under each matcher, a warning where the order changes, what is read differently."""
    table = Table(title="correct in percent (rank)", title_justify="left")
    table.add_column("model", overflow="fold")
    for name in rescored.scores:
        table.add_column(name, justify="right")
    for model in next(iter(rescored.scores.values())):
        cells = (f"{percent(rescored.scores[name][model])} ({rescored.ranks[name][model]})" for name in rescored.scores)
        table.add_row(Text(model), *cells)
    yield table
    if rescored.order_depends_on_matcher:
        yield Text("warning: the order of the models depends on the matcher", style="bold")
    different = len(rescored.differences)
    yield Text(f"{different} of {rescored.samples} responses are not read the same by all")
    for difference in rescored.differences[:shown]:
        readings = ", ".join(f"{name} {letters or '-'}" for name, letters in difference.readings.items())
        excerpt = " ".join(difference.sample.response.split())
        excerpt = excerpt if len(excerpt) <= 100 else f"{excerpt[:50]} ... {excerpt[-45:]}"
        yield Text(f"{difference.sample.id} (answer {difference.sample.answer}): {readings} | {excerpt}")
