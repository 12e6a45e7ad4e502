"""What the exam costs beside the engine: reading 11,200 questions with book and prompts, and a whole run's other share.

    .venv/bin/python benchmarks/overhead.py [--no-engine]

The first part builds a CMB-shaped exam of the paper's size, reads it in a process of its own (limit 5 s and 1 GB) and
prints time and peak memory, with Python's own JSON parsing of the same files as the floor. The second lays the books of
all conditions of the reading exam, prompts included (limit 60 s and 2 GB), and prints how much of the prompts' text is
unique. The third sits the bundled exam on vLLM and prints the share of the wall time that is not the engine: not
building it, not generating.
"""

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

QUESTIONS = 11_200
SECONDS, MEGABYTES = 5.0, 1_000
LAYING_SECONDS, LAYING_MEGABYTES = 60.0, 2_000
REPEATS, LAYINGS = 5, 3

_EXAM_TYPES = ("医师考试", "护理考试", "药师考试", "医技考试", "专业知识考试", "医学考研")
_WORDS = "患者出现发热咳嗽胸痛乏力首选治疗药物检查诊断为急性慢性炎症感染手术护理观察病情变化肝肾心肺脾胃"


def write_exam(folder: Path) -> None:
    """An exam with the sizes of CMB-test: stems of some 25 characters, five options of some 8, entries of some 35.

    Lengths are spread as those of 2,000 of CMB's questions: log-normal, stems with mean 2.95 and deviation 0.67 of the
    logarithm, options with 1.93 and 0.63. Were all alike, an engine that sorts by length would sort by book.
    """
    draw = random.Random(20240726)

    def text(length: int) -> str:
        return "".join(draw.choices(_WORDS, k=length))

    def about(mean: float, deviation: float) -> str:
        return text(max(4, round(draw.lognormvariate(mean, deviation))))

    questions, answers, book = [], [], []
    for number in range(1, QUESTIONS + 1):
        options = {letter: about(1.93, 0.63) for letter in "ABCDE"}
        stem, answer = about(2.95, 0.67), draw.choice("ABCDE")
        label = {"id": number, "exam_type": _EXAM_TYPES[number % 6], "exam_class": text(4), "exam_subject": text(4)}
        questions.append({**label, "question": stem, "question_type": "单项选择题", "option": options})
        answers.append({**label, "answer": answer})
        book.append({**label, "book_content": f"{stem}{options[answer]}。"})
    names = ("CMB-test-choice-question-merge.json", "CMB-test-choice-answer.json", "test-book.json")
    for name, rows in zip(names, (questions, answers, book), strict=True):
        (folder / name).write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")


def read_exam(folder: str) -> dict[str, float]:
    """Seconds from path to prompts, as lm-eval's process spends them; imports apart."""
    from openbook_eval import task_functions
    from openbook_eval.types import SIX_EXAMS

    started = time.perf_counter()
    docs = [doc for part in SIX_EXAMS for doc in task_functions.docs("openbook", part, exam=folder)["test"]]
    prompts = [task_functions.prompt(doc) for doc in docs]
    seconds = time.perf_counter() - started
    if len(prompts) != QUESTIONS:
        raise SystemExit(f"read {len(prompts)} of {QUESTIONS} questions")
    megabytes = peak_megabytes()
    started = time.perf_counter()
    for file in Path(folder).glob("*.json"):
        json.loads(file.read_text(encoding="utf-8"))
    parsing = time.perf_counter() - started
    return {"seconds": seconds, "parsing": parsing, "megabytes": megabytes}


def lay_books(folder: str) -> dict[str, float]:
    """Seconds from path to the prompts of all eight conditions, all kept as lm-eval keeps them; imports apart."""
    from openbook_eval import task_functions
    from openbook_eval.books.conditions import CONDITIONS
    from openbook_eval.types import SIX_EXAMS

    started = time.perf_counter()
    prompts = []
    for name in (name for name, condition in CONDITIONS.items() if condition.frame == "reading"):
        for part in SIX_EXAMS:
            docs = task_functions.docs(name, part, exam=folder)["test"]
            prompts += [task_functions.prompt(doc) for doc in docs]
    seconds = time.perf_counter() - started
    fronts = {prompt.partition("【要求】")[0] for prompt in prompts}
    characters = sum(map(len, prompts))
    unique = sum(len(prompt) - len(prompt.partition("【要求】")[0]) for prompt in prompts) + sum(map(len, fronts))
    megabytes = peak_megabytes()
    return {"seconds": seconds, "megabytes": megabytes, "prompts": len(prompts), "unique": unique / characters}


