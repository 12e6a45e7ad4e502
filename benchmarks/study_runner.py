"""What running a study costs beside its steps: seconds of Snakemake for a study of steps that are done at once.

    .venv/bin/python benchmarks/study_runner.py [--cells 20] [--jobs 2]

Every job is a mix of a spec that is not there: it starts data-prep and ends. Prints wall time for each job.
"""

import argparse
import contextlib
import io
import tempfile
import time
from pathlib import Path

from openbook_eval.study import runner
from openbook_eval.study.workflow import Need, Step, Workflow


def workflow(steps: int, folder: Path) -> Workflow:
    """Return a workflow of so many mixes that fail at once, for there is no such spec."""
    task = {"command": ["data-prep", "build", str(folder / "none.yml")]}
    need = Need(0, 0.0, 1e8, 1.0)
    made = [Step("mix", f"mix{number}", {"mix": "0"}, (), task, need) for number in range(steps)]
    # The rule `all` asks for evaluations: one that fails without a job of its own.
    ids = tuple(step.id for step in made)
    last = Step("evaluate", "all", {"openbook": "0"}, ids, {}, need)
    return Workflow("runner", "What the runner costs", (), {step.id: step for step in (*made, last)})


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("cells", 20), ("jobs", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made, work = workflow(options.cells, Path(folder)), Path(folder) / "work"
        began = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            runner.run(made, work, options.jobs)
        wall = time.perf_counter() - began
        tried = sum(bool(step.state(work).reason) for step in made.steps.values())
    print(f"{tried} jobs of no work, {options.jobs} at once: {wall:.1f} s, {wall * options.jobs / tried:.2f} s a job")


if __name__ == "__main__":
    main()
