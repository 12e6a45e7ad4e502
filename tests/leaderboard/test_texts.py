"""The texts behind the items: prompt, book and response, taken apart as they are."""

import hashlib
import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbook_eval.errors import OpenbookError
from openbook_eval.leaderboard import reading, store, texts
from openbook_eval.leaderboard.runs import Run
from tests.leaderboard.lm_eval_output import TEMPLATE, write_run

LIBRARY = "reading_library_4k"


def read(folder: Path) -> Run:
    return reading.read([folder]).runs[0]


def prompts(run: Run) -> list[str]:
    files = (Path(file.path).read_text(encoding="utf-8").split("\n") for file in run.samples)
    return [json.loads(line)["arguments"]["gen_args_0"]["arg_0"] for lines in files for line in lines if line]


def replace(run: Run, old: str, new: str) -> None:
    for file in run.samples:
        path = Path(file.path)
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize(
    "condition",
    ["openbook", "closedbook", "openbook_ranked", "reading_open", "reading_closed", LIBRARY, "reading_missing"],
)
def test_the_parts_of_a_prompt_make_the_prompt_that_was_sent(tmp_path: Path, condition: str, *, chat: bool) -> None:
    write_run(tmp_path, condition=condition, questions=24, chat=chat)
    run = read(tmp_path)
    shared = dict(texts.books(run))
    for question, answer, sent in zip(texts.questions(run), texts.answers(run), prompts(run), strict=True):
        book = shared[question.book_sha256] if question.book_sha256 else question.entry
        book = "" if condition.endswith(("closedbook", "closed")) else book
        bare = f"{question.prompt_before}{book}{question.prompt_after}"
        assert (answer.template_before, answer.template_after) == (TEMPLATE if chat else ("", ""))
        assert f"{answer.template_before}{bare}{answer.template_after}" == sent


def test_without_a_book_all_of_the_prompt_stands_behind_it(tmp_path: Path) -> None:
    write_run(tmp_path, condition="closedbook", questions=6)
    first = next(texts.questions(read(tmp_path)))
    assert first.prompt_before == ""
    assert first.prompt_after.startswith("【要求】")
    assert first.prompt_after.endswith("答案：")


def test_shared_books_are_told_once_and_are_what_their_hash_says(tmp_path: Path) -> None:
    write_run(tmp_path, condition=LIBRARY, questions=120)
    run = read(tmp_path)
    books = list(texts.books(run))
    assert len(books) == 6
    assert all(hashlib.sha256(text.encode()).hexdigest() == name for name, text in books)
    assert {question.book_sha256 for question in texts.questions(run)} == {name for name, _ in books}
    assert all(question.entry in dict(books)[str(question.book_sha256)] for question in texts.questions(run))


def test_books_of_one_question_are_not_shared(tmp_path: Path) -> None:
    write_run(tmp_path, condition="reading_open", questions=12)
    run = read(tmp_path)
    assert list(texts.books(run)) == []
    assert {question.book_sha256 for question in texts.questions(run)} == {None}


def test_a_question_is_told_as_it_was_asked(tmp_path: Path) -> None:
    write_run(tmp_path, condition="reading_contrary", questions=24, right=1.0)
    run = read(tmp_path)
    items = {item["id"]: item for item in reading.read([tmp_path]).items.to_dicts()}
    for question, answer in zip(texts.questions(run), texts.answers(run), strict=True):
        item = items[question.id]
        assert (question.exam, question.exam_class, question.qtype) == (item["exam"], item["exam_class"], item["qtype"])
        assert question.right == item["right"]
        assert list(question.options) == ["A", "B", "C", "D"]
        assert question.provider == "statement"
        assert (answer.id, answer.letters, answer.state, answer.rule) == (
            question.id, item["letters"], item["state"], item["rule"]
        )  # fmt: skip


@pytest.mark.parametrize(
    "response",
    [
        "<script>alert(1)</script></script><a href='javascript:alert(1)'>",
        "\x00\x07\x1b[31m\u202e\u2066\ufeff\u2028\u2029\r\n",
        "答" * 350_000,
        "【材料】\n\n\n【要求】\n答案：",
        "",
    ],
)
def test_a_response_is_kept_as_it_is(tmp_path: Path, response: str) -> None:
    write_run(tmp_path, questions=6, respond=lambda *_: response)
    assert {answer.response for answer in texts.answers(read(tmp_path))} == {response}


