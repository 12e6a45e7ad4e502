"""Fixtures: exam files of the publishers' shapes with the project's own questions in them."""

import os
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import settings

from openbook_eval import exams
from openbook_eval.exams import ExamFile
from openbook_eval.types import CHINESE_NAMES, SIX_EXAMS, Question

# A busy machine is no failure of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# Files whose tests take some ten seconds or more together: `make quick` leaves them out, `make test` does not.
_SLOW = """
test_run test_tiny_model test_train_tiny_model test_tasks test_howtos test_runner test_study_cli test_claims test_fit
test_clusters test_report test_workflow test_build test_decontaminate test_cli test_reader test_texts test_retrieval
test_boards test_study test_leaks test_merge test_recipes test_check test_stats test_tokenization test_hub test_results
test_chat_api test_api_run test_audit test_runs test_prompts
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.stem in _SLOW.split():
            item.add_marker(pytest.mark.slow)


QUESTIONS, ANSWERS = "CMB-test-choice-question-merge.json", "CMB-test-choice-answer.json"
BOOK, VALIDATION = "test-book.json", "CMB-val-merge.json"


@pytest.fixture(autouse=True)
def _no_exam_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exams are kept for the life of a process; tests write others under the same name."""
    exams._load.cache_clear()
    monkeypatch.delenv("OPENBOOK_EXAM", raising=False)


def write(path: Path, rows: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(rows))
    return path


def faults(exam: ExamFile) -> list[str]:
    """Return the faulty rows of an exam: each place and what is wrong there."""
    return [f"{each.name}: {each.fault}" for each in exam.dropped if each.fault]


def question(**changes: Any) -> Question:
    fields: dict[str, Any] = {
        "id": "q1",
        "exam": "nursing",
        "exam_class": "主管护师",
        "subject": "基础护理学",
        "qtype": "single",
        "stem": "正常成人安静时的脉率范围是( )。",
        "options": {"A": "每分钟60～100次", "B": "每分钟20～40次", "C": "每分钟120～160次"},
        "answer": "A",
    }
    return Question(**{**fields, **changes})


def cmb_row(number: int, **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": number,
        "exam_type": CHINESE_NAMES[SIX_EXAMS[(number - 1) % 6]],
        "exam_class": "规培结业",
        "exam_subject": "内科学",
        "question": f"第{number}题的正确说法是( )。",
        "question_type": "单项选择题",
        "option": {"A": f"甲{number}", "B": f"乙{number}", "C": f"丙{number}", "D": "", "E": None},
    }
    return {**row, **changes}


def cmb_answer(number: int, answer: str = "B") -> dict[str, Any]:
    return {"id": number, "answer": answer}


def cmb_entry(number: int, text: str | None = None) -> dict[str, Any]:
    return {"id": number, "book_content": text or f"第{number}题的正确说法是乙{number}。"}


@pytest.fixture
def cmb_folder(tmp_path: Path) -> Path:
    """Six questions, one an exam, with answers and book, as the authors' data set holds them."""
    folder = tmp_path / "open-book"
    write(folder / "CMB-test" / QUESTIONS, [cmb_row(n) for n in range(1, 7)])
    write(folder / "CMB-test" / ANSWERS, [cmb_answer(n) for n in range(1, 7)])
    write(folder / "CMB-test" / BOOK, [cmb_entry(n) for n in range(1, 7)])
    return folder


@pytest.fixture(scope="session")
def real_exams() -> Path:
    """Published exam files, where this machine has them (OPENBOOK_REAL_DATA, else a folder beside the checkout)."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("OPENBOOK_REAL_DATA", beside)) / "exams"
    if not folder.is_dir():
        pytest.skip("the published exam files are not on this machine; name their folder by OPENBOOK_REAL_DATA")
    return folder
