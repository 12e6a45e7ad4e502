"""Exams that cannot be had are told, never passed over in silence."""

import pytest

from data_prep.building.exams import load_exams
from openbook_eval.errors import ExamError
from openbook_eval.exams import load_exam


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's own client, without a way to it."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", "/nowhere")


@pytest.mark.usefixtures("no_hub")
def test_an_exam_of_the_spec_that_cannot_be_fetched_is_named_as_not_checked() -> None:
    exams = load_exams(["mini", "cmb"], required=False)
    assert [exam.name for exam in exams.read] == ["mini"]
    assert list(exams.lacking) == ["cmb"]
    assert exams.lacking["cmb"].startswith("hub data set wangrongsheng/open-book-CMB-exam: cannot be fetched (")
    assert exams.provenance() == [
        {"name": "cmb", "not_checked": "could not be fetched"},
        load_exam("mini").provenance,
    ]


@pytest.mark.usefixtures("no_hub")
def test_an_exam_that_the_user_asks_for_must_be_there() -> None:
    with pytest.raises(ExamError, match="cannot be fetched"):
        load_exams(["cmb"], required=True)


def test_a_file_that_is_not_there_is_an_error_in_the_spec_as_well() -> None:
    with pytest.raises(ExamError, match=r"no such file, folder or known exam"):
        load_exams(["mini", "exams/none.jsonl"], required=False)


def test_the_order_and_repetition_of_names_make_no_difference() -> None:
    assert load_exams(["mini", "mini"], required=True) == load_exams(["mini"], required=True)
