"""What reading many runs costs: 60 runs of 11,200 items, as lm-eval writes them, into one table.

    .venv/bin/python benchmarks/leaderboard_reading.py [--runs 60] [--questions 11200] [--condition openbook]

Writes runs of an invented exam, reads them in a process of its own (limit 10 s and 2 GB for 60 runs of 11,200 items)
and prints time and peak memory, with orjson's parsing of the same samples, line by line in one process, as the floor.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

SECONDS, MEGABYTES = 10.0, 2_000
RUNS, QUESTIONS = 60, 11_200

# Peak memory of a process and of its two children, which need about the same.
_TOLD = """
import json, resource
own, others = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(json.dumps({"seconds": seconds, "megabytes": (own + 2 * others) / 1000, "found": found}))
"""
_READING = """
import sys, time
from pathlib import Path
if __name__ == "__main__":
    start = time.perf_counter()
    from openbook_eval.results import read_runs
    taken = read_runs(Path(sys.argv[1]))
    seconds, found = time.perf_counter() - start, [len(taken.runs), len(taken.items), len(taken.refused)]
"""
_PARSING = """
import sys, time
from pathlib import Path
import orjson
start = time.perf_counter()
found = 0
for path in Path(sys.argv[1]).rglob("samples_*.jsonl"):
    with path.open("rb") as lines:
        found += sum(1 for line in lines if orjson.loads(line))
seconds = time.perf_counter() - start
"""


def measured(folder: Path, program: str, *arguments: Path) -> dict[str, float]:
    """Runs `program`, which sets `seconds` and `found`, from a file of its own: workers import it again."""
    script = folder / "measured.py"
    guarded = _TOLD.replace("\n", "\n    ") if "__main__" in program else _TOLD
    script.write_text(f"{program}{guarded}\n", encoding="utf-8")
    told = subprocess.run(
        [sys.executable, str(script), *map(str, arguments)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    return dict(json.loads(told.stdout))


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the runs and measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--questions", type=int, default=QUESTIONS)
    parser.add_argument("--condition", default="openbook")
    asked = parser.parse_args(arguments)
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.results.lm_eval_output import invented, write_run

    questions = invented(asked.questions)
    part = asked.runs * asked.questions / (RUNS * QUESTIONS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(asked.runs):
            write_run(folder / "runs", model=f"owner/model-{number}", condition=asked.condition, questions=questions)
        size = sum(file.stat().st_size for file in (folder / "runs").rglob("*")) / 1e6
        floor = measured(folder, _PARSING, folder / "runs")
        reading = measured(folder, _READING, folder / "runs")
        print(f"{asked.runs} runs of {asked.questions:,} items, {size:,.0f} MB")
        print(
            f"reading: {reading['seconds']:.2f} s ({reading['seconds'] / SECONDS:.2f} of the limit for 60 runs, "
            f"{reading['seconds'] / floor['seconds']:.2f} of orjson's {floor['seconds']:.2f} s), "
            f"{reading['megabytes']:,.0f} MB ({reading['megabytes'] / MEGABYTES:.2f} of the limit); "
            f"{part:.2f} of the work the limit is for; runs, items, refused: {reading['found']}"
        )


if __name__ == "__main__":
    main()
