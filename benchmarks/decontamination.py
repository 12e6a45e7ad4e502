"""How fast and how well rows are checked against an exam.

    .venv/bin/python -m benchmarks.decontamination [--rows 10000 100000 1000000] [--questions 11200]

Questions and rows of about 330 characters are generated from one vocabulary, so that about as many of a row's n-grams
are the exam's as in medical data; every thousandth row holds an item. Prints seconds of one core to build the index and
its memory, then rows a second at each size, planted items found and other rows taken for one; then the same for the
project's labelled rows against the mini exam.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import orjson
import polars as pl
from numpy.typing import NDArray

from data_prep.decontaminate import ExamIndex
from data_prep.dedup import plain
from openbook_eval.exams import ExamFile, load_exam
from openbook_eval.types import Question

LABELLED = Path(__file__).parents[1] / "tests" / "data_prep" / "labelled.jsonl"
SEED, FRAME, EVERY = 20240726, 20_000, 1_000
WORDS, VOCABULARY = 125, 4_000
Words = NDArray[np.str_]


def vocabulary(draw: np.random.Generator) -> Words:
    """Words of two and three signs, some with a comma."""
    signs = np.array([chr(point) for point in range(0x4E00, 0x4E00 + 3_000)])
    words = ["".join(word[: 2 + number % 3 // 2]) for number, word in enumerate(draw.choice(signs, (VOCABULARY, 3)))]
    return np.array([f"{word}，" if number % 8 == 0 else word for number, word in enumerate(words)])


def sentence(draw: np.random.Generator, words: Words, length: int) -> str:
    """So many words in a row."""
    return "".join(draw.choice(words, length))


def exam(draw: np.random.Generator, words: Words, count: int) -> ExamFile:
    """Questions of some 25 characters with five options of eight, without passages."""
    questions = tuple(
        Question(
            id=str(number),
            exam="physician",
            exam_class="",
            subject="",
            qtype="single",
            stem=f"{sentence(draw, words, 9)}是（　　）。",
            options={letter: sentence(draw, words, 3) for letter in "ABCDE"},
            answer="C",
        )
        for number in range(count)
    )
    return ExamFile(name="generated", version="1", sha256="", questions=questions)


def frames(draw: np.random.Generator, words: Words, rows: int, questions: Sequence[Question]) -> Iterator[pl.DataFrame]:
    """Frames of rows; the first of every thousand has a question's stem in its answer."""
    for start in range(0, rows, FRAME):
        height = min(FRAME, rows - start)
        texts = ["".join(row) for row in draw.choice(words, (height, WORDS))]
        for place in range(0, height, EVERY):
            stem = questions[(start + place) // EVERY % len(questions)].stem
            texts[place] = f"{texts[place][:150]}{stem}{texts[place][150:]}"
        yield pl.DataFrame({"question": [text[:50] for text in texts], "answer": [text[50:] for text in texts]})


def in_plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Return question and answer in the form in which they are compared."""
    return frame.select("question", *(plain(pl.col(name)).alias(f"plain_{name}") for name in ("question", "answer")))


def speed(index: ExamIndex, words: Words, rows: int, questions: Sequence[Question]) -> None:
    """Prints a line for one number of rows."""
    seconds, found, wrong, characters = 0.0, 0, 0, 0
    for frame in frames(np.random.default_rng(rows), words, rows, questions):
        started = time.process_time()
        matches = index.check(in_plain(frame))
        seconds += time.process_time() - started
        found += sum(place % EVERY == 0 for place in matches)
        wrong += sum(place % EVERY != 0 for place in matches)
        characters += int(frame.select(pl.all().str.len_chars().sum()).sum_horizontal().item())
    planted = -(-rows // EVERY)
    print(
        f"{rows:>9,} rows  {characters / 1e6:6.1f} M characters  {seconds:6.2f} s  {rows / seconds:9,.0f} rows/s"
        f"  {seconds / characters * 1e9:5.1f} ns a character  found {found} of {planted}, wrongly {wrong}"
    )


def labelled() -> None:
    """Prints how many of the labelled rows are told apart rightly."""
    rows = [orjson.loads(line) for line in LABELLED.read_bytes().splitlines()]
    frame = pl.DataFrame({key: [row[key] for row in rows] for key in ("question", "answer")})
    found = set(ExamIndex.of([load_exam("mini")]).check(in_plain(frame)))
    holding = {place for place, row in enumerate(rows) if row["item"]}
    print(
        f"labelled rows: {len(found & holding)} of {len(holding)} that hold an item are found, "
        f"{len(found - holding)} of {len(rows) - len(holding)} others are taken for one"
    )


def main() -> None:
    """Command line of the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--questions", type=int, default=11_200)
    options = parser.parse_args()
    draw = np.random.default_rng(SEED)
    words = vocabulary(draw)
    exam_file = exam(draw, words, options.questions)
    started = time.process_time()
    index = ExamIndex.of([exam_file])
    size = index.grams.estimated_size() + index.table.nbytes
    print(
        f"index of {options.questions:,} questions: {time.process_time() - started:.2f} s, "
        f"{index.grams['hash'].n_unique():,} n-grams, {size / 1e6:.0f} MB"
    )
    for rows in options.rows:
        speed(index, words, rows, exam_file.questions)
    labelled()


if __name__ == "__main__":
    main()
