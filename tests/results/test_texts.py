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
from openbook_eval.results import ItemText, Run, read_runs
from tests.results.lm_eval_output import TEMPLATE, write_run

LIBRARY = "reading_library_4k"


def read(folder: Path) -> Run:
    return read_runs(folder).runs[0]


def texts(folder: Path) -> list[ItemText]:
    return list(read(folder).texts())


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
    ["openbook", "closedbook", "openbook_ranked", "reading_open", "reading_closed", LIBRARY, "reading_unanswerable"],
)
def test_the_parts_of_a_prompt_make_the_prompt_that_was_sent(tmp_path: Path, condition: str, *, chat: bool) -> None:
    write_run(tmp_path, condition=condition, questions=24, chat=chat)
    run = read(tmp_path)
    for item, sent in zip(run.texts(), prompts(run), strict=True):
        book = item.book if item.book_sha256 else item.entry
        book = "" if condition.endswith(("closedbook", "closed")) else book
        assert (item.template_before, item.template_after) == (TEMPLATE if chat else ("", ""))
        bare = f"{item.prompt_before}{book}{item.prompt_after}"
        assert f"{item.template_before}{bare}{item.template_after}" == sent


def test_without_a_book_all_of_the_prompt_stands_behind_it(tmp_path: Path) -> None:
    write_run(tmp_path, condition="closedbook", questions=6)
    first = texts(tmp_path)[0]
    assert first.prompt_before == ""
    assert first.prompt_after.startswith("【要求】")
    assert first.prompt_after.endswith("答案：")


def test_books_that_questions_share_are_what_their_hash_says(tmp_path: Path) -> None:
    write_run(tmp_path, condition=LIBRARY, questions=120)
    items = texts(tmp_path)
    books = {item.book_sha256: item.book for item in items}
    assert len(books) == 6
    assert all(hashlib.sha256((text or "").encode()).hexdigest() == name for name, text in books.items())
    assert all(item.entry in (item.book or "") for item in items)
    write_run(tmp_path / "own", condition="reading_open", questions=12)
    assert {(item.book, item.book_sha256) for item in texts(tmp_path / "own")} == {(None, None)}


def test_a_question_is_told_as_it_was_asked(tmp_path: Path) -> None:
    write_run(tmp_path, condition="reading_counterfactual", questions=24, right=1.0)
    items = {item["id"]: item for item in read_runs(tmp_path).items.to_dicts()}
    for text in texts(tmp_path):
        item = items[text.question.id]
        assert (text.question.exam, text.question.exam_class) == (item["exam"], item["exam_class"])
        assert (text.expected, text.question.qtype) == (item["expected"], item["qtype"])
        assert list(text.question.options) == ["A", "B", "C", "D"]
        assert text.provider == "statement"


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
    assert {item.response for item in texts(tmp_path)} == {response}


@settings(max_examples=40, deadline=None)
@given(response=st.text(), opening=st.text(max_size=20), closing=st.text(max_size=20))
def test_whatever_is_around_a_prompt_and_behind_it_is_kept(response: str, opening: str, closing: str) -> None:
    with TemporaryDirectory() as name:
        write_run(Path(name), condition=LIBRARY, questions=6, respond=lambda *_: response)
        run = read(Path(name))
        # Encoded as JSON encodes it, half characters and all.
        replace(run, '"arg_0": "', f'"arg_0": {json.dumps(opening)[:-1]}')
        replace(run, '答案：", "arg_1"', f'答案：{json.dumps(closing)[1:]}, "arg_1"')
        found = texts(Path(name))
    assert {(each.response, each.template_before, each.template_after) for each in found} == {
        (response, opening, closing)
    }


def test_half_a_character_is_kept(tmp_path: Path) -> None:
    write_run(tmp_path, questions=6, respond=lambda *_: "HALF")
    replace(read(tmp_path), "HALF", "\\ud83d")
    assert {item.response for item in texts(tmp_path)} == {"\ud83d"}


def test_what_was_not_written_is_no_response(tmp_path: Path) -> None:
    write_run(tmp_path, questions=6, respond=lambda *_: None)
    assert {item.response for item in texts(tmp_path)} == {""}
    write_run(tmp_path / "ranked", condition="openbook_ranked", questions=6, right=1.0)
    assert {item.response for item in texts(tmp_path / "ranked")} == {""}


def test_what_is_not_found_in_the_prompt_is_left_out(tmp_path: Path) -> None:
    write_run(tmp_path, condition=LIBRARY, questions=6)
    run = read(tmp_path)
    # The book is none that its hash is of.
    for path in (Path(file.path) for file in run.samples):
        content = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r'("arg_0": "【材料】\\n).', r"\1伪", content), encoding="utf-8")
    assert all("【材料】\n伪" in prompt for prompt in prompts(run))
    assert {(item.template_before, item.book) for item in run.texts()} == {("", None)}
    replace(run, "【要求】", "【另一个】")
    assert {(item.template_before, item.template_after, item.book) for item in run.texts()} == {(None, None, None)}


@pytest.mark.parametrize("condition", ["openbook", LIBRARY])
def test_a_chat_that_was_sent_as_json_is_taken_apart(tmp_path: Path, condition: str) -> None:
    write_run(tmp_path, condition=condition, questions=6)
    for path in (Path(file.path) for file in read(tmp_path).samples):
        samples = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for request in (sample["arguments"]["gen_args_0"] for sample in samples):
            chat = [{"role": "system", "content": "s"}, {"role": "user", "content": request["arg_0"]}]
            request["arg_0"] = [json.dumps(chat, ensure_ascii=False)]
        path.write_text("".join(f"{json.dumps(sample)}\n" for sample in samples), encoding="utf-8")
    items = texts(tmp_path)
    assert {(item.template_before, item.template_after) for item in items} == {("s\n", "")}
    assert all((item.book is not None) == (condition == LIBRARY) for item in items)


def test_samples_that_have_changed_since_have_no_texts(tmp_path: Path) -> None:
    write_run(tmp_path, questions=6)
    run = read(tmp_path)
    assert run.has_texts
    assert run.read_reference() is not None
    replace(run, "【题目】", "【问题】")
    assert not run.has_texts
    assert run.read_reference() is None


def test_readers_are_given_shared_books_only_where_each_is_known(tmp_path: Path) -> None:
    def readers() -> list[str]:
        reference = read(tmp_path).model_copy(update={"reference": None}).read_reference()
        return [row.name for row in reference.rows] if reference else []

    write_run(tmp_path, condition=LIBRARY, questions=120)
    usual = ["chance", "majority letter", "longest option"]
    assert readers() == [*usual, "string matching"]
    # One book is not what its hash says.
    replace(read(tmp_path), "【材料】", "【材料】 ")
    assert readers() == usual


@pytest.mark.parametrize(
    ("old", "fault"),
    [('"subject":', "KeyError: 'subject'"), ('"stem":', "KeyError: 'stem'"), ('"resps":', "KeyError: 'resps'")],
)
def test_a_sample_that_lacks_a_text_is_an_error_of_one_line(tmp_path: Path, old: str, fault: str) -> None:
    write_run(tmp_path, questions=6)
    replace(read(tmp_path), old, '"x":')
    with pytest.raises(
        OpenbookError, match=rf"physician.*: line 1 is no sample of a choice task \({fault}\); run again$"
    ):
        texts(tmp_path)
