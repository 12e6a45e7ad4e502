"""How soon the plan of the paper's study is printed, the start of the process included.

    .venv/bin/python benchmarks/study_plan.py [--rounds 7] [--study studies/paper.yml]

Prints the seconds of the first time, when every raw file is hashed, and the median of the times after it, each with its
share of the limit of 2 s.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

SECONDS = 2.0
STUDY = Path(__file__).parent.parent / "studies" / "paper.yml"
COMMAND = Path(sys.executable).parent / "openbook-eval"


def seconds(study: Path, work: Path) -> float:
    """Of one plan."""
    began = time.perf_counter()
    subprocess.run([COMMAND, "study", "plan", study, "--work", work], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--study", type=Path, default=STUDY)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        first, *others = (seconds(arguments.study, Path(work)) for _ in range(1 + arguments.rounds))
    for name, taken in (("first, files hashed", first), (f"median of {len(others)} more", median(others))):
        print(f"{name}: {taken:.2f} s, {taken / SECONDS:.0%} of the limit of {SECONDS:.0f} s")


if __name__ == "__main__":
    main()
