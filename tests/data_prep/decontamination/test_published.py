"""The guard on published exams and data, where this machine has them."""

from pathlib import Path

import orjson
import polars as pl
import pytest

from data_prep.decontamination import Guard
from openbook_eval.exams import read_path
from tests.data_prep.decontamination.exams import rows


@pytest.fixture(scope="module")
def guard(real_exams: Path) -> Guard:
    return Guard.of([read_path(real_exams / "apollo_test_zh.json"), read_path(real_exams / "cmexam_val.xlsx")])


def read(file: Path, keys: tuple[str, str]) -> pl.DataFrame:
    if not file.is_file():
        pytest.skip(f"{file.name} is not on this machine")
    data = file.read_bytes()
    found = orjson.loads(data) if data.lstrip().startswith(b"[") else [orjson.loads(line) for line in data.splitlines()]
    return rows(*[[str(row[key]) for key in keys] for row in found])


def test_general_instructions_hold_no_exam_item(guard: Guard, real_exams: Path) -> None:
    frame = read(real_exams.parent / "general" / "alpaca_zh_demo.json", ("instruction", "output"))
    assert guard.check(frame) == []


def test_medical_questions_and_answers_hold_no_exam_item(guard: Guard, real_exams: Path) -> None:
    frame = read(real_exams.parent / "western" / "huatuo_llama_data.json", ("instruction", "output"))
    assert guard.check(frame) == []


def test_training_data_made_of_exams_holds_items(guard: Guard, real_exams: Path) -> None:
    frame = read(real_exams.parent / "tcm" / "TCM-ED-B.jsonl", ("question", "options"))
    matches = guard.check(frame)
    assert 150 <= len(matches) <= 250
    assert {match.kind for match in matches} == {"stem", "options", "entry"}


def test_every_question_of_an_exam_is_found_with_its_options(guard: Guard, real_exams: Path) -> None:
    questions = read_path(real_exams / "apollo_test_zh.json").questions
    pairs = [(q.stem, "\n".join(f"{letter}. {text}" for letter, text in q.options.items())) for q in questions]
    assert len(guard.check(rows(*pairs))) == len(questions) == 8_759
