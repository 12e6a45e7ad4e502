"""How fast and how well near-duplicates are found, on texts whose duplicates are known; beside datasketch where it is.

    .venv/bin/python benchmarks/duplicates.py [--rows 200000]

One row in ten is a copy of another with two of its signs changed. Prints seconds and rows a second at three sizes,
recall and precision against the truth, and on the smallest size the ratio to datasketch's MinHashLSH (pip install
datasketch) with as many permutations.
"""

import argparse
import random
import resource
import time

import numpy as np

from data_prep.duplicates import near
from data_prep.duplicates.shingles import SIZE

_SIGNS = (
    "患者出现发热咳嗽胸痛乏力首选治疗药物检查诊断为急性慢性炎症感染手术护理观察病情变化肝肾心肺脾胃请注意休息多喝水"
)
_THRESHOLD = 0.8


def make_texts(count: int) -> tuple[list[str], list[int]]:
    """Texts of 100 to 400 signs, and for each the number of the text that it is a copy of, its own for an original."""
    draw = random.Random(count)
    originals = int(count * 0.9)
    texts = ["".join(draw.choices(_SIGNS, k=draw.randint(100, 400))) for _ in range(originals)]
    origin = list(range(originals))
    for _ in range(count - originals):
        source = draw.randrange(originals)
        signs = list(texts[source])
        for place in draw.sample(range(len(signs)), 2):
            signs[place] = draw.choice(_SIGNS)
        texts.append("".join(signs))
        origin.append(source)
    return texts, origin


def of_ours(texts: list[str], origin: list[int]) -> float:
    """Prints the figures of one size; returns the seconds it took."""
    keys = np.random.default_rng(0).permutation(len(texts)).astype(np.uint64)
    started = time.perf_counter()
    found = near(texts, keys, _THRESHOLD).tolist()
    seconds = time.perf_counter() - started
    copies = range(int(len(texts) * 0.9), len(texts))
    joined = sum(found[place] == found[origin[place]] for place in copies)
    wrong = sum(origin[place] != origin[stands] for place, stands in enumerate(found))
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{len(texts):>9,} rows: {seconds:6.1f} s, {len(texts) / seconds:8,.0f} rows/s, "
        f"recall {joined / len(copies):.2%}, {wrong} joined wrongly, {megabytes:,.0f} MB"
    )
    return seconds


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
        signature.update_batch([text[place : place + SIZE].encode() for place in range(len(text) - SIZE + 1)])
        index.query(signature)
        index.insert(str(number), signature)
    return time.perf_counter() - started


def main() -> None:
    """Runs the sizes and prints their figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    rows = parser.parse_args().rows
    sizes = [rows // 20, rows // 4, rows]
    smallest = 0.0
    for size in sizes:
        seconds = of_ours(*make_texts(size))
        smallest = smallest or seconds
    peer = of_datasketch(make_texts(sizes[0])[0])
    print(
        f"datasketch takes {peer / smallest:.1f} times as long at {sizes[0]:,}" if peer else "datasketch: not installed"
    )


if __name__ == "__main__":
    main()
