"""A report of invented runs, one of them of a model whose name and responses attack the page."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from openbook_eval.leaderboard.board import boards
from openbook_eval.leaderboard.page import build
from openbook_eval.results import Run, Runs, read_runs
from openbook_eval.types import Question
from tests.results.lm_eval_output import invented, write_run

BASE, TUNED, HOSTILE = "Qwen/Qwen1.5-7B-Chat", "out/qwen7b_mix41", "<script>window.ran=1</script>\u202eevil\u202c"
LIBRARY = "reading_library_4k"

# Each sets `window.ran` where the page were to run it, or would turn, end or stall what stands around it.
ATTACKS = (
    "<script>window.ran=1</script>答案是A",
    "</script><img src=x onerror=window.ran=1>",
    '"><svg onload=window.ran=1><a href="javascript:window.ran=1">A</a>',
    "[点我](javascript:window.ran=1) javascript:window.ran=1",
    "A\x00\x1b[31mB\x7f\x9f\r\n\tC",
    "答案\u202eCBA\u202c是\u2066D\u2069\u2028\u2029\ufeff",
    "长" * 400_000,
    "half a pair",
    "${window.ran=1} {{window.ran=1}} `;window.ran=1//",
    "",
)
LONG = 6  # place of the longest among them


@dataclass(frozen=True)
class Report:
    """A built page, and the runs that it was built from, in the order of its boards."""

    index: Path
    found: Runs
    runs: tuple[Run, ...]

    def run(self, model: str, condition: str = "openbook") -> Run:
        return next(run for run in self.runs if run.model == model and run.condition == condition)

    def items_of(self, model: str, condition: str = "openbook") -> pl.DataFrame:
        return self.found.items_of(self.run(model, condition))

    def address(self, view: str = "index.html") -> str:
        return f"{self.index.parent.as_uri()}/{view}"

    def run_address(self, model: str) -> str:
        return self.address(f"pages/run-{self.runs.index(self.run(model))}.html")

    def items_address(self, *models: str, condition: str = "openbook", **settings: str) -> str:
        runs = zip("ab", (self.run(model, condition).id for model in models), strict=False)
        return self.address(
            "pages/items.html#" + "&".join(f"{key}={value}" for key, value in [*runs, *settings.items()])
        )


def build_report(folder: Path) -> Report:
    """Three models with the own entry, two on the library, one ranked, one without a book; one file is half-written."""
    questions = invented(120)
    places = {question.id: place for place, question in enumerate(questions)}

    def attack(question: Question, _: str) -> str | None:
        place = places[question.id]
        return None if place % 40 == 39 else ATTACKS[place % len(ATTACKS)]

    runs = folder / "runs"
    write_run(
        runs, model=BASE, condition=["openbook", LIBRARY, "openbook_ranked"], questions=questions, right=0.9, chat=True
    )
    write_run(runs, model=TUNED, condition=["openbook", LIBRARY], questions=questions, right=0.6, chat=True)
    hostile = write_run(runs, model=HOSTILE, questions=questions, respond=attack, chat=True)
    for samples in hostile.parent.glob("samples_*"):
        # JSON can tell half of a surrogate pair, UTF-8 cannot.
        samples.write_bytes(samples.read_bytes().replace(b"half a pair", rb"\ud800 half a pair"))
    # Two of the six exams only, without a book.
    few = invented(24, ("physician", "nursing"))
    write_run(runs, model=TUNED, condition="closedbook", questions=few, right=0.5, date="2026-01-03T03-04-05.678901")
    broken = write_run(runs, model="half/written", questions=questions)
    broken.write_bytes(broken.read_bytes()[:200])
    found = read_runs([runs])
    own = boards(found)
    return Report(build(found, own, folder / "report"), found, tuple(row.run for board in own for row in board.rows))
