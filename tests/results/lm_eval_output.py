"""Writes runs as lm-eval does, of any size and without an engine: the questions are invented, the marks are our own."""

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from openbook_eval import task_functions
from openbook_eval.books.conditions import CONDITIONS
from openbook_eval.books.preparation import ExamSettings
from openbook_eval.types import ABSTENTION, SIX_EXAMS, ExamName, Question, Unanswered
from tests.books.exams import make_exam, material

DATE = "2026-01-02T03-04-05.678901"
EXAM = {"name": "invented", "version": "1.0", "sha256": "e" * 64}
ENTRIES = "d" * 64
TEMPLATE = ("<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n")

GREEDY = {"do_sample": False, "temperature": 0.0, "max_gen_toks": 512, "until": ["<|im_end|>"]}

Doc = dict[str, Any]
Right = float | Callable[[Question], bool]
# What a model answers: text, or None for a question that got no answer.
Respond = Callable[[Question, str], str | None]

_PROSE = "这道题考查的是教材中的基本概念，应当结合临床表现全面考虑。"


def invented(count: int, exams: Sequence[ExamName] = SIX_EXAMS, *, classes: int = 3, seed: int = 1) -> list[Question]:
    """`count` questions dealt over `exams`, every fourth of an exam multiple choice."""
    sizes = {exam: count // len(exams) + (number < count % len(exams)) for number, exam in enumerate(exams)}
    return [question for exam in exams for question in make_exam(sizes[exam], exam, seed=seed, classes=classes)]


def write_run(
    folder: Path,
    *,
    model: str = "some/model",
    condition: str | Sequence[str] = "openbook",
    questions: Sequence[Question] | int = 60,
    right: Right = 0.7,
    respond: Respond | None = None,
    seed: int = 0,
    date: str = DATE,
    limit: int | None = None,
    chat: bool = False,
    samples: bool = True,
    settings: Mapping[str, Any] | None = None,
    model_args: Mapping[str, Any] | None = None,
    openbook: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Path:
    """Writes a run of `model` into `<folder>/<model>/`; returns its results file.

    `condition` is named as in `CONDITIONS`; a run may have several. `right` is the share of right answers,
    or says of each question whether it is right; `respond` gives the responses themselves, of a question and the
    letters that are right. `settings` are those of `--metadata` that change prompts. `limit` asks the first questions
    of each exam. `openbook` are parts of our own in the results, `config` of each task's config, `changes` replace
    what lm-eval has written there.
    """
    questions = invented(questions) if isinstance(questions, int) else questions
    conditions = [condition] if isinstance(condition, str) else condition
    home = folder / model.replace("/", "__")
    home.mkdir(parents=True, exist_ok=True)
    tasks: dict[str, list[Doc]] = {}
    sizes: dict[str, int] = {}
    for name in conditions:
        answer = respond or _responses(right, random.Random(f"{model} {name} {seed}"))  # noqa: S311 - no secret
        for exam, docs in _documents(questions, name, ExamSettings(**settings or {})).items():
            task = f"cmed_{name}_{exam}"
            sizes[task] = len(docs)
            tasks[task] = [_sample(place, doc, name, answer, chat=chat) for place, doc in enumerate(docs[:limit])]
    if samples:
        for task, own in tasks.items():
            lines = (json.dumps(sample, ensure_ascii=False) + "\n" for sample in own)
            (home / f"samples_{task}_{date}.jsonl").write_text("".join(lines), encoding="utf-8")
    results = _results(tasks, sizes, chat=chat, limit=limit)
    for task in results["configs"].values():
        task.update(config or {"generation_kwargs": GREEDY})
        task["metadata"] |= settings or {}
    results["config"]["model_args"] = {"pretrained": model, **(model_args or {})}
    results |= {"model_name": model, "model_name_sanitized": home.name}
    path = home / f"results_{date}.json"
    if path.exists():
        raise FileExistsError(f"{path}: give each run a date of its own, or several conditions to one")
    results |= {"openbook": {"truncation": _truncation(tasks), **(openbook or {})}} | changes
    path.write_text(json.dumps(results, indent=2, ensure_ascii=False), encoding="utf-8")
    return path


def _responses(right: Right, draw: random.Random) -> Respond:
    """Mostly letters alone, at times a sentence around them, at times nothing that could be read."""

    def respond(question: Question, expected: str) -> str:
        is_right = right(question) if callable(right) else draw.random() < right
        kind = draw.random()
        if is_right:
            answer = expected or ABSTENTION
            return answer if kind < 0.9 or not expected else f"根据材料，答案是{answer}。"
        if kind < 0.05:
            return _PROSE
        wrong = [letter for letter in question.options if letter not in expected]
        return draw.choice(wrong or list(question.options)[:1])

    return respond


def _documents(questions: Sequence[Question], condition: str, settings: ExamSettings) -> dict[ExamName, list[Doc]]:
    """The documents of each exam, as our task functions make them."""
    # Entries of nobody's questions: books of a small exam would not fill.
    count = 13_000 if condition.endswith("256k") else 3_300 if "library" in condition else 400
    spare = [replace(question, id=f"spare {question.id}") for question in make_exam(count, "other", seed=7)]
    made = material(*questions, spare=spare)
    return {
        exam: [task_functions._doc(condition, item, settings) for item in CONDITIONS[condition].ask(made, exam, False)]
        for exam in dict.fromkeys(question.exam for question in questions)
    }


def _sample(number: int, doc: Doc, condition: str, respond: Respond, *, chat: bool) -> dict[str, Any]:
    question = Question.from_doc(doc)
    prompt = task_functions.prompt(doc)
    sent = f"{TEMPLATE[0]}{prompt}{TEMPLATE[1]}" if chat else prompt
    target: object = doc.get("target", doc["answer"])
    response = respond(question, doc["expected"] if "expected" in doc else doc["answer"])
    if condition == "openbook_ranked":
        target = str(task_functions.first_right(doc))
        answers, arguments = _ranked(doc, response or "", sent)
        marks = task_functions.process_ranked_results(doc, [(value, likeliest) for value, likeliest in answers])
        resps: Any = [[[str(value), str(likeliest)]] for value, likeliest in answers]
        filtered: Any = [[str(value), str(likeliest)] for value, likeliest in answers]
    else:
        text = Unanswered("timeout") if response is None else response
        arguments = {"gen_args_0": {"arg_0": sent, "arg_1": {"do_sample": False, "max_gen_toks": 512}}}
        resps, filtered = [[str(text)]], task_functions.ChoiceFilter().apply([[text]], [doc])
        marks = task_functions.process_results(doc, filtered)
    return {
        "doc_id": number,
        "doc": doc,
        "target": str(target),
        "arguments": arguments,
        "resps": resps,
        "filtered_resps": filtered,
        "filter": "choice",
        "metrics": list(marks),
        "doc_hash": _hash(json.dumps(doc, indent=2, ensure_ascii=False)),
        "prompt_hash": _hash(sent),
        "target_hash": _hash(str(target)),
        **marks,
    }


def _ranked(doc: Doc, response: str, sent: str) -> tuple[list[tuple[float, bool]], dict[str, Any]]:
    """Letters of the response are likely, all others are not."""
    letters = task_functions.letters(doc)
    chosen = [letter for letter in letters if letter in response]
    answers = [(-0.7 if letter in chosen else -9.5, [letter] == chosen[:1]) for letter in letters]
    return answers, {f"gen_args_{place}": {"arg_0": sent, "arg_1": letter} for place, letter in enumerate(letters)}


def _results(
    tasks: Mapping[str, Sequence[Mapping[str, Any]]], sizes: Mapping[str, int], *, chat: bool, limit: int | None
) -> dict[str, Any]:
    used = {"providers": [{"provider": "statement", "entries": 1}], "sha256": ENTRIES, "fill": None, "book_seed": 0}
    metadata = {"version": 1.0, "exam_file": EXAM, "entries_used": used}
    first = {task: samples[0]["doc"] for task, samples in tasks.items()}
    of_task = {task: {"condition": doc["condition"], "exam_label": doc["exam"]} for task, doc in first.items()}
    return {
        "results": {task: dict(_shares(task, samples)) for task, samples in tasks.items()},
        "configs": {task: {"task": task, "num_fewshot": 0, "metadata": metadata | of_task[task]} for task in tasks},
        "versions": dict.fromkeys(tasks, 1.0),
        "n-shot": dict.fromkeys(tasks, 0),
        "n-samples": {
            # As lm-eval counts: an item without a response has no metrics, and is none.
            task: {"original": sizes[task], "effective": sum(bool(sample["metrics"]) for sample in samples)}
            for task, samples in tasks.items()
        },
        "config": {"model": "vllm-openbook", "limit": None if limit is None else float(limit)},
        "date": 1795643963.95,
        "transformers_version": "5.19.0",
        "lm_eval_version": "0.4.13",
        "max_length": 2048,
        "task_hashes": {task: _task_hash(samples) for task, samples in tasks.items()},
        "system_instruction": None,
        "system_instruction_sha": None,
        "chat_template": "{{ messages }}" if chat else None,
        "chat_template_sha": _hash("{{ messages }}") if chat else None,
    }


def _shares(task: str, samples: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, object]]:
    yield from (("alias", task), ("sample_len", len(samples)))
    for mark in dict.fromkeys(name for sample in samples for name in sample["metrics"]):
        known = [sample[mark] for sample in samples if sample.get(mark) is not None]
        yield f"{mark},choice", fmean(known) if known else None


def _truncation(tasks: Mapping[str, Sequence[object]]) -> dict[str, Any]:
    figures = {"cut": 0, "longest": 224, "room": 1536}
    fits = [{"task": task, "prompts": len(own), **figures} for task, own in tasks.items()]
    return {"checked": True, "reason": None, "prompts": sum(map(len, tasks.values())), **figures, "tasks": fits}


def _task_hash(samples: Sequence[Mapping[str, Any]]) -> str:
    return _hash("".join(s["doc_hash"] + s["prompt_hash"] + s["target_hash"] for s in samples))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
