"""How well and how fast choices are read: our matcher beside those of others, on labelled and on raw responses.

    .venv/bin/python benchmarks/matchers.py [--labelled FILE.jsonl] [--raw FILE.jsonl.gz]
    .venv/bin/python benchmarks/matchers.py --card FILE.jsonl ...

FILE.jsonl: rows of output, options, qtype and `gold_extraction`, the letters that the output commits to ("" = none);
without it the project's own 437 labelled responses are read. FILE.jsonl.gz: rows of output, options, qtype and gold.
On the labelled rows accuracy is the share of exact letter sets; on the raw ones there is no label of what was meant,
so the share of right answers is shown, which says how far a matcher moves a score. Speed is the best of five runs on
one core, by processor time, as responses a second and as a ratio to ours. `--card` prints the tables of docs/matcher.md
(labels also named `gold`): accuracy by source, language, kind and reason, with 95 % intervals (Wilson).
"""

import argparse
import gzip
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
from statsmodels.stats.proportion import proportion_confint

from openbook_eval.matching import match_choice
from openbook_eval.matching.others import MATCHERS, Matcher

OWN = Path(__file__).parents[1] / "tests" / "matching" / "responses.jsonl"
REPEATS = 5
LABELS = ("gold_extraction", "letters", "gold")
Row = tuple[str, dict[str, str], Any, str]


def load(path: Path) -> list[dict[str, Any]]:
    """Rows of a JSONL file, packed or not."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [orjson.loads(line) for line in data.splitlines()]


def parsed(row: dict[str, Any], label: str) -> Row:
    """A row as (response, options, question type, letters)."""
    return row["output"], row["options"] or {}, "single" if row["qtype"] == "single" else "multi", str(row[label])


def read(path: Path, gold: str) -> list[Row]:
    """Rows as (response, options, question type, letters)."""
    return [parsed(row, gold) for row in load(path)]


def groups(row: dict[str, Any], label: str) -> Iterator[tuple[str, str]]:
    """The lines of the card that a labelled row counts in, as (table, line)."""
    why, letters = row.get("why") or "", row[label]
    source = row.get("source") or row.get("repo") or "this project"
    chinese = re.search("[\u4e00-\u9fff]", "".join((row["options"] or {}).values()) or row["output"])
    text_only = "text" in why and "letter" not in why
    choice = match_choice(*parsed(row, label)[:3])
    yield "source and type", f"{source}, {row['qtype']}"
    yield "language", "Chinese" if chinese else "English"
    yield "commits to", "nothing" if not letters else "an option's text" if text_only else "letters"
    yield "rule or reason of ours", f"{choice.rule} ({choice.state})"
    yield "all", "all"


def share(right: Sequence[bool]) -> str:
    """A share in percent with its interval."""
    low, high = proportion_confint(sum(right), len(right), method="wilson")
    return f"{100 * statistics.fmean(right):.1f} ({100 * low:.0f}-{100 * high:.0f})"


def card(path: Path) -> None:
    """Prints accuracy on a labelled file by group, a column a matcher, and how many letters of ours are wrong."""
    rows = load(path)
    label = next(name for name in LABELS if name in rows[0])
    right: dict[tuple[str, str], dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        for group in groups(row, label):
            for matcher in MATCHERS:
                response, options, qtype, letters = parsed(row, label)
                if matcher.applies(options, qtype):
                    read_as = matcher.read(response, options, qtype)
                    right[group][matcher.name].append(set(read_as) == set(letters))
    wrong = sum(bool(found := match_choice(*parsed(row, label)[:3]).letters) and found != row[label] for row in rows)
    print(f"\n{path.stem}: {len(rows)} responses; wrong letters of ours: {wrong} ({100 * wrong / len(rows):.1f} %)\n")
    print("| by | group | rows | " + " | ".join(matcher.name for matcher in MATCHERS) + " |")
    print("|---|---|---|" + "---|" * len(MATCHERS))
    for (table, line), columns in sorted(right.items()):
        cells = [share(columns[matcher.name]) if columns[matcher.name] else "n/a" for matcher in MATCHERS]
        print(f"| {table} | {line} | {len(columns['ours'])} | {' | '.join(cells)} |")


def accuracy(matcher: Matcher, rows: Sequence[Row]) -> float:
    """Share of rows whose letters are read exactly."""
    return statistics.fmean(set(matcher.read(*row[:3])) == set(row[3]) for row in rows)


def speed(matcher: Matcher, rows: Sequence[Row]) -> float:
    """Responses a second."""
    times = []
    for _ in range(REPEATS):
        started = time.process_time()
        for response, options, qtype, _letters in rows:
            matcher.read(response, options, qtype)
        times.append(time.process_time() - started)
    return len(rows) / min(times)


def hostile() -> None:
    """Prints how long our matcher takes for one MB of what its patterns look for."""
    options = dict(zip("ABCD", ("胰岛素", "胰高血糖素", "生长激素", "肾上腺素"), strict=True))
    for piece in ("A、", "答案是", "答案是A", "我认为A、B、", "选A或", "A. x\n", "\n", "<think>"):
        text = piece * (1_000_000 // len(piece.encode()))
        started = time.perf_counter()
        choice = MATCHERS[0].read(text, options, "single")
        spent = 1000 * (time.perf_counter() - started)
        print(f"1 MB of {piece!r}: {spent:.0f} ms (limit 500 ms), reads {choice or 'none'}")


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labelled", type=Path)
    parser.add_argument("--raw", type=Path)
    parser.add_argument("--card", type=Path, nargs="+")
    arguments = parser.parse_args()
    for path in arguments.card or ():
        card(path)
    if arguments.card:
        return
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
