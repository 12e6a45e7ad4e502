"""What running a study costs beside its steps: wall time, less the seconds that the steps say they took.

    .venv/bin/python benchmarks/study_runner.py [--steps 40] [--jobs 2] [--rounds 3]

Runs graphs of real steps that are over at once (each puts the tiny model into place): two to a job, and
`--steps`. What the longer takes more is what a step costs, the rest is the beginning and the end of a run. Prints both,
the time that one step's own process takes to start, with bare Python as the floor, and what all that makes of a study
of 30 trainings of 25 s and 31 exams of 35 s, with its share of the limit of 5 %. Planning (`study_plan.py`) and the
report are not in it.
"""

import argparse
import contextlib
import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from openbook_eval.study.running.run import Options, run
from openbook_eval.study.steps import RECEIPT, Graph, Resources, Step

TRAININGS, TRAINING_SECONDS = 30, 25.0
EXAMS, EXAM_SECONDS = 31, 35.0
# Besides: a base and three mixes.
STEPS = TRAININGS + EXAMS + 4
LIMIT = 0.05
# Fewest steps of a job, so that the pause between two is in both graphs.
_FEWEST = 2

_SMALL = Resources(gpus=0, memory_mb=100, minutes=1, disk_mb=100)


def graph(steps: int) -> Graph:
    """So many steps that rest on nothing."""
    names = [f"examinee{number}" for number in range(steps)]
    keys = [f"{number:012x}" for number in range(steps)]
    made = [
        Step("base", name, key, (), (name,), {"examinee": ""}, _SMALL) for name, key in zip(names, keys, strict=True)
    ]
    return Graph("runner", "What the runner costs", (), tuple(made))


def run_of(steps: int, jobs: int, work: Path) -> tuple[float, float]:
    """Wall seconds of a run, and the sum of its steps' own. Ends the program where a step fails."""
    made = graph(steps)
    began = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()) as told:
        failed = run(made, Options(work, jobs=jobs))
    wall = time.perf_counter() - began
    if failed:
        raise SystemExit(told.getvalue())
    receipts = [json.loads((work / step.id / RECEIPT).read_bytes()) for step in made.steps]
    return wall, sum(receipt["seconds"] for receipt in receipts)


def costs(steps: int, jobs: int) -> tuple[float, float]:
    """Seconds of a run's beginning and end, and those that a step holds its job beyond its own seconds."""
    few = _FEWEST * jobs
    with tempfile.TemporaryDirectory() as short, tempfile.TemporaryDirectory() as long:
        (short_wall, short_own), (long_wall, long_own) = run_of(few, jobs, Path(short)), run_of(steps, jobs, Path(long))
    a_step = (jobs * (long_wall - short_wall) - (long_own - short_own)) / (steps - few)
    return short_wall - (short_own + few * a_step) / jobs, a_step


def start_up(work: Path, rounds: int) -> tuple[float, float]:
    """Median seconds of a step's process that finds the step done, in a graph of a study's size; and of bare Python."""
    made = graph(STEPS)
    (work / "graphs").mkdir()
    (work / "graphs" / "runner.json").write_text(made.to_json(), encoding="utf-8")
    first = work / made.steps[0].id
    first.mkdir(parents=True)
    (first / RECEIPT).write_text("{}")
    doing = ["-P", "-m", "openbook_eval.study.running.doing", str(work / "graphs" / "runner.json"), made.steps[0].id]
    return taken(doing, rounds), taken(["-c", ""], rounds)


def taken(arguments: Sequence[str], rounds: int) -> float:
    """Median seconds of Python with these arguments."""
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run([sys.executable, *arguments], stdin=subprocess.DEVNULL, check=True)
        found.append(time.perf_counter() - began)
    return median(found)


def show_study(fixed: float, a_step: float, jobs: int) -> None:
    """Prints what the costs make of the study of the limit."""
    own = (TRAININGS * TRAINING_SECONDS + EXAMS * EXAM_SECONDS) / jobs
    beside = fixed + STEPS * a_step / jobs
    print(
        f"a study of {STEPS} steps, {own:,.0f} s of their own with {jobs} at once: {beside:.1f} s beside them, "
        f"{beside / own:.1%}, {beside / own / LIMIT:.0%} of the limit of {LIMIT:.0%}"
    )


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("steps", 40), ("jobs", 2), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    if options.steps <= _FEWEST * options.jobs:
        parser.error(f"--steps: {options.steps} are too few for {options.jobs} jobs; more than {_FEWEST} for each")
    with tempfile.TemporaryDirectory() as work:
        doing, bare = start_up(Path(work), 2 * options.rounds + 1)
    print(f"start of a step's process: {doing:.2f} s, of bare Python {bare:.2f} s")
    measured = [costs(options.steps, options.jobs) for _ in range(options.rounds)]
    for name, found in zip(("beginning and end of a run", "each step"), zip(*measured, strict=True), strict=True):
        print(f"{name}: {median(found):.2f} s ({min(found):.2f} to {max(found):.2f})")
    fixed, a_step = (median(found) for found in zip(*measured, strict=True))
    show_study(fixed, a_step, options.jobs)


if __name__ == "__main__":
    main()
