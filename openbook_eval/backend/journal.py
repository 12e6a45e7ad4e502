"""Finished answers, kept one a line as they come: a run that is killed goes on where it stopped."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from openbook_eval.backend.prefixes import Tokens
from openbook_eval.errors import OpenbookError
from openbook_eval.lines import append_line, read_lines


class Answer(BaseModel):
    """One answer as the model gave it; `key` is a hash of all that determines it beside the run's identity.

    `text` is what was generated, nothing cut off, `finish` why it ended and `generated` how many tokens it took. Of a
    ranking, `tokens` are the likeliest tokens one after another, and `logprobs` at each of them the log-probabilities
    of the tokens asked for, in the order in which they were asked for.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, ser_json_inf_nan="constants")

    key: str
    text: str = ""
    finish: str = ""
    generated: int = 0
    tokens: list[int] = []
    logprobs: list[list[float]] = []


class Journal:
    """The answers of one identity: a JSONL file of a folder, written by any number of processes at once.

    The identity is in the file's name, so that another model, or the same with other settings, never meets answers
    that are not its own; the file's first line says what it is made of.
    """

    def __init__(self, folder: Path, run: Mapping[str, Any]) -> None:
        """`run` is all that determines answers beside the prompts and how they are asked; it must be fit for JSON."""
        self._run = {"run": dict(run)}
        self.path = folder / f"{digest(self._run)[:16]}.jsonl"

    def answers(self) -> dict[str, Answer]:
        """The kept answers by key; lines that were torn by a kill are passed over.

        Raises OpenbookError where the file cannot be read.
        """
        try:
            lines = read_lines(self.path)
        except OSError as error:
            raise OpenbookError(f"{self.path}: cannot be read ({error.strerror}); move it away") from error
        return {answer.key: answer for line in lines if (answer := _answer(line))}

    def append(self, answer: Answer) -> None:
        """Writes `answer` at once. Raises OpenbookError where it cannot be written whole."""
        try:
            if not self.path.exists():
                append_line(self.path, json.dumps(self._run, ensure_ascii=False, default=str).encode())
            append_line(self.path, answer.model_dump_json(exclude_defaults=True).encode())
        except OSError as error:
            raise OpenbookError(
                f"{self.path}: cannot be written ({error.strerror}); name another folder in OPENBOOK_ANSWERS"
            ) from error


def prompt_key(tokens: Tokens, asked: Mapping[str, Any]) -> str:
    """The key of a prompt's answer: a hash of its token ids and of how it is asked (sampling, stops, lengths)."""
    hashed = hashlib.sha256(digest(asked).encode())
    hashed.update(np.asarray(tokens, np.int32).tobytes())
    return hashed.hexdigest()[:32]


def digest(value: Any) -> str:
    """The SHA-256 of a value that is fit for JSON, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def _answer(line: bytes) -> Answer | None:
    try:
        return Answer.model_validate_json(line)
    except ValidationError:
        return None
