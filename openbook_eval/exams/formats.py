"""The formats of exam files: EXAM_FORMATS is the registry, an entry a format.

Most published exams are rows of named columns, in JSON, JSON lines or a table: Apollo's zh.json, the Chinese test file
of FreedomIntelligence/ApolloMoEBench, several exams told apart by `source`; CMExam (Liu et al. 2023, arXiv:2306.03030);
CNMLEQA (Zong et al. 2026, doi:10.1038/s41597-026-07261-9); MedQA (Jin et al. 2021, arXiv:2009.13081); C-Eval (Huang et
al. 2023, arXiv:2305.08322), whose columns CMMLU has too; MMLU (Hendrycks et al. 2021) as cais/mmlu has it. JSONL is our
own format, for anybody's exam (docs/exam_format.md). CMB has a file of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from openbook_eval.errors import parsed
from openbook_eval.exams import cmb
from openbook_eval.exams.exam_file import ExamFile, ExamSource, read_rows
from openbook_eval.exams.texts import read_choice
from openbook_eval.types import ExamName, Question


@dataclass(frozen=True, slots=True)
class ExamFormat:
    """A kind of exam file: how it is recognised and read.

    `description` is for users. A file is of this format by its suffix; where several share one, `fits` tells by the
    first row. `read` raises ExamError, with all faults, where nothing of the file can be asked.
    """

    description: str
    suffixes: tuple[str, ...]
    read: Callable[[ExamSource], ExamFile]
    fits: Callable[[Mapping[str, Any]], bool] | None = None


_ROWS = (".json", ".jsonl", ".csv", ".xlsx", ".parquet")


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where rows keep what a question has; columns are looked up in lower case.

    `options` names the column of all options, or, where these stand `apart`, what is before the letter of each one's
    (opa, opb). `counted` answers are places from 0. The class is in the column called `of`, else it is `name`.
    """

    name: str
    options: str = "options"
    answer: str = "answer"
    apart: bool = False
    counted: bool = False
    of: str = ""
    # Apollo ends each option with one.
    full_stop: bool = False

    def format(self, description: str, also: Callable[[Mapping[str, Any]], bool] = lambda _: True) -> ExamFormat:
        """Return the format of files whose first row has these columns and is as `also` says."""
        wanted = {"question", f"{self.options}a" if self.apart else self.options, self.answer}
        return ExamFormat(
            description,
            _ROWS,
            lambda source: read_rows(source, self._question),
            lambda row: wanted <= {key.lower() for key in row} and also(row),
        )

    def _question(self, raw: Mapping[str, Any], place: str) -> Question | str:
        row = {key.lower(): value for key, value in raw.items()}
        options, answer = row.get(self.options), row.get(self.answer)
        if self.apart:
            options = {each: row[key] for each in ascii_lowercase if (key := self.options + each) in row}
            answer = answer.strip().removeprefix(self.options) if isinstance(answer, str) else answer
        choice = read_choice(options, answer, counted=self.counted)
        if isinstance(choice, str):
            return choice
        if not isinstance(row.get("question"), str):
            return "question: wants a text"
        kind, own = str(row.get(self.of) or self.name), row.get("id")
        texts = {letter: text.removesuffix("." if self.full_stop else "") for letter, text in choice[0].items()}
        return Question(
            id=f"{kind.lower()}-{place.rpartition(' ')[2]}" if own in (None, "") else str(own),
            exam_class=kind,
            subject=str(row.get("subject") or ""),
            qtype="single" if len(set(choice[1])) <= 1 else "multi",
            stem=row["question"],
            options={letter: text for letter, text in texts.items() if text},
            answer=choice[1],
            explanation=str(row.get("explanation") or "") or None,
        )


class _OwnRow(BaseModel):
    """One row of a file of our own format."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str | int
    exam: ExamName = "other"
    # "class" is a word of Python's.
    exam_class: str = Field(default="", alias="class")
    subject: str = ""
    qtype: Literal["single", "multi"] = "single"
    stem: str
    options: Any
    answer: Any
    knowledge: str | None = None
    explanation: str | None = None


def _own_question(raw: Mapping[str, Any], _: str) -> Question | str:
    row = parsed(_OwnRow, raw)
    if isinstance(row, str):
        return row
    choice = read_choice(row.options, row.answer)
    if isinstance(choice, str):
        return choice
    return Question(**row.model_dump() | {"id": str(row.id), "options": choice[0], "answer": choice[1]})


EXAM_FORMATS: Mapping[str, ExamFormat] = {
    "cmb": ExamFormat("a CMB file or folder", (*_ROWS, ".zip"), cmb.read, fits=lambda row: "option" in row),
    "jsonl": ExamFormat(
        "our own .jsonl", _ROWS, lambda source: read_rows(source, _own_question), fits=lambda row: "stem" in row
    ),
    "apollo": _Columns("Apollo", of="source", full_stop=True).format(
        "Apollo's zh.json", lambda row: str(row.get("options")).startswith("(")
    ),
    "cmexam": _Columns("CMExam").format("a CMExam .xlsx or .csv", lambda row: "Question" in row),
    "cnmleqa": _Columns("CNMLEQA", options="op", apart=True).format("CNMLEQA's files"),
    "medqa": _Columns("MedQA", answer="answer_idx").format("MedQA's"),
    "ceval": _Columns("C-Eval", options="", apart=True).format("C-Eval's"),
    "mmlu": _Columns("MMLU", options="choices", counted=True).format("MMLU's"),
    "choice": _Columns("choice").format("rows of question, options and answer"),
}
