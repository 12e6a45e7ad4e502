"""The lines of lm-eval's samples files: typed, for the marks of millions of items; or whole, for their texts."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec
import orjson

from openbook_eval.errors import OpenbookError
from openbook_eval.matching import rank_letters
from openbook_eval.types import QType

# Our tasks have one filter; lm-eval writes a line for each.
_FILTER = "choice"

# Letters, state and rule of a choice; None of a question that got no response.
Reading = tuple[str | None, str | None, str | None]


class Digest(Protocol):
    """A hash that is fed piece by piece."""

    def update(self, data: bytes, /) -> None:
        """Takes the next piece."""


class Doc(msgspec.Struct, gc=False):
    """What is kept of a document."""

    id: str
    exam: str
    exam_class: str
    qtype: QType
    answer: str
    group: str | None = None
    depth: float | None = None
    book_length: int | None = None
    expected: str | None = None


class Marks(msgspec.Struct, gc=False, kw_only=True):
    """The marks of a line, None where it has none, and the hash of its document."""

    doc_hash: str | None = None
    filter: str = _FILTER
    correct: float | None = None
    correct_strict: float | None = None
    format_followed: float | None = None
    answered: float | None = None
    abstained: float | None = None
    partial_credit: float | None = None
    follows_context: float | None = None
    follows_memory: float | None = None
    follows_neither: float | None = None


class Written(Marks, gc=False, kw_only=True):
    """A line of a task whose responses were written; what was read out of them is JSON."""

    doc: Doc
    filtered_resps: tuple[str, ...]

    def reading(self) -> Reading:
        """What was read out of the response. Raises ValueError or LookupError where it is something else."""
        return _read_out(self.filtered_resps[0])


class _Option(msgspec.Struct, gc=False):
    letter: str


class _RankedDoc(Doc, gc=False):
    options: tuple[_Option, ...] = ()


class Ranked(Marks, gc=False, kw_only=True):
    """A line of a task whose letters were ranked: the log-probability of each option's letter, in order."""

    doc: _RankedDoc
    filtered_resps: tuple[tuple[float, Any], ...]

    def reading(self) -> Reading:
        """The letters that rank first, as our tasks choose them. Raises ValueError where one has no probability."""
        letters = [option.letter for option in self.doc.options]
        return ranked(letters, [logprob for logprob, _ in self.filtered_resps], self.doc.qtype)


class _ReadOut(msgspec.Struct, gc=False):
    letters: str | None = None
    state: Literal["stated", "implied", "none"] | None = None
    rule: str | None = None
    unanswered: str | None = None


# Few of them differ: a set of letters and a rule.
@cache
def _read_out(text: str) -> Reading:
    found = msgspec.json.decode(text, type=_ReadOut)
    if found.unanswered is not None:
        return None, None, None
    if None in (found.letters, found.state, found.rule):
        raise ValueError(f"no choice: {text:.60}")
    return found.letters, found.state, found.rule


def ranked(letters: Sequence[str], logprobs: Sequence[float], qtype: QType) -> Reading:
    """The choice from letters and their log-probabilities. Raises ValueError where they are not as many."""
    choice = rank_letters(dict(zip(letters, logprobs, strict=True)), qtype)
    return choice.letters, choice.state, choice.rule


def read_out(sample: Mapping[str, Any]) -> Reading:
    """What was read out of a line as `rows` gives it. Raises ValueError or LookupError where it is something else."""
    doc, filtered = sample["doc"], sample["filtered_resps"]
    if isinstance(filtered[0], str):
        return _read_out(filtered[0])
    letters = [option["letter"] for option in doc["options"]]
    return ranked(letters, [float(logprob) for logprob, _ in filtered], doc["qtype"])


def lines(path: Path, kind: type[Written] | type[Ranked], digest: Digest) -> Iterator[tuple[int, Any]]:
    """The lines of a file by number, as `kind`; all bytes of the file go through `digest`.

    Raises OpenbookError that names the line which is broken, and where the file cannot be read.
    """
    decode = msgspec.json.Decoder(kind, strict=False).decode
    for number, line in _raw(path, digest):
        try:
            sample = decode(line) if isinstance(line, bytes) else msgspec.convert(_hashed(line), kind, strict=False)
        except msgspec.ValidationError as error:
            raise _broken(path, number, error) from error
        except msgspec.DecodeError:
            sample = _lenient(path, number, line, kind)
        if sample.filter == _FILTER:
            yield number, sample


def rows(path: Path) -> Iterator[Mapping[str, Any]]:
    """The lines of a file with all that is in them. Raises OpenbookError as `lines` does."""
    for number, line in _raw(path, hashlib.sha256()):
        if isinstance(line, bytes):
            try:
                line = orjson.loads(line)
            except orjson.JSONDecodeError:
                line = _lenient(path, number, line, dict[str, Any])
        if line.get("filter", _FILTER) == _FILTER:
            yield line


def _raw(path: Path, digest: Digest) -> Iterator[tuple[int, Any]]:
    """The lines that are not blank as bytes; what is in the one JSON array of versions before 0.4.3 as dicts."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                digest.update(line)
                if number == 1 and line.lstrip().startswith(b"["):
                    rest = file.read()
                    digest.update(rest)
                    yield from enumerate(_lenient(path, number, line + rest, list[dict[str, Any]]), 1)
                elif line.strip():
                    yield number, line
    except OSError as error:
        raise OpenbookError(f"{path}: cannot be read ({error.strerror})") from error


def _lenient(path: Path, number: int, line: bytes, kind: Any) -> Any:
    """Python writes, and reads, what strict JSON does not know, such as half a character."""
    try:
        return msgspec.convert(json.loads(line), kind, strict=False)
    except (ValueError, RecursionError) as error:
        raise _broken(path, number, error) from error


def _hashed(sample: Mapping[str, Any]) -> Mapping[str, Any]:
    """Versions before 0.4.3 hashed no documents: here it is done as later ones do."""
    document = json.dumps(sample.get("doc"), indent=2, ensure_ascii=False)
    return {"doc_hash": hashlib.sha256(document.encode("utf-8", "surrogatepass")).hexdigest(), **sample}


def _broken(path: Path, number: int, error: Exception) -> OpenbookError:
    return OpenbookError(f"{path}: line {number} is broken ({' '.join(str(error).split())[:160]}); run again")
