"""The journal loses no answer that was kept, and gives none to another model, prompt or setting."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.backend.journal import Answer, Journal, prompt_key
from openbook_eval.errors import OpenbookError

RUN = {"weights": "a", "settings": {"dtype": "float32"}}


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "answers", RUN)


def test_a_journal_that_is_not_there_has_no_answers(journal: Journal) -> None:
    assert journal.answers() == {}


def test_answers_come_back_as_they_were_kept_and_the_last_of_a_key_counts(journal: Journal) -> None:
    kept = [
        Answer(key="a", text='两行\n\u2028 "引号" 🫀', finish="stop", generated=7),
        Answer(key="b", generated=1, tokens=[32], logprobs=[[-0.5, -math.inf]]),
        Answer(key="a", text="later"),
    ]
    for answer in kept:
        journal.append(answer)
    assert journal.answers() == {"a": kept[2], "b": kept[1]}


def test_the_first_line_says_whose_answers_these_are(journal: Journal) -> None:
    journal.append(Answer(key="a"))
    lines = journal.path.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [{"run": RUN}, {"key": "a"}]


@pytest.mark.parametrize(
    "other", [{**RUN, "weights": "b"}, {**RUN, "settings": {"dtype": "bfloat16"}}, {**RUN, "adapter": "x"}]
)
def test_another_model_or_setting_has_a_journal_of_its_own(journal: Journal, other: dict[str, object]) -> None:
    journal.append(Answer(key="a"))
    folder = journal.path.parent
    assert Journal(folder, other).answers() == {}
    assert Journal(folder, dict(reversed(RUN.items()))).answers() == {"a": Answer(key="a")}


def test_a_prompt_is_known_by_its_tokens_and_by_how_it_is_asked() -> None:
    asked = {"temperature": 0.0, "max_tokens": 4, "stop": ["x"]}
    key = prompt_key(np.array([1, 2, 3], np.int32), asked)
    assert key == prompt_key([1, 2, 3], dict(reversed(asked.items())))
    others = [
        prompt_key([1, 2], asked),
        prompt_key([1, 2, 4], asked),
        prompt_key([1, 2, 3], {**asked, "stop": []}),
        prompt_key([1, 2, 3], {**asked, "temperature": 1.0}),
    ]
    assert len({key, *others}) == 5


@given(texts=st.lists(st.text(st.characters(codec="utf-8")), max_size=4), data=st.data())
def test_a_journal_cut_anywhere_has_a_beginning_of_its_answers_and_takes_more(
    texts: list[str], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    journal = Journal(tmp_path_factory.mktemp("cut"), RUN)
    answers = [Answer(key=str(number), text=text) for number, text in enumerate(texts)]
    for answer in answers:
        journal.append(answer)
    whole = journal.path.read_bytes() if texts else b""
    journal.path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    left = list(journal.answers().values())
    assert left == answers[: len(left)]
    # The run's own line is one of them.
    assert len(left) >= journal.path.read_bytes().count(b"\n") - 1
    journal.append(Answer(key="new"))
    assert list(journal.answers().values()) == [*left, Answer(key="new")]


def test_a_journal_that_cannot_be_read_or_written_says_so_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("where a folder is due")
    with pytest.raises(OpenbookError, match=r"jsonl: cannot be written \(.+\); name another folder in") as caught:
        Journal(tmp_path / "file", RUN).append(Answer(key="a"))
    assert "\n" not in str(caught.value)
    journal = Journal(tmp_path, RUN)
    journal.path.mkdir()
    with pytest.raises(OpenbookError, match=r"cannot be read \(Is a directory\); move it away"):
        journal.answers()