def peak_megabytes() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def evaluate() -> dict[str, float]:
    """Seconds that a run spends in the engine: building it and generating."""
    from lm_eval.models.vllm_causallms import VLLM

    from openbook_eval.run import run
    from openbook_eval.tiny_model import tiny_model_dir

    spent = {"building the engine": 0.0, "generating": 0.0}

    def timed(name: str, function: object) -> object:
        def call(*arguments: object, **settings: object) -> object:
            started = time.perf_counter()
            try:
                return function(*arguments, **settings)  # type: ignore[operator]
            finally:
                spent[name] += time.perf_counter() - started

        return call

    VLLM.__init__ = timed("building the engine", VLLM.__init__)
    VLLM._model_generate = timed("generating", VLLM._model_generate)
    model_args = f"pretrained={tiny_model_dir()},max_model_len=2048,enforce_eager=True"
    asked = ["--model", "vllm", "--tasks", "cmed_openbook", "--batch_size", "auto", "--model_args", model_args]
    run(asked, lambda _: None)
    return spent


def in_own_process(part: str, *arguments: str) -> dict[str, float]:
    """Runs one part of this script in a fresh process; adds its whole wall time."""
    environment = {
        **os.environ,
        "OPENBOOK_EXAM": "mini",
        "HF_HUB_OFFLINE": "1",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "OMP_NUM_THREADS": "1",
    }
    started = time.perf_counter()
    command = [sys.executable, __file__, "--part", part, *arguments]
    result = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    figures: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    return figures | {"wall": time.perf_counter() - started}


def print_laid(runs: list[dict[str, float]]) -> None:
    """Prints medians of laying all books, against the limits."""
    seconds, megabytes = (statistics.median(run[key] for run in runs) for key in ("seconds", "megabytes"))
    print(f"books and {runs[0]['prompts']:,} prompts of all conditions, median of {len(runs)}:")
    print(f"  {seconds:.1f} s ({seconds / LAYING_SECONDS:.0%} of the limit)")
    print(f"  {megabytes:,.0f} MB at most ({megabytes / LAYING_MEGABYTES:.0%} of the limit)")
    print(f"  unique: {runs[0]['unique']:.2%} of the prompts' text")


def main() -> None:
    """Runs both parts and prints their figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-engine", action="store_true", help="leave out the run on vLLM")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("folder", nargs="?", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        parts = {
            "read": lambda: read_exam(arguments.folder),
            "lay": lambda: lay_books(arguments.folder),
            "evaluate": evaluate,
        }
        print(json.dumps(parts[arguments.part]()))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_exam(Path(folder))
        runs = [in_own_process("read", folder) for _ in range(REPEATS)]
        laid = [in_own_process("lay", folder) for _ in range(LAYINGS)]
    seconds, parsing, megabytes = (
        statistics.median(run[key] for run in runs) for key in ("seconds", "parsing", "megabytes")
    )
    print(f"{QUESTIONS:,} questions, book and prompts, median of {REPEATS}:")
    print(f"  {seconds:.2f} s ({seconds / SECONDS:.0%} of the limit; {seconds / parsing:.0f} times parsing the JSON)")
    print(f"  {megabytes:.0f} MB at most ({megabytes / MEGABYTES:.0%} of the limit; lm-eval's imports included)")
    print_laid(laid)
    if not arguments.no_engine:
        run = in_own_process("evaluate")
        engine = run["building the engine"] + run["generating"]
        print(f"258 questions on vLLM, one run: {run['wall']:.1f} s")
        print(f"  building the engine {run['building the engine']:.1f} s, generating {run['generating']:.1f} s")
        print(f"  not the engine: {run['wall'] - engine:.1f} s, {1 - engine / run['wall']:.0%} of the run")


if __name__ == "__main__":
    main()
