"""Our own format: strict keys, hints, every encoding; what is written can be read."""

import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval import task_functions
from openbook_eval.exams import formats, read_path
from openbook_eval.types import Question
from tests.conftest import faults

ROW: dict[str, Any] = {
    "id": "1",
    "exam": "nursing",
    "class": "主管护师",
    "subject": "基础护理学",
    "qtype": "multi",
    "stem": "属于主观资料的有",
    "options": {"A": "头痛", "B": "体温", "C": "乏力"},
    "answer": "CA",
    "knowledge": "主观资料是病人的感受，如头痛、乏力。",
}


def write_lines(folder: Path, *rows: dict[str, Any] | str) -> Path:
    path = folder / "exam.jsonl"
    lines = [row if isinstance(row, str) else orjson.dumps(row).decode() for row in rows]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_row_becomes_a_question_with_its_letters_sorted(tmp_path: Path) -> None:
    (read,) = read_path(write_lines(tmp_path, ROW)).questions
    named = {key: value for key, value in ROW.items() if key not in ("class", "answer")}
    assert read == Question(exam_class="主管护师", answer="AC", published="CA", **named)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"anwser": "A"}, "unknown key 'anwser'; did you mean 'answer'?"),
        ({"zzz": 1}, "unknown key 'zzz'; known are id, exam, class, subject, qtype, stem, options, answer, knowledge"),
        ({"answer": "d"}, "answer 'd' is none of its options: A, B, C"),
        ({"options": 7}, "options: wants an object of letters and texts, a list of texts or one text, not 7"),
        ({"stem": None}, "stem: input should be a valid string"),
    ],
)
def test_a_fault_names_file_line_and_key(tmp_path: Path, changes: dict[str, Any], fault: str) -> None:
    second, third, last = faults(read_path(write_lines(tmp_path, "", {**ROW, **changes}, "{oops", {}, ROW)))
    assert second.startswith(f"line 2: {fault}")
    assert third.startswith("line 3: not JSON (")
    assert last.startswith("line 4: key 'id' is missing; key 'stem' is missing; ")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_other_encodings_are_read_the_same(tmp_path: Path, encoding: str) -> None:
    path = write_lines(tmp_path, ROW)
    expected = read_path(path).questions
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    assert read_path(path).questions == expected


letters = st.lists(st.sampled_from("ABCDEFGH"), min_size=2, unique=True)
words = st.text(min_size=1).filter(lambda text: text.strip())


@given(letters=letters, text=words, stem=words | st.just("一\u2028二"), data=st.data())
def test_any_sound_question_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, letters: list[str], text: str, stem: str, data: st.DataObject
) -> None:
    answer = data.draw(st.sampled_from(letters))
    row = {"id": "1", "stem": stem, "options": {letter: text + letter for letter in letters}, "answer": answer}
    source = write_lines(tmp_path_factory.mktemp("own"), row)
    (read,) = read_path(source).questions
    assert (read.stem, dict(read.options), read.answer) == (stem, row["options"], answer)
    assert (read.exam, read.qtype, read.knowledge) == ("other", "single", None)


@pytest.mark.parametrize("name", ["exam_format.md", "exam_format.zh-CN.md"])
def test_the_documented_keys_are_the_keys_of_the_format(name: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / name).read_text(encoding="utf-8")
    documented = [line.split("`")[1] for line in text.splitlines() if line.startswith("| `")]
    assert documented == list(formats._OwnRow.model_json_schema()["properties"])


def test_the_page_makes_an_open_book_exam_of_reference_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "exam_format.md").read_text(encoding="utf-8")
    [program] = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    exec(program, {})  # noqa: S102 - the project's own page
    asked = {"exam": "leaflets.jsonl", "entries": "passage"}
    [open_book] = task_functions.docs("openbook", "pharmacist", **asked)["test"]
    [closed_book] = task_functions.docs("closedbook", "pharmacist", **asked)["test"]
    text = "【性状】本品为肠溶包衣片。 【贮藏】密封，在阴凉干燥处（不超过20℃）保存。"
    assert (open_book["entry"]["text"], open_book["entry"]["provider"]) == (text, "passage")
    assert text in task_functions.prompt(open_book)
    assert text not in task_functions.prompt(closed_book)
