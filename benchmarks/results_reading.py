"""What reading many runs costs: 60 runs of 11,200 items, as lm-eval writes them, into one frame.

    .venv/bin/python benchmarks/results_reading.py [--runs 60] [--questions 11200] [--condition openbook]

Writes a run of an invented exam and copies it under other names, reads all in a process of its own (limit 10 s and 2 GB
for 60 runs of 11,200 items) and prints time and peak memory, with orjson's parsing of the same samples, line by line,
as the floor.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

SECONDS, MEGABYTES = 10.0, 2_000
RUNS, QUESTIONS = 60, 11_200

_MEASURED = """
import json, resource, sys, time
from pathlib import Path
start = time.perf_counter()
{work}
seconds, used = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
processor = used.ru_utime + used.ru_stime
print(json.dumps(dict(seconds=seconds, processor=processor, megabytes=used.ru_maxrss / 1000, found=found)))
"""
_READING = """
from openbook_eval.results import read_runs
runs = read_runs(Path(sys.argv[1]))
found = [len(runs.runs), len(runs.items), len(runs.refused)]
"""
_PARSING = """
import orjson
lines = (line for path in Path(sys.argv[1]).rglob("samples_*.jsonl") for line in path.open("rb"))
found = sum(1 for line in lines if orjson.loads(line))
"""


def measured(work: str, folder: Path) -> dict[str, float]:
    """Do `work`, which sets `found`, in a process of its own."""
    command = [sys.executable, "-c", _MEASURED.format(work=work), str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return dict(json.loads(done.stdout))


def write_runs(folder: Path, runs: int, questions: int, condition: str) -> None:
    """Write runs that differ in the name of the model."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.results.lm_eval_output import invented, write_run

    first = write_run(folder, model="owner/model-0", condition=condition, questions=invented(questions))
    for number in range(1, runs):
        copy = shutil.copytree(first.parent, folder / f"owner__model-{number}") / first.name
        results = copy.read_text(encoding="utf-8")
        copy.write_text(results.replace("owner/model-0", f"owner/model-{number}"), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the runs and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--questions", type=int, default=QUESTIONS)
    parser.add_argument("--condition", default="openbook")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_runs(folder, asked.runs, asked.questions, asked.condition)
        size = sum(file.stat().st_size for file in folder.rglob("*")) / 1e6
        floor, reading = measured(_PARSING, folder), measured(_READING, folder)
    part = asked.runs * asked.questions / (RUNS * QUESTIONS)
    print(f"{asked.runs} runs of {asked.questions:,} items, {size:,.0f} MB; {part:.2f} of the work the limit is for")
    print(
        f"{reading['seconds']:.2f} s ({reading['seconds'] / SECONDS:.2f} of the limit), "
        f"{reading['processor']:.2f} s of processors ({reading['processor'] / floor['processor']:.2f} of orjson's "
        f"{floor['processor']:.2f} s), {reading['megabytes']:,.0f} MB ({reading['megabytes'] / MEGABYTES:.2f} of the "
        f"limit); runs, items, refused: {reading['found']}"
    )


if __name__ == "__main__":
    main()
