"""The spec of the samples reads every one of them, with as many rows as are there."""

from pathlib import Path

import pytest

import data_prep
from data_prep.sources import parts, read
from data_prep.spec import Spec, read_spec

# Rows that are read of each source, counted once by other means: lines, elements of the arrays, blocks of text.
ROWS = {
    "alpaca_zh_demo": 1000, "alpaca_zh": 20277, "huatuo_llama": 8658, "huatuo26m": 6000, "cmtmedqa": 1144,
    "toyhom_csv": 7644, "toyhom_text": 4048, "huangdi": 100, "tcmchat_cases": 500, "tcmchat_recommendations": 500,
    "mtcmb_exam_a": 1200, "mtcmb_exam_b": 4800, "mtcmb_safety_choice": 50, "mtcmb_safety_blanks": 50,
    "mtcmb_theory": 100, "mtcmb_diagnosis": 200, "mtcmb_formula": 200, "mtcmb_syndrome": 100,
    "mtcmb_prescription": 100, "mtcmb_dialogue": 100, "mtcmb_case_record": 100, "mtcmb_literature": 100,
}  # fmt: skip


@pytest.fixture(scope="module")
def spec() -> Spec:
    return read_spec(Path(data_prep.__file__).parent / "specs" / "samples.yml")


def test_the_spec_names_every_source_once_with_a_licence(spec: Spec) -> None:
    assert {source.name for source in spec.sources} == set(ROWS)
    assert {source.domain for source in spec.sources} == {"general", "tcm", "western"}


def test_every_file_of_the_samples_belongs_to_a_source(spec: Spec, real_exams: Path) -> None:
    data = real_exams.parent
    there = {file for domain in ("general", "tcm", "western") for file in (data / domain).rglob("*") if file.is_file()}
    assert len(there) == 28
    assert {part.file for source in spec.sources for part in parts(source, data)} == there


def test_every_row_of_the_samples_is_read(spec: Spec, real_exams: Path) -> None:
    counts: dict[str, int] = {}
    breaks: list[str] = []
    for source in spec.sources:
        chunks = [chunk for part in parts(source, real_exams.parent) for chunk in read(part)]
        assert not [broken for chunk in chunks for broken in chunk.broken]
        breaks += [text for chunk in chunks for text in chunk.breaks]
        counts[source.name] = sum(chunk.frame.height for chunk in chunks)
        empty = [row for chunk in chunks for row in chunk.frame.rows(named=True) if not row["question"]]
        assert not empty, source.name
    assert counts == ROWS
    assert breaks == ["line 14006: after a row stands ,], where ] is wanted"]
