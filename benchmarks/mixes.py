"""What a mix costs: reading, cleaning, exact duplicates, the check against an exam of 11,200 questions, and writing.

    .venv/bin/python -m benchmarks.mixes [--rows 10000 100000 1000000] [--rounds 3] [--folder FOLDER] [--no-datasets]

Generates Alpaca rows of about 1 kB, with a known number of duplicates, unclean rows and rows that hold an exam item,
and builds a mix of six rows in ten. Prints seconds, rows a second and the peak memory of all processes together (limit
3 GB); the ratio to one process that reads and writes the same bytes line by line with orjson (limit 4); and how much
longer the mix takes with `datasets`: concatenate, filter, drop duplicates, shuffle, select, without a check against an
exam (3 times as long is wanted). Seconds are medians of some rounds in turn, with processor time beside them, since
that is less moved by what else the machine does; near duplicates are left alone.
"""

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import orjson

from benchmarks.overhead import write_exam

ROWS = [10_000, 100_000, 1_000_000]
LIMIT, MEGABYTES, FASTER = 4.0, 3_000, 3.0
SHARES = {"general": 0.5, "tcm": 0.25, "western": 0.25}
TAKEN = 0.6
ROUNDS = 3

# Of every hundred rows the first is followed by copies, by rows with a kind of dirt each, and by one with an exam item.
_COPIES = 5
_DIRT = ("", "<div class='a'>头痛</div><br/>", "电话13812345678，找张医生。", "锟斤拷锟斤拷锟斤拷", "\ufffd\ufffd头痛")
_BLOCK, _WORDS, _VOCABULARY = 10_000, 110, 4_000
_SIGNS = (
    "的一是不了在有人这上大来和我个中为说生国年着就那要出也得里后自以会家可下而过天去能对小多然于心学么之都好看起发当没"
    "成只如事把还用第样道想作种开美总从无情己面最女但现前些所同日手又行意动方期它头经长儿回位分爱老因很给名法间斯知世什"
    "两次使身者被高已亲其进此话常与活正感病药治疗症热寒气血肝肾肺脾胃痛脉舌苔汤丸方剂针灸炎癌检查诊断手术护理观察变化"
)


def write_rows(folder: Path, rows: int) -> Counter[str]:
    """A JSONL file a domain, `rows` rows in all; returns how many of them are to be dropped, and what for."""
    draw = np.random.default_rng(20240726)
    signs = np.array(list(_SIGNS))
    words = signs[draw.integers(0, len(signs), (_VOCABULARY, 3))].view("U3").ravel()
    words[::8] = [f"{word[:2]}，" for word in words[::8]]
    items = json.loads((folder / "exam" / "CMB-test-choice-question-merge.json").read_text(encoding="utf-8"))
    counts: Counter[str] = Counter()
    for domain, share in SHARES.items():
        with (folder / f"{domain}.jsonl").open("wb") as file:
            for start in range(0, int(rows * share), _BLOCK):
                height = min(_BLOCK, int(rows * share) - start)
                texts = words[draw.integers(0, _VOCABULARY, (height, _WORDS))].view(f"U{3 * _WORDS}").ravel().tolist()
                file.writelines(_lines(texts, items, counts))
    return counts


def _lines(texts: Sequence[str], items: Sequence[Mapping[str, Any]], counts: Counter[str]) -> Iterator[bytes]:
    for number, text in enumerate(texts):
        row = {"instruction": text[:60], "input": "", "output": text[60 : 280 + number % 50]}
        place = number % 100
        if place == 0:
            first = row
        elif place <= _COPIES:
            row = {**first, "output": f" {first['output']}" + "。" * place}
            counts["duplicate"] += 1
        elif place <= _COPIES + len(_DIRT):
            dirt = _DIRT[place - _COPIES - 1]
            row["output"] = row["output"] + dirt if dirt else ""
            counts["unclean"] += 1
        elif place == _COPIES + len(_DIRT) + 1:
            item = items[(number * 7) % len(items)]
            row["instruction"] = f"请问：{item['question']}{'；'.join(item['option'].values())}"
            counts["contaminated"] += 1
        yield orjson.dumps(row) + b"\n"


