"""How soon the plan of the paper's study is printed, the start of the process included.

.venv/bin/python benchmarks/study_plan.py [--rounds 7] [--study studies/paper.yml]
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

SECONDS = 2.0
STUDY = Path(__file__).parent.parent / "studies" / "paper.yml"
COMMAND = Path(sys.executable).parent / "openbook-eval"


def main() -> None:
    """Measure and print the median, with its share of the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--study", type=Path, default=STUDY)
    arguments = parser.parse_args()
    taken = []
    for _ in range(arguments.rounds):
        began = time.perf_counter()
        subprocess.run([COMMAND, "study", "plan", arguments.study], stdout=subprocess.DEVNULL, check=True)
        taken.append(time.perf_counter() - began)
    print(
        f"median of {len(taken)}: {median(taken):.2f} s, {median(taken) / SECONDS:.0%} of the limit of {SECONDS:.0f} s"
    )


if __name__ == "__main__":
    main()