@settings(max_examples=40, deadline=None)
@given(response=st.text(), opening=st.text(max_size=20), closing=st.text(max_size=20))
def test_whatever_is_around_a_prompt_and_behind_it_is_kept(response: str, opening: str, closing: str) -> None:
    with TemporaryDirectory() as name:
        write_run(Path(name), condition=LIBRARY, questions=6, respond=lambda *_: response)
        run = read(Path(name))
        # Encoded as JSON encodes it, half characters and all.
        replace(run, '"arg_0": "', f'"arg_0": {json.dumps(opening)[:-1]}')
        replace(run, '答案：", "arg_1"', f'答案：{json.dumps(closing)[1:]}, "arg_1"')
        found = list(texts.answers(read(Path(name))))
    assert {(each.response, each.template_before, each.template_after) for each in found} == {
        (response, opening, closing)
    }


def test_half_a_character_is_kept(tmp_path: Path) -> None:
    write_run(tmp_path, questions=6, respond=lambda *_: "HALF")
    replace(read(tmp_path), "HALF", "\\ud83d")
    assert {answer.response for answer in texts.answers(read(tmp_path))} == {"\ud83d"}


def test_nothing_was_read_out_where_no_response_came(tmp_path: Path) -> None:
    write_run(tmp_path, questions=6, respond=lambda *_: None)
    first = next(texts.answers(read(tmp_path)))
    assert (first.response, first.letters, first.state, first.rule) == ("", None, None, None)


def test_where_letters_were_ranked_there_is_no_response(tmp_path: Path) -> None:
    write_run(tmp_path, condition="openbook_ranked", questions=6, right=1.0)
    first = next(texts.answers(read(tmp_path)))
    assert (first.response, first.letters, first.rule) == ("", "A", "ranked")


def test_a_prompt_that_is_not_found_leaves_the_template_untold(tmp_path: Path) -> None:
    write_run(tmp_path, condition=LIBRARY, questions=6)
    replace(read(tmp_path), "【要求】", "【另一个】")
    run = read(tmp_path)
    assert {(answer.template_before, answer.template_after) for answer in texts.answers(run)} == {(None, None)}
    assert list(texts.books(run)) == []


def test_a_book_that_is_not_what_its_hash_says_is_not_told(tmp_path: Path) -> None:
    write_run(tmp_path, condition=LIBRARY, questions=6)
    for file in read(tmp_path).samples:
        path = Path(file.path)
        path.write_text(
            re.sub(r'("arg_0": "【材料】\\n).', r"\1伪", path.read_text(encoding="utf-8")), encoding="utf-8"
        )
    assert all("【材料】\n伪" in prompt for prompt in prompts(read(tmp_path)))
    assert list(texts.books(read(tmp_path))) == []


@pytest.mark.parametrize("condition", ["openbook", LIBRARY])
def test_a_chat_that_was_sent_as_json_is_taken_apart(tmp_path: Path, condition: str) -> None:
    write_run(tmp_path, condition=condition, questions=6)
    run = read(tmp_path)
    for file in run.samples:
        path = Path(file.path)
        samples = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for sample in samples:
            request = sample["arguments"]["gen_args_0"]
            chat = [{"role": "system", "content": "s"}, {"role": "user", "content": request["arg_0"]}]
            request["arg_0"] = [json.dumps(chat, ensure_ascii=False)]
        path.write_text("".join(f"{json.dumps(sample)}\n" for sample in samples), encoding="utf-8")
    run = read(tmp_path)
    around = {(answer.template_before, answer.template_after) for answer in texts.answers(run)}
    assert around == {('[{"role": "system", "content": "s"}, {"role": "user", "content": "', '"}]')}
    assert len(list(texts.books(run))) == (6 if condition == LIBRARY else 0)


def test_a_run_of_a_store_has_no_texts(tmp_path: Path) -> None:
    write_run(tmp_path / "runs", condition=LIBRARY, questions=6)
    store.add(tmp_path / "store", reading.read([tmp_path / "runs"]))
    run = store.read(tmp_path / "store").runs[0]
    assert not texts.at_hand(run)


def test_samples_that_have_changed_since_are_not_at_hand(tmp_path: Path) -> None:
    write_run(tmp_path, questions=6)
    run = read(tmp_path)
    assert texts.at_hand(run)
    replace(run, "【题目】", "【问题】")
    assert not texts.at_hand(run)


@pytest.mark.parametrize(
    ("old", "fault"),
    [('"subject":', "KeyError: 'subject'"), ('"options":', "KeyError: 'options'"), ('"resps":', "KeyError: 'resps'")],
)
def test_a_sample_that_lacks_a_text_is_an_error_of_one_line(tmp_path: Path, old: str, fault: str) -> None:
    write_run(tmp_path, questions=6)
    replace(read(tmp_path), old, '"x":')
    with pytest.raises(
        OpenbookError, match=rf"physician.*: a sample lacks what our tasks tell \({fault}\); run again$"
    ):
        list(zip(texts.questions(read(tmp_path)), texts.answers(read(tmp_path)), strict=True))
