"""Read written responses to choice questions, whoever wrote the file.

Samples of lm-eval, predictions of OpenCompass, predictions and reviews of EvalScope, CMB's files of answers, and rows
of one's own: all become rows of fields side by side, in which options, answer and response are looked for by name.
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from openbook_eval.books.conditions import CONDITIONS
from openbook_eval.errors import OpenbookError
from openbook_eval.matching import match_choice, rank_letters
from openbook_eval.results.reader import read_runs, samples_files, task_of
from openbook_eval.results.samples import each_sample
from openbook_eval.types import ABSTENTION, QType

Row = Mapping[str, Any]

# Where files of others lie in the folder of a run: lm-eval's samples, OpenCompass's predictions, EvalScope's reviews.
_OTHERS = ("samples_*.jsonl", "predictions/*/*.json", "reviews/*/*.jsonl")
_IDS = ("id", "doc_id", "index", "idx")
_TEXTS = ("output", "response", "prediction", "model_answer")
_TARGETS = ("expected", "target", "gold", "refr", "reference", "answer", "label")
_PROMPTS = ("origin_prompt", "arguments", "input", "messages", "prompt", "question")
# What holds the text of a message, of a part of one, or of lm-eval's arguments.
_SAID = ("content", "prompt", "text", "gen_args_0", "arg_0")
_LABELS, _OPTION_TEXTS = ("letter", "label", "key"), ("text", "value", "content")
# How columns of options are told apart: `A` to `E`, `opa` to `opd`, `ending0` to `ending3`, `choice1` to `choice4`.
_MARKS = (ascii_uppercase, "0123456789", "123456789")
# Options in a prompt: each on a line of its own, or one behind the other.
_LISTS = tuple(re.compile(rf"{start}[(（]?([A-Z])[.、．:：)）]\s*") for start in (r"(?:\A|\n)\s*", r"(?<![A-Za-z])"))
_NOTHING_BUT_LETTERS = re.compile(r"[A-Z\W_]+")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WrittenResponse:
    """A response of `model` to a question; `asked` is the title of our condition, or the name of a task.

    `exam_class` is "EXAM CLASS". `options` are {} where they are not known. `answer` are the right letters as they are
    published, or ABSTENTION where abstaining is right. `ranked` are letters by their probabilities, without a text.
    """

    asked: str
    model: str
    id: str
    exam_class: str
    qtype: QType
    options: Mapping[str, str]
    answer: str
    text: str
    ranked: str = ""


def read_responses(paths: Sequence[Path], key: Path | None = None) -> Iterator[WrittenResponse]:
    """Read the responses of our runs in `paths`, and of all other tasks of choice that lie there.

    A file may be named itself. Another task's model is called by its rows or else by the folder; its newest samples
    there stand. `key` is a file of rows with what the others lack, by id: right answers, options.
    """
    others = {(file.parent, task_of(file)): file for path in paths for file in _files_of_others(path)}
    known = _by_id(key) if key else {}
    try:
        runs = read_runs([path for path in paths if path not in others.values()]).runs
    except OpenbookError:
        if not others or not all(path.exists() for path in paths):
            raise
        runs = ()
    for run in runs:
        for file in run.samples:
            yield from _responses(Path(file.path), CONDITIONS[run.condition].title, run.model, {})
    for (folder, task), path in others.items():
        # EvalScope's predictions know no answer; its reviews of them do.
        review = Path(*("reviews" if part == "predictions" else part for part in path.parts))
        answers = known or (_by_id(review) if review != path and review.is_file() else {})
        yield from _responses(path, task, folder.resolve().name, answers)


def read_answers(
    path: Path, key: Path | None = None, column: str | None = None
) -> tuple[list[WrittenResponse], list[WrittenResponse]]:
    """Read the answers of one file, in `column` where that is named, and without a text those that are absent.

    `key` has the right ones by id, where they do not stand beside the answers; absent are answers to its questions.
    """
    known, name = _by_id(key) if key else {}, task_of(path)
    answers = [*_responses(path, name, path.stem, known, column)]
    answered = {each.id for each in answers}
    unanswered = ({**row, "output": ""} for id_, row in known.items() if id_ not in answered)
    absent = (_response(row, str(_first(row, _IDS, "")), name, path.stem) for row in unanswered)
    return answers, [each for each in absent if each]


def _files_of_others(path: Path) -> list[Path]:
    # Results of lm-eval are dated.
    if path.suffix == ".jsonl" or (path.is_file() and task_of(path) == path.stem):
        return [path]
    found = (path.rglob(pattern) for pattern in _OTHERS)
    files = [file for own in found for file in sorted(own)] if path.is_dir() else [*samples_files(path).values()]
    return [file for file in files if not file.name.startswith("samples_cmed_")]


def _by_id(path: Path) -> dict[str, Row]:
    rows = list(each_sample(path, _flat))
    return {str(_first(row, _IDS, number)): row for number, row in enumerate(rows)}


def _first(row: Row, names: Sequence[str], otherwise: Any = None) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), otherwise)


def _responses(
    path: Path, asked: str, model: str, answers: Mapping[str, Row], column: str | None = None
) -> Iterator[WrittenResponse]:
    """Read one file. Each document of lm-eval counts once: it writes a line for every filter of a task.

    Rows whose answer is none of their options are left out, which is said.
    """
    seen, left_out = set(), []

    def read(raw: Any) -> WrittenResponse | None:
        row, number = _flat(raw), raw.get("doc_id")
        if column:
            row["output"] = row.get(column) or ""
        if "resps" in raw and (number in seen or str(raw.get("filtered_resps")).startswith('[\'{"unanswered":')):
            return None
        seen.add(number)
        name = str(_first(row, _IDS, ""))
        try:
            return _response({**answers.get(name, {}), **row}, name, asked, model)
        except ValueError as error:
            left_out.append(str(error))
            return None

    yield from each_sample(path, read)
    if left_out:
        _log.warning("%s: %d rows are left out, the first since %s", path, len(left_out), left_out[0])


def _flat(raw: Row) -> dict[str, Any]:
    """Return the fields of a row and of the parts in which harnesses put the question and what came of it."""
    score = raw.get("sample_score") or {}
    parts = (raw.get("doc"), raw.get("raw_input"), score.get("sample_metadata"), score.get("score"), raw)
    row = {name: value for part in parts for name, value in (part or {}).items()}
    if "resps" in raw:
        row["output"] = raw["resps"][0][0]
    first, *_ = (raw.get("model_output") or raw).get("choices") or [None]
    if isinstance(first, dict) and "message" in first:  # as chat endpoints answer
        row |= {"output": first["message"]["content"], "choices": (raw.get("raw_input") or {}).get("choices")}
        row |= {"target": first["review"]["gold"]} if "review" in first else {}
    return row


def _response(row: Row, number: str, asked: str, model: str) -> WrittenResponse | None:
    """Make a response of a row; None where nothing was written, or the row says that nothing is right."""
    said, target = _first(row, _TEXTS), _first(row, _TARGETS)
    if said is None or target == "" != row.get("expected"):
        return None
    if target is None:
        raise ValueError("no right answer stands there; name a file of them with --key")
    wanted = "".join(map(str, target)) if isinstance(target, list) else str(target).strip()
    options, answer = _options_and_answer(row, wanted)
    kind = str(_first(row, ("qtype", "question_type"), "multi" if answer[1:] and answer != ABSTENTION else "single"))
    qtype: QType = "multi" if "multi" in kind or "多" in kind else "single"
    pairs = [resps[0] for resps in row.get("resps", ()) if not isinstance(resps[0], str)][: len(options)]
    ranks = {letter: float(pair[0]) for letter, pair in zip(options, pairs, strict=bool(pairs))}
    return WrittenResponse(
        asked=asked,
        model=str(row.get("model") or model),
        id=number,
        exam_class=f"{_first(row, ('exam', 'exam_type'), '')} {row.get('exam_class', '')}",
        qtype=qtype,
        options=options,
        answer=answer,
        text="" if ranks else _text(said),
        ranked=rank_letters(ranks, qtype).letters if ranks else "",
    )


def _text(said: Any) -> str:
    """Return the text of what was said: itself, of a message, of a chat without what the model said."""
    if isinstance(said, list):
        return "\n".join(map(_text, said))
    if isinstance(said, dict):
        return "" if said.get("role") == "assistant" else _text(_first(said, _SAID, ""))
    return said if isinstance(said, str) else ""


def _options_and_answer(row: Row, target: str) -> tuple[dict[str, str], str]:
    """Return the options by letter, and the letters that are right.

    `target` has letters, a label, a place from 0, an option's text, or says in words which letter is right.
    """
    labelled = _labelled(row)
    is_lettered = all(re.fullmatch("[A-Z]", label) for label, _ in labelled)
    options = {label if is_lettered else ascii_uppercase[place]: text for place, (label, text) in enumerate(labelled)}
    if row.get("expected") == "":
        return options, ABSTENTION
    named = [letter for letter, (label, _) in zip(options, labelled, strict=True) if label == target]
    named += [*options][int(target) :][:1] if target.isdecimal() else []
    named += [letter for letter, text in options.items() if text.strip() in (target, _LISTS[0].sub("", target))]
    answer = named[0] if named else "".join(re.findall("[A-Z]", target))
    if not named and not _NOTHING_BUT_LETTERS.fullmatch(target):
        # CMB's first key has sentences for answers, which no letters are equal to.
        unread = target if "model_answer" in row else ""
        answer = match_choice(target, options, "multi").letters if options else unread
    if not answer or (options and not set(answer) <= set(options)):
        raise ValueError(f"target {target!r} names no option")
    return options, answer


def _labelled(row: Row) -> list[tuple[str, str]]:
    """Return the labels and texts of the options: in a field, in a column each, or in the prompt."""
    found = _first(row, ("options", "choices", "option"))
    if isinstance(found, dict):
        pairs = zip(found["label"], found["text"], strict=True) if "text" in found else found.items()
        return [(label, str(text)) for label, text in pairs if text is not None]
    if isinstance(found, list) and found and isinstance(found[0], dict):
        return [(str(_first(one, _LABELS)), str(_first(one, _OPTION_TEXTS))) for one in found]
    if isinstance(found, list):
        listed = _listed("\n".join(map(str, found)))
        return listed if len(listed) == len(found) else list(zip(ascii_uppercase, map(str, found), strict=False))
    return _listed(found) if found else _columns(row) or _listed(_text(_first(row, _PROMPTS)))


def _columns(row: Row) -> list[tuple[str, str]]:
    columns: dict[str, dict[str, tuple[str, str]]] = {}
    for name, value in row.items():
        if name and isinstance(value, str | int | float) and value != "":
            columns.setdefault(name[:-1], {})[name[-1].upper()] = (name, str(value))
    runs = [[own[m] for m in takewhile(own.get, marks)] for own in columns.values() for marks in _MARKS]
    longest = max(runs, key=len, default=[])
    return longest if len(longest) > 1 else []


def _listed(text: str) -> list[tuple[str, str]]:
    """Return the last options that a text lists from A on: before them stand examples."""
    for pattern in _LISTS:
        lists: list[list[re.Match[str]]] = []
        for mark in pattern.finditer(text):
            if mark[1] == "A":
                lists.append([])
            if lists and len(lists[-1]) == ord(mark[1]) - ord("A"):
                lists[-1].append(mark)
        if marks := next((own for own in reversed(lists) if len(own) > 1), []):
            ends = [*(mark.start() for mark in marks[1:]), text.find("\n", marks[-1].end()) % (len(text) + 1)]
            return [(m[1], text[m.end() : end].strip("; ；\n")) for m, end in zip(marks, ends, strict=True)]
    return []
