"""How fast and how well near-duplicates are found, on texts whose duplicates are known; beside datasketch where it is.

    .venv/bin/python benchmarks/duplicates.py [--rows 200000]

One row in ten is a copy of another with one sign in a hundred changed. Prints seconds, rows a second and memory at
three sizes, recall and precision against the truth; the same for texts of one template, the worst case; seconds of the
keys of a million rows; and on the smallest size the ratio to datasketch's MinHashLSH (pip install datasketch) with as
many permutations.
"""

import argparse
import random
import time
from pathlib import Path

import numpy as np
import polars as pl

from data_prep.dedup import SHINGLE, keys, near_duplicates, plain

_SIGNS = (
    "患者出现发热咳嗽胸痛乏力首选治疗药物检查诊断为急性慢性炎症感染手术护理观察病情变化肝肾心肺脾胃请注意休息多喝水"
)
_THRESHOLD = 0.8
_COPIES = 0.1


def make_texts(count: int) -> tuple[list[str], list[int]]:
    """Texts of 100 to 400 signs, and for each the number of the text that it is a copy of, its own for an original.

    No original is copied twice, so that what goes and what stays does not hang on which is met first.
    """
    draw = random.Random(count)
    originals = int(count * (1 - _COPIES))
    texts = ["".join(draw.choices(_SIGNS, k=draw.randint(100, 400))) for _ in range(originals)]
    origin = [*range(originals), *draw.sample(range(originals), count - originals)]
    for source in origin[originals:]:
        signs = list(texts[source])
        for place in draw.sample(range(len(signs)), len(signs) // 100):
            signs[place] = draw.choice(_SIGNS)
        texts.append("".join(signs))
    return texts, origin


def make_template(count: int) -> list[str]:
    """Texts that share 300 signs, and have 60 of their own: 0.69 alike, so that all meet and none goes."""
    draw = random.Random(count)
    shared = "".join(draw.choices(_SIGNS, k=300))
    return [shared + "".join(draw.choices(_SIGNS, k=60)) for _ in range(count)]


def megabytes(of: str) -> float:
    """Memory of this process: VmRSS now, VmHWM at most since it was last set back."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(of))
    return int(line.split()[1]) / 1024


def timed(texts: list[str]) -> tuple[float, list[int]]:
    """Prints time and memory of one set of texts; returns the seconds and what stands for what."""
    own = np.random.default_rng(0).permutation(len(texts)).astype(np.uint64)
    rows = pl.DataFrame({"question": texts, "answer": [""] * len(texts), "key": own})
    Path("/proc/self/clear_refs").write_text("5")
    before, started = megabytes("VmRSS"), time.perf_counter()
    found = near_duplicates(rows, _THRESHOLD).tolist()
    seconds = time.perf_counter() - started
    print(
        f"{len(texts):>9,} rows: {seconds:6.1f} s, {len(texts) / seconds:8,.0f} rows/s, "
        f"{megabytes('VmHWM') - before:5,.0f} MB beside the texts",
        end="",
    )
    return seconds, found


def of_copies(count: int) -> float:
    """Prints the figures of one size; returns the seconds it took."""
    texts, origin = make_texts(count)
    seconds, found = timed(texts)
    copies = [place for place in range(count) if origin[place] != place]
    joined = sum(found[place] == found[origin[place]] for place in copies)
    gone = [place for place in range(count) if found[place] != place]
    right = sum(origin[place] == origin[found[place]] for place in gone)
    print(f", recall {joined / len(copies):.2%}, precision {right / len(gone):.2%}")
    return seconds


def of_keys(count: int = 100_000) -> float:
    """Seconds that the keys of a million rows take."""
    texts = pl.Series(make_texts(count)[0])
    frame = pl.DataFrame({"question": texts.str.head(60), "answer": texts.str.slice(60)})
    in_plain = (plain(pl.col(name)).alias(f"plain_{name}") for name in frame.columns)
    started = time.process_time()
    for part in frame.with_columns(in_plain).iter_slices(20_000):
        keys(part)
    return (time.process_time() - started) * 1_000_000 / count


def of_datasketch(texts: list[str]) -> float | None:
    """Seconds of the peer for the same, None where it is not installed."""
    try:
        from datasketch import MinHash, MinHashLSH
    except ImportError:
        return None
    started = time.perf_counter()
    index = MinHashLSH(threshold=_THRESHOLD, num_perm=128)
    for number, text in enumerate(texts):
        signature = MinHash(num_perm=128)
        signature.update_batch([text[place : place + SHINGLE].encode() for place in range(len(text) - SHINGLE + 1)])
        index.query(signature)
        index.insert(str(number), signature)
    return time.perf_counter() - started


def main() -> None:
    """Runs the sizes and prints their figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    rows = parser.parse_args().rows
    sizes = [rows // 20, rows // 4, rows]
    near_duplicates(pl.DataFrame({"question": ["头痛", "头晕"], "answer": ["", ""], "key": [0, 1]}), _THRESHOLD)
    seconds = [of_copies(size) for size in sizes]
    timed(make_template(sizes[1]))
    print(", all of one template")
    print(f"keys: {of_keys():.1f} s of one core a million rows")
    peer = of_datasketch(make_texts(sizes[0])[0])
    print(
        f"datasketch takes {peer / seconds[0]:.1f} times as long at {sizes[0]:,}"
        if peer
        else "datasketch: not installed"
    )


if __name__ == "__main__":
    main()
