"""Published exams by the names of their columns, each in a small file of ours, and whatever file holds the rows."""

from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from openbook_eval.exams import read_path
from tests.conftest import faults
from tests.exams.test_own import ROW, write_lines

FILES = Path(__file__).parent / "files"
PULSE = {"A": "20～40次", "B": "60～100次", "C": "120～140次", "D": "140～160次"}


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("cnmleqa.json", ("c-1", "CNMLEQA", "", PULSE | {"E": "160～180次"}, "B"), ("c-2", "D")),
        ("medqa.jsonl", ("medqa-1", "MedQA", "", PULSE, "B"), ("medqa-2", "C")),
        ("cmb_val.json", ("val-1", "护士执业资格", "基础护理学", PULSE, "B"), ("val-2", "AC")),
        ("ceval.csv", ("0", "C-Eval", "", PULSE, "B"), ("1", "C")),
        (
            "mmlu.jsonl",
            (
                "mmlu-1",
                "MMLU",
                "anatomy",
                dict(zip("ABCD", ("20 to 40", "60 to 100", "120 to 140", "140 to 160"), strict=True)),
                "B",
            ),
            ("mmlu-2", "A"),
        ),
    ],
)
def test_a_published_exam_is_recognised_by_its_columns(
    name: str, first: tuple[Any, ...], second: tuple[str, str]
) -> None:
    exam = read_path(FILES / name)
    one, other = exam.questions
    assert (one.id, one.exam_class, one.subject, one.options, one.answer) == first
    assert ((other.id, other.answer), exam.dropped) == (second, ())


@pytest.mark.parametrize("name", ["cnmleqa.json", "medqa.jsonl", "mmlu.jsonl"])
def test_rows_are_read_alike_from_lines_from_an_array_and_from_a_table(tmp_path: Path, name: str) -> None:
    text = (FILES / name).read_text(encoding="utf-8")
    rows = orjson.loads(text) if name.endswith(".json") else [orjson.loads(line) for line in text.splitlines()]
    wanted = [(q.stem, q.options, q.answer) for q in read_path(FILES / name).questions]
    (tmp_path / "array.jsonl").write_bytes(orjson.dumps(rows))
    (tmp_path / "lines.json").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    pl.DataFrame(rows).write_parquet(tmp_path / "table.parquet")
    for path in tmp_path.iterdir():
        assert [(q.stem, q.options, q.answer) for q in read_path(path).questions] == wanted, path.name


@pytest.mark.parametrize(
    ("changes", "options", "answer"),
    [
        ({"answer": "ca"}, "ABC", "AC"),
        ({"answer": ["A", "C"]}, "ABC", "AC"),
        ({"answer": ["头痛", "乏力"]}, "ABC", "AC"),
        ({"answer": "A、C"}, "ABC", "AC"),
        ({"options": ["头痛", "体温", "乏力"]}, "ABC", "AC"),
        ({"options": "A. 头痛 B. 体温 C. 乏力"}, "ABC", "AC"),
        ({"options": "A.头痛B.体温C.乏力"}, "ABC", "AC"),
        ({"options": "A. HLA-A B. HLA-B. C. HLA-C"}, "ABC", "AC"),
        ({"options": {"a": "头痛", "b": "体温", "c": "乏力", "d": "", "e": None}}, "ABC", "AC"),
        ({"options": {"1": "头痛", "2": "体温", "3": "乏力"}, "answer": ["1", "3"]}, "ABC", "AC"),
        ({"options": [f"症状{n}" for n in range(10)], "answer": "AJ"}, "ABCDEFGHIJ", "AJ"),
        ({"id": 7, "subject": ""}, "ABC", "AC"),
    ],
)
def test_our_own_rows_may_have_options_and_answers_in_any_sure_shape(
    tmp_path: Path, changes: dict[str, Any], options: str, answer: str
) -> None:
    (question,) = read_path(write_lines(tmp_path, {**ROW, **changes})).questions
    assert ("".join(question.options), question.answer) == (options, answer)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"answer": 2}, "answer '2' may count from 0 or from 1; write the letter: A, B, C"),
        ({"options": ["5", "2", "9"], "answer": 2}, "answer '2' may count from 0 or from 1; write the letter: A, B, C"),
        ({"answer": "咳嗽"}, "answer '咳嗽' is none of its options: A, B, C"),
        ({"options": {"A": "头痛", "B": "头痛"}, "answer": "头痛"}, "answer '头痛' is none of its options: A, B"),
        ({"options": "A. 头痛 B. 体温 B. 乏力"}, "options 'A. 头痛 B. 体温 B. 乏力' are not each introduced by"),
        ({"options": {"A": "头痛", "a": "体温"}}, "options have a letter twice: A, A"),
        (
            {"options": {"x1": "头痛", "x2": "体温"}, "answer": "头痛"},
            "option names must be single letters A to Z, not",
        ),
        ({"options": ["头痛", ""]}, "needs at least two options, has 1"),
        ({"options": {"A": "头痛", "B": "体温", "C": ""}, "answer": "C"}, "answer C is not among the options A, B"),
    ],
)
def test_a_shape_that_is_not_sure_costs_its_row_and_says_what_to_write(
    tmp_path: Path, changes: dict[str, Any], fault: str
) -> None:
    [told] = faults(read_path(write_lines(tmp_path, ROW, {**ROW, "id": "2", **changes})))
    assert told.startswith(f"line 2: {fault}")
