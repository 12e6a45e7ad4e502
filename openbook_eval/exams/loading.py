"""From what the user names - mini, cmb, a path, a hub data set - to an ExamFile."""

import hashlib
import os
import re
from collections.abc import Collection
from dataclasses import replace
from functools import cache
from pathlib import Path

from openbook_eval.errors import ExamError
from openbook_eval.exams import apollo, cmb, cmexam, hub, own
from openbook_eval.exams.exam_file import ExamFile, ExamSource, parse_rows
from openbook_eval.types import EXAM_NAMES, ExamName, Question

EXAM_VARIABLE = "OPENBOOK_EXAM"
DEFAULT_EXAM = "cmb"

_MINI = Path(__file__).parent / "mini" / "mini.jsonl"
_MINI_VERSION = "1.0"
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_SUFFIXES = {".json", ".jsonl", ".csv", ".xlsx", ".zip"}
_SHAPES = (
    "a CMB file or folder, Apollo's zh.json, a CMExam .xlsx or .csv, or our own .jsonl (docs/exam_format.md); "
    "bundled: mini; from the hub: cmb, cmb-val, OWNER/DATASET"
)


def load_exam(spec: str | None = None) -> ExamFile:
    """The exam called `spec`, else by the variable OPENBOOK_EXAM, else `cmb`.

    `mini`: the bundled exam. `cmb`: the paper's (test set and book, from the hub). `cmb-val`: CMB's validation set.
    PATH: a file, folder or zip; `PATH#SOURCE` takes one source of Apollo's file. OWNER/DATASET: a hub data set of CMB's
    shape. Read once a process. Raises ExamError.
    """
    return _load(spec or os.environ.get(EXAM_VARIABLE) or DEFAULT_EXAM)


def require(exam: ExamFile, part: ExamName) -> list[Question]:
    """The questions of one of the six exams, or `other`; raises ExamError where the file has none."""
    questions = [question for question in exam.questions if question.exam == part]
    if not questions:
        raise ExamError(f"exam {exam.name!r} has no {part} questions, {_what_it_has(exam.questions)}")
    return questions


def _what_it_has(questions: Collection[Question]) -> str:
    present = [name for name in EXAM_NAMES if any(question.exam == name for question in questions)]
    return f"only {', '.join(present)}: ask the tasks whose names end so, such as cmed_openbook_{present[0]}"


@cache
def _load(spec: str) -> ExamFile:
    if spec == "mini":
        return read_path(_MINI).named("mini", _MINI_VERSION)
    if spec == "cmb":
        return _from_hub(spec, hub.OPEN_BOOK_CMB)
    if spec == "cmb-val":
        return _from_hub(spec, hub.CMB, only=cmb.VALIDATION_FILES)
    if spec == hub.CMB:
        return _from_cmb_itself()
    path, _, part = spec.rpartition("#")
    if _exists(spec):
        return read_path(Path(spec))
    if path and _exists(path):
        exam = read_path(Path(path), part)
        return exam.named(f"{exam.name}#{part}", exam.version)
    if _HUB_NAME.fullmatch(spec) and Path(spec).suffix.lower() not in _SUFFIXES:
        return _from_hub(spec, spec)
    raise ExamError(f"exam {spec!r}: no such file, folder or known exam; wanted {_SHAPES}")


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # a name that no file system takes
        return False


def _from_cmb_itself() -> ExamFile:
    """CMB's own data set has no answers to its test questions: those come from the authors' one, its book does not."""
    folder, revision = hub.fetch(hub.CMB)
    answers_folder, answers_revision = hub.fetch(hub.OPEN_BOOK_CMB)
    answers = ExamSource(answers_folder)
    exam = cmb.read(_unpacked(ExamSource(folder), cmb.QUESTION_FILES), answers)
    both = hashlib.sha256(f"{exam.sha256}\n{answers.sha256}".encode()).hexdigest()
    return replace(exam, sha256=both).named(
        hub.CMB, f"{hub.CMB}@{revision}, answers {hub.OPEN_BOOK_CMB}@{answers_revision}"
    )


def _from_hub(name: str, dataset: str, only: tuple[str, ...] = ()) -> ExamFile:
    folder, revision = hub.fetch(dataset)
    return read_path(folder, only=only).named(name, f"{dataset}@{revision}")


def read_path(path: Path, part: str | None = None, only: tuple[str, ...] = ()) -> ExamFile:
    """Reads a file, folder or zip of any known shape.

    `part` is a `source` of Apollo's file; `only` are patterns of the one file wanted of a folder. Raises ExamError.
    """
    source = ExamSource(path)
    suffix = path.suffix.lower()
    if part is not None and suffix != ".json":
        raise ExamError(f"{path}#{part}: only Apollo's .json file is divided by source")
    if only:
        return _read_one(source, only)
    if path.is_dir() or suffix == ".zip":
        return cmb.read(_unpacked(source))
    match suffix:
        case ".jsonl":
            return own.read(source, path.name)
        case ".xlsx" | ".csv":
            return cmexam.read(source, path.name)
        case ".json":
            return _read_json(source, path.name, part)
    raise ExamError(f"{path}: unknown kind of exam file; wanted {_SHAPES}")


def _read_one(source: ExamSource, patterns: tuple[str, ...]) -> ExamFile:
    source = _unpacked(source, patterns)
    name = source.find(*patterns)
    if not name:
        raise ExamError(f"{source.path}: has no file {patterns[0]}; it has {', '.join(source.names()[:10])}")
    label = source.label(name)
    return cmb.from_rows(source, label, parse_rows(source.read(name), label))


def _unpacked(source: ExamSource, patterns: tuple[str, ...] = cmb.EXAM_FILES) -> ExamSource:
    """A folder may hold the exam as a zip, as FreedomIntelligence/CMB does: then the zip is the source."""
    if source.path.is_dir() and not source.find(*patterns) and (packed := source.find("CMB*.zip", "*.zip")):
        return ExamSource(source.path / packed)
    return source


def _read_json(source: ExamSource, name: str, part: str | None) -> ExamFile:
    """Apollo's and CMB's files are both JSON arrays: the keys of the first row tell them apart."""
    label = source.label(name)
    rows = parse_rows(source.read(name), label)
    if apollo.fits(rows[0]):
        return apollo.from_rows(source, label, rows, part)
    if part is not None:
        raise ExamError(f"{label}#{part}: only Apollo's file is divided by source, and this is not one")
    if cmb.fits(rows[0]):
        return cmb.from_rows(source, label, rows)
    raise ExamError(f"{label}: keys {', '.join(rows[0])} are of no known exam; wanted {_SHAPES}")
