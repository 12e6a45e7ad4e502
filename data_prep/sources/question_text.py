"""Plain text of questions and answers.

Either rows are kept apart by blank lines, and the first line of each is the question and the others the answer; or, in
a file that begins with a mark such as 问： or Q:, every such mark begins a row, and 答： or A: its answer.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby, islice

from data_prep.sources.batch import ROWS, Batch, Fault

_QUESTION = re.compile(r"\s*(?:问题?|提问|Q|Question)\s*[:：]", re.IGNORECASE)
_ANSWER = re.compile(r"\s*(?:答案?|回答|A|Answer)\s*[:：]", re.IGNORECASE)


def read_text(data: bytes) -> Iterator[Batch]:
    """Rows with the keys question and answer, from text in UTF-8; one that has no answer is broken."""
    # Bytes that are no text become lone surrogates, which are looked for in every row.
    lines = data.decode("utf-8", "surrogateescape").replace("\r\n", "\n").split("\n")
    first = next((line for line in lines if line.strip()), "")
    marked = _QUESTION.match(first) is not None
    numbered = enumerate(_marked(lines) if marked else _apart(lines), 1)
    while some := list(islice(numbered, ROWS)):
        rows: dict[int, dict[str, str]] = {}
        faults = []
        for number, (line, block) in some:
            row = _split_at_mark(block) if marked else {"question": block[0], "answer": "\n".join(block[1:])}
            if fault := _fault(row):
                faults.append(Fault(number, f"line {line} {fault}", _printable("\n".join(block))))
            else:
                rows[number] = row
        yield Batch(list(rows), list(rows.values()), faults)


def _apart(lines: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Number of the first line, and lines, of every row between blank lines."""
    for blank, block in groupby(enumerate(lines, 1), lambda numbered: not numbered[1].strip()):
        if not blank:
            numbered = list(block)
            yield numbered[0][0], [line for _, line in numbered]


def _marked(lines: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Number of the first line, and lines, of every row that begins with the mark of a question."""
    begins = [place for place, line in enumerate(lines) if _QUESTION.match(line)]
    for begin, end in zip(begins, [*begins[1:], len(lines)], strict=True):
        yield begin + 1, list(lines[begin:end])


def _split_at_mark(block: Sequence[str]) -> dict[str, str]:
    answer = next((place for place, line in enumerate(block) if _ANSWER.match(line)), len(block))
    question = _QUESTION.sub("", "\n".join(block[:answer]), count=1)
    return {"question": question.strip(), "answer": _ANSWER.sub("", "\n".join(block[answer:]), count=1).strip()}


def _fault(row: dict[str, str]) -> str | None:
    if not row["answer"]:
        return "begins a question without an answer"
    try:
        "".join(row.values()).encode()
    except UnicodeEncodeError:
        return "begins a row that is neither UTF-8 nor gb18030"
    return None


def _printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