def write_spec(folder: Path, rows: int) -> Path:
    """A spec of one mix, of the files that write_rows wrote."""
    sources = "".join(f"  - {{name: {d}, domain: {d}, licence: none, path: {d}.jsonl}}\n" for d in SHARES)
    file = folder / "spec.yml"
    file.write_text(
        f"sources:\n{sources}"
        f"mixes:\n  mix11: {{size: {int(rows * TAKEN)}, ratio: '1:1'}}\n"
        f"deduplicate: {{near: null}}\n"
        f"decontaminate: {{exams: [{folder / 'exam'}]}}\n",
        encoding="utf-8",
    )
    return file


def rewrite(folder: Path) -> None:
    """The floor: the same bytes read and written line by line."""
    for domain in SHARES:
        with (folder / f"{domain}.jsonl").open("rb") as read, (folder / f"{domain}.copy").open("wb") as written:
            for line in read:
                written.write(orjson.dumps(orjson.loads(line)) + b"\n")


def with_datasets(folder: Path, rows: int) -> None:
    """The same mix as people make it with `datasets`, without the check against the exam."""
    import datasets

    datasets.disable_progress_bars()
    dirty = re.compile(r"<[a-z/][^>]*>|锟斤拷|\ufffd|(?<!\d)1[3-9]\d{9}(?!\d)")
    unwanted = re.compile(r"[\W_]+")
    chinese = re.compile(r"[\u4e00-\u9fff]")

    def clean(row: Mapping[str, str]) -> bool:
        text = row["instruction"] + row["output"]
        return bool(row["output"]) and not dirty.search(text) and len(chinese.findall(text)) > 0.3 * len(text)

    seen: set[str] = set()

    def first(row: Mapping[str, str]) -> bool:
        before = len(seen)
        seen.add(unwanted.sub("", row["instruction"] + row["output"]))
        return len(seen) > before

    def messages(row: Mapping[str, str]) -> dict[str, list[dict[str, str]]]:
        pair = (("user", row["instruction"]), ("assistant", row["output"]))
        return {"messages": [{"role": role, "content": content} for role, content in pair]}

    def taken(domain: str, size: int) -> Any:
        loaded = datasets.load_dataset(
            "json", data_files=str(folder / f"{domain}.jsonl"), split="train", cache_dir=str(folder / "cache")
        )
        return loaded.filter(clean, num_proc=2).filter(first).shuffle(seed=0).select(range(size))

    size = int(rows * TAKEN)
    parts = [taken(domain, size // 2 if domain == "general" else size // 4) for domain in SHARES]
    mixed = datasets.concatenate_datasets(parts).shuffle(seed=0)
    mixed = mixed.map(messages, num_proc=2, remove_columns=["instruction", "input", "output"])
    mixed.to_json(str(folder / "datasets.jsonl"), force_ascii=False, num_proc=2)


def measured(part: str, folder: Path, rows: int, *, watched: bool = False) -> dict[str, float]:
    """Seconds of a part in a process of its own, with start and imports; where `watched`, peak memory of all processes.

    Walking through the pages of a process stops it, so that a watched one takes longer.
    """
    command = [sys.executable, "-m", "benchmarks.mixes", "--part", part, "--folder", str(folder), "--rows", str(rows)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hf")}
    # What others wrote is not to be carried to the disk in this one's time.
    os.sync()
    started, before = time.perf_counter(), _children_seconds()
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    peak = [0.0]
    watch = threading.Thread(target=_watch, args=(process, peak))
    if watched:
        watch.start()
    _, errors = process.communicate()
    seconds = time.perf_counter() - started
    if watched:
        watch.join()
    if process.returncode:
        raise SystemExit(f"{part}: {errors}")
    return {"seconds": seconds, "cpu": _children_seconds() - before, "megabytes": peak[0]}


def _children_seconds() -> float:
    """Processor time of all ended children and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _watch(process: "subprocess.Popen[str]", peak: list[float]) -> None:
    while process.poll() is None:
        peak[0] = max(peak[0], sum(map(_megabytes, _family(process.pid))))
        time.sleep(0.5)


def _family(parent: int) -> Iterator[int]:
    yield parent
    for file in Path(f"/proc/{parent}/task").glob("*/children"):
        try:
            children = file.read_text().split()
        except OSError:  # ended meanwhile
            continue
        for child in children:
            yield from _family(int(child))


def _megabytes(process: int) -> float:
    """Memory of a process; what it shares with others is counted in parts (Pss), so that the sum is what is in use."""
    try:
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:  # ended meanwhile
        return 0.0
    found = re.search(r"^Pss:\s+(\d+)", rollup, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def check(folder: Path, expected: Mapping[str, int]) -> None:
    """Ends the program where the build dropped other numbers of rows than were made."""
    manifest = json.loads((folder / "out" / "mix11" / "manifest.json").read_text(encoding="utf-8"))
    flows = manifest["build"]["sources"].values()
    found = {
        "duplicate": sum(flow["exact"] for flow in flows),
        "unclean": sum(sum(flow["dropped"].values()) for flow in flows),
        "contaminated": sum(flow["contaminated"] for flow in flows),
    }
    if found != dict(expected):
        raise SystemExit(f"dropped {found}, and {dict(expected)} were made")


def medians(
    folder: Path, rows: int, expected: Mapping[str, int], rounds: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Seconds and processor time of the floor and of the build, medians of some rounds in turn."""
    floors, builds = [], []
    for _ in range(rounds):
        floors.append(measured("rewrite", folder, rows))
        builds.append(measured("build", folder, rows))
        check(folder, expected)
        shutil.rmtree(folder / "out")
    floor, ours = (
        {name: median(each[name] for each in found) for name in ("seconds", "cpu")} for found in (floors, builds)
    )
    return floor, ours


def one_size(folder: Path, rows: int, rounds: int, *, datasets: bool) -> None:
    """Generates, builds and prints the figures of one size."""
    (folder / "exam").mkdir()
    write_exam(folder / "exam")
    expected = write_rows(folder, rows)
    size = sum((folder / f"{domain}.jsonl").stat().st_size for domain in SHARES)
    write_spec(folder, rows)
    floor, ours = medians(folder, rows, expected, rounds)
    memory = measured("build", folder, rows, watched=True)["megabytes"]
    print(f"{rows:,} rows, {size / 1e6:,.0f} MB; {dict(expected)} dropped, as made")
    print(
        f"  {ours['seconds']:.1f} s ({ours['cpu']:.1f} s of processor time), {rows / ours['seconds']:,.0f} rows/s, "
        f"{memory:,.0f} MB (limit {MEGABYTES:,})"
    )
    print(
        f"  {ours['seconds'] / floor['seconds']:.1f} times reading and writing with orjson ({floor['seconds']:.1f} s; "
        f"limit {LIMIT:.0f}); processor time {ours['cpu'] / floor['cpu']:.1f} times"
    )
    if datasets:
        others = measured("datasets", folder, rows, watched=True)
        print(
            f"  datasets: {others['seconds']:.1f} s, {others['megabytes']:,.0f} MB: "
            f"{others['seconds'] / ours['seconds']:.1f} times as long ({FASTER:.0f} wanted), "
            f"{others['cpu'] / ours['cpu']:.1f} times the processor time"
        )


def main() -> None:
    """Runs every size and prints its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS, help="multiples of 10,000")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of which medians are taken")
    parser.add_argument("--folder", type=Path, help="where to put some 5 kB a row; else the folder for temporary files")
    parser.add_argument("--no-datasets", action="store_true", help="leave out the comparison with datasets")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        _part(arguments.part, arguments.folder, arguments.rows[0])
        return
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            if (free := shutil.disk_usage(folder).free) < 6_000 * rows:
                raise SystemExit(f"{folder}: {free / 1e9:.1f} GB are free, and {6_000 * rows / 1e9:.1f} GB are wanted")
            one_size(Path(folder), rows, arguments.rounds, datasets=not arguments.no_datasets)


def _part(name: str, folder: Path, rows: int) -> None:
    if name == "rewrite":
        rewrite(folder)
    elif name == "datasets":
        with_datasets(folder, rows)
    else:
        from data_prep import cli

        sys.argv = ["data-prep", "build", str(folder / "spec.yml"), "--data", str(folder), "--out", str(folder / "out")]
        cli.main()


if __name__ == "__main__":
    main()
