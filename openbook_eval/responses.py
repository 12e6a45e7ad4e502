"""Responses from files: lm-eval's samples of any task of choice, and plain rows for `openbook-eval match`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from openbook_eval.errors import OpenbookError
from openbook_eval.types import QType, sorted_letters

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Sample:
    """One answered question of a run; `answer` is as published, unsorted where the file has it so."""

    model: str
    id: str
    exam_class: str
    qtype: QType
    options: Mapping[str, str]
    answer: str
    response: str


class Row(BaseModel):
    """One line for `openbook-eval match`."""

    model_config = ConfigDict(extra="ignore", strict=True)

    output: str
    options: dict[str, str] | None = None
    qtype: Literal["single", "multi"] = "single"
    id: str | int | None = None


def read_rows(path: Path) -> list[Row]:
    """The rows of a JSONL file; raises OpenbookError that names every broken line."""
    rows, found = [], []
    for number, line in _lines(path):
        try:
            rows.append(Row.model_validate_json(line))
        except ValidationError as error:
            fault = error.errors()[0]
            key = ".".join(map(str, fault["loc"])) or "the line"
            found.append(f"line {number}: {key}: {fault['msg'][0].lower()}{fault['msg'][1:]}")
    if found:
        more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
        raise OpenbookError("\n  ".join([f"{path}: {len(found)} broken lines:", *found[:_SHOWN], *more]))
    return rows


def read_samples(path: Path) -> list[Sample]:
    """The samples of a samples_*.jsonl of lm-eval, or of all in a folder; a file's folder is called after the model.

    Options come from the document's `options` (our letters and texts) or `choices` (texts, or ARC's labels and texts),
    the answer from `target`: letters, an index or an option's text. Questions that an endpoint never answered are left
    out, and those whose letters were ranked: nothing was written. Raises OpenbookError, also where no sample is left.
    """
    files = [path] if path.is_file() else sorted(path.rglob("samples_*.jsonl"))
    if not files:
        raise OpenbookError(f"{path}: no samples_*.jsonl here; lm-eval writes them with --log_samples")
    samples = []
    for file in files:
        for number, line in _lines(file):
            try:
                row = orjson.loads(line)
                if not _is_unanswered(row) and not _is_ranked(row):
                    samples.append(_sample(row, file.resolve().parent.name))
            except (orjson.JSONDecodeError, KeyError, TypeError, IndexError, ValueError) as error:
                raise OpenbookError(
                    f"{file}: line {number} is no sample of a choice task ({type(error).__name__}: {error})"
                ) from error
    if not samples:
        raise OpenbookError(f"{path}: no response was written here (letters ranked, or nothing answered)")
    return samples


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise OpenbookError(f"{path}: cannot be read ({error})") from error
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, line


def _is_unanswered(row: Mapping[str, Any]) -> bool:
    """as `task_functions.ChoiceFilter` tells it."""
    return "filtered_resps" in row and str(row["filtered_resps"][:1]).startswith('[\'{"unanswered":')


def _is_ranked(row: Mapping[str, Any]) -> bool:
    """The first result of lm-eval's loglikelihood requests is a pair: a log-probability, and whether it is the best."""
    return isinstance(row["resps"][0][0], list)


def _sample(row: Mapping[str, Any], model: str) -> Sample:
    doc = row["doc"]
    options = _options(doc)
    answer = _answer(row["target"], options, _labels(doc))
    return Sample(
        model=model,
        id=str(doc.get("id", row.get("doc_id"))),
        exam_class=f"{doc.get('exam', '')} {doc.get('exam_class', '')}",
        qtype=doc.get("qtype") or ("multi" if len(answer) > 1 else "single"),
        options=options,
        answer=answer,
        response=row["resps"][0][0],
    )


def _options(doc: Mapping[str, Any]) -> dict[str, str]:
    if "options" in doc:
        return {option["letter"]: option["text"] for option in doc["options"]}
    choices = doc["choices"]
    # ARC calls options A, B, ... or 1, 2, ...: by their place all get letters.
    texts = choices["text"] if isinstance(choices, dict) else choices
    return dict(zip(_LETTERS, texts, strict=False))


def _labels(doc: Mapping[str, Any]) -> list[str]:
    choices = doc.get("choices")
    return list(choices["label"]) if isinstance(choices, dict) else []


def _answer(target: str | int, options: Mapping[str, str], labels: list[str]) -> str:
    if target in labels:
        return list(options)[labels.index(str(target))]
    if isinstance(target, int) or target.isdigit():
        return list(options)[int(target)]
    for letter, text in options.items():
        if target.strip() == text.strip():
            return letter
    letters = sorted_letters(target)
    if not letters or not set(letters) <= options.keys():
        raise ValueError(f"target {target!r} names no option")
    return letters
