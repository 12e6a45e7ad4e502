"""How well and how fast choices are read: our matcher beside those of others, on labelled and on raw responses.

    .venv/bin/python benchmarks/matchers.py [--labelled FILE.jsonl] [--raw FILE.jsonl.gz]

FILE.jsonl: rows of output, options, qtype and `gold_extraction`, the letters that the output commits to ("" = none);
without it the project's own 437 labelled responses are read. FILE.jsonl.gz: rows of output, options, qtype and gold.
On the labelled rows accuracy is the share of exact letter sets; on the raw ones there is no label of what was meant,
so the share of right answers is shown, which says how far a matcher moves a score. Speed is the median of five runs on
one core, as responses a second and as a ratio to ours.
"""

import argparse
import gzip
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from openbook_eval.matching.others import MATCHERS, Matcher

OWN = Path(__file__).parents[1] / "tests" / "matching" / "responses.jsonl"
REPEATS = 5
Row = tuple[str, dict[str, str], Any, str]


def read(path: Path, gold: str) -> list[Row]:
    """Rows as (response, options, question type, letters)."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    rows = [orjson.loads(line) for line in data.splitlines()]
    return [
        (row["output"], row["options"] or {}, "single" if row["qtype"] == "single" else "multi", str(row[gold]))
        for row in rows
    ]


def accuracy(matcher: Matcher, rows: Sequence[Row]) -> float:
    """Share of rows whose letters are read exactly."""
    return statistics.fmean(set(matcher.read(*row[:3])) == set(row[3]) for row in rows)


def speed(matcher: Matcher, rows: Sequence[Row]) -> float:
    """Responses a second."""
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        for response, options, qtype, _letters in rows:
            matcher.read(response, options, qtype)
        times.append(time.perf_counter() - started)
    return len(rows) / statistics.median(times)


def hostile() -> None:
    """Prints how long our matcher takes for one MB of what its patterns look for."""
    options = dict(zip("ABCD", ("胰岛素", "胰高血糖素", "生长激素", "肾上腺素"), strict=True))
    for piece in ("A、", "答案是", "答案是A", "选A或", "A. x\n", "\n", "<think>"):
        text = piece * (1_000_000 // len(piece.encode()))
        started = time.perf_counter()
        choice = MATCHERS[0].read(text, options, "single")
        spent = 1000 * (time.perf_counter() - started)
        print(f"1 MB of {piece!r}: {spent:.0f} ms (limit 100 ms), reads {choice or 'none'}")


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labelled", type=Path)
    parser.add_argument("--raw", type=Path)
    arguments = parser.parse_args()
    labelled = read(arguments.labelled, "gold_extraction") if arguments.labelled else read(OWN, "letters")
    raw = read(arguments.raw, "gold") if arguments.raw else labelled
    nothing = [row for row in labelled if not row[3]]
    print(f"{len(labelled)} labelled responses, {len(nothing)} of them commit to nothing; {len(raw)} raw responses")
    print(f"{'matcher':12} {'letters':>8} {'nothing':>8} {'right, raw':>10} {'a second':>10} {'ratio':>6}")
    fastest = 0.0
    for matcher in MATCHERS:
        rate = speed(matcher, raw)
        fastest = fastest or rate
        shares = [accuracy(matcher, rows) for rows in (labelled, nothing, raw)]
        print(
            f"{matcher.name:12} {shares[0]:8.1%} {shares[1]:8.1%} {shares[2]:10.1%} {rate:10,.0f} {rate / fastest:6.2f}"
        )
    hostile()


if __name__ == "__main__":
    main()
