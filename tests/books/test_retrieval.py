"""The retrieved provider: what is found, within its budget, the same whether built or loaded and wherever it runs."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from openbook_eval.baselines import options_held
from openbook_eval.books import retrieval
from openbook_eval.books.retrieval import open_index, read_corpus, retrieve
from openbook_eval.errors import OpenbookError
from openbook_eval.exams import load_exam
from openbook_eval.types import Question
from tests.conftest import question

LIQUORICE = "<篇名>甘草\n内容：甘草味甘平，调和诸药，补脾益气。"
RHUBARB = "<篇名>大黄\n内容：大黄味苦寒，泻下攻积，清热泻火。"
GINSENG = "<篇名>人参\n内容：人参味甘微苦，大补元气，复脉固脱。"

Ask = Callable[..., dict[str, str]]


def herb(**changes: Any) -> Question:
    options = {"A": "泻下攻积", "B": "调和诸药", "C": "凉血止血"}
    return question(**{"stem": "甘草的功效是( )。", "options": options, "answer": "B", **changes})


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "books"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.md").write_text(LIQUORICE, "utf-8")
    (folder / "b.txt").write_text(RHUBARB, "utf-8-sig")
    (folder / "deep" / "c.TXT").write_text(GINSENG, "gb18030")
    return folder


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def ask(corpus: Path) -> Ask:
    def call(*questions: Question, budget: int = 600, top: int = 1) -> dict[str, str]:
        return retrieve(questions, corpus, budget=budget, top=top)[0]

    return call


def indexes(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache" / "openbook-eval").iterdir())


def test_the_entry_is_the_passage_that_matches_stem_and_options_best_whatever_the_answer(ask: Ask) -> None:
    rhubarb = herb(id="q2", stem="大黄清什么？", options={"A": "热", "B": "寒"})
    found = {
        "q1": "<篇名>甘草 内容：甘草味甘平，调和诸药，补脾益气。",
        "q2": "<篇名>大黄 内容：大黄味苦寒，泻下攻积，清热泻火。",
    }
    for answer in "ABC":
        assert ask(herb(answer=answer), rhubarb) == found


def test_files_of_every_encoding_and_depth_are_searched_and_what_does_not_match_is_left_out(ask: Ask) -> None:
    ginseng = herb(stem="复脉", options={"A": "固脱", "B": "元气"})
    nothing = herb(id="q2", stem="xyz？！", options={"A": "uvw", "B": "。"})
    assert ask(ginseng, nothing, top=3) == {"q1": "<篇名>人参 内容：人参味甘微苦，大补元气，复脉固脱。"}


def test_hidden_files_and_other_kinds_are_not_searched(ask: Ask, corpus: Path) -> None:
    before = ask(herb())
    (corpus / ".git").mkdir()
    for name in (".a.md", ".git/a.md", "a.pdf", "a"):
        (corpus / name).write_bytes(b"\0\xff")
    assert ask(herb()) == before


def test_passages_stand_in_the_order_of_the_corpus(ask: Ask) -> None:
    both = herb(stem="大黄味苦寒，清热泻火，甘草")
    assert ask(both)["q1"].startswith("<篇名>大黄")
    assert ask(both, top=2)["q1"] == (
        "<篇名>甘草 内容：甘草味甘平，调和诸药，补脾益气。 <篇名>大黄 内容：大黄味苦寒，泻下攻积，清热泻火。"
    )
    # The budget counts the blank between passages.
    whole = ask(herb(), top=2)["q1"]
    assert ask(herb(), top=2, budget=len(whole))["q1"] == whole
    assert ask(herb(), top=2, budget=len(whole) - 1) == ask(herb())


def test_of_equal_passages_the_first_in_the_corpus_is_taken(ask: Ask, corpus: Path) -> None:
    equal = herb(stem="白术健脾", options={"A": "燥湿", "B": "利水"})
    for number in range(40):
        (corpus / f"z{number:02}.md").write_text(f"白术健脾燥湿利水。{chr(ord('a') + number % 26)}{number:02}", "utf-8")
    assert ask(equal, top=3)["q1"] == " ".join(f"白术健脾燥湿利水。{x}" for x in ("a00", "b01", "c02"))


def test_the_index_is_built_once_and_finds_the_same_when_loaded(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built, build = ask(herb(), top=3), retrieval._build
    monkeypatch.setattr(retrieval, "_build", lambda *_: pytest.fail("built again"))
    assert ask(herb(), top=3) == built
    (folder,) = indexes(tmp_path)
    monkeypatch.setattr(retrieval, "_build", build)
    for name in ("passages.json", "data.csc.index.npy"):
        (folder / name).write_bytes((folder / name).read_bytes()[:-9])
        assert ask(herb(), top=3) == built
    assert indexes(tmp_path) == [folder]


def test_another_corpus_has_another_hash_and_index(corpus: Path, tmp_path: Path) -> None:
    def digest() -> str:
        return retrieve([herb()], corpus, budget=600, top=1)[1]

    hashes = [digest()]
    assert hashes == ["24d226e1a6fd6766d1a2a22d53e1823bd9bf0a7eead8d623164b572af4d2f4ad"]
    (corpus / "a.md").rename(corpus / "z.md")
    hashes.append(digest())
    (corpus / "z.md").write_text("甘草补脾。", "utf-8")
    assert len({*hashes, digest()}) == len(indexes(tmp_path)) == 3


def test_a_build_that_fails_leaves_nothing_behind(ask: Ask, corpus: Path, tmp_path: Path) -> None:
    for name in ("a.md", "b.txt", "deep/c.TXT"):
        (corpus / name).write_text("。！？\n——\n", "utf-8")
    with pytest.raises(OpenbookError, match=r"books: its \.txt and \.md files hold no words; put the texts"):
        ask(herb())
    assert indexes(tmp_path) == []


def test_the_same_is_found_in_every_process_and_nothing_is_said(corpus: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from openbook_eval.books.retrieval import retrieve\n"
        "from tests.books.test_retrieval import herb\n"
        "print(retrieve([herb()], Path(sys.argv[1]), budget=600, top=3))"
    )
    outputs = []
    for seed in ("1", "2"):
        # The bytecode of jieba is left unwritten: so its sources warn as they do when they are read first.
        variables = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "always"}
        variables["XDG_CACHE_HOME"] = str(tmp_path / seed)
        line = [sys.executable, "-c", program, str(corpus)]
        result = subprocess.run(
            line, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True, env=variables
        )
        assert "jieba" not in result.stderr
        assert "pkg_resources" not in result.stderr
        outputs.append(result.stdout)
    assert outputs[0] == outputs[1]
    first, second = (
        {file.name: file.read_bytes() for file in next((tmp_path / s / "openbook-eval").iterdir()).iterdir()}
        for s in "12"
    )
    assert first == second


def test_a_corpus_or_a_cache_that_is_none_says_what_to_do(
    ask: Ask, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.md").write_bytes(b" \n")
    for name in ("no", "books/a.md", "empty"):
        with pytest.raises(OpenbookError, match=rf"{name}: no folder with \.txt or \.md files that hold text; name"):
            retrieve([herb()], tmp_path / name, budget=600, top=3)
    monkeypatch.setenv("XDG_CACHE_HOME", str(corpus / "a.md"))
    with pytest.raises(OpenbookError, match=r"cannot be written \(.*\); set XDG_CACHE_HOME to a folder of"):
        ask(herb())


def test_a_file_that_is_no_text_is_named(ask: Ask, corpus: Path) -> None:
    (corpus / "deep" / "d.md").write_bytes(b"\x89PNG\r\n\0\0\0\rIHDR")
    with pytest.raises(OpenbookError, match=r"books/deep/d\.md: a binary file, not a text; take it out of the folder$"):
        ask(herb())
    (corpus / "deep" / "d.md").write_bytes(b"ok\n\xff\xff\xff")
    with pytest.raises(OpenbookError, match=r"books/deep/d\.md: line 2 is neither UTF-8 nor gb18030"):
        ask(herb())
    (corpus / "deep" / "d.md").write_text("甘草 x", "utf-16")
    assert ask(herb())


def test_without_the_libraries_it_says_what_to_install(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bm25s", None)
    with pytest.raises(OpenbookError, match=r"retrieval needs bm25s and jieba .*; install openbook-eval\[retrieval\]$"):
        ask(herb())


def test_the_classical_books_hold_more_right_options_where_they_are_searched(real_exams: Path) -> None:
    books = real_exams.parent / "books"
    questions = load_exam(f"{real_exams / 'apollo_test_zh.json'}#cmb-single").questions
    retrieve(questions[:1], books, budget=600, top=3)
    started = time.monotonic()
    found, _ = retrieve(questions, books, budget=600, top=3)
    assert time.monotonic() - started < 10  # 1 s on two cores
    assert len(questions) == len(found) == 1998
    held = mean(q.answer in options_held(found[q.id], q.options) for q in questions)
    passages = open_index(read_corpus(books)).passages
    by_chance = mean(
        q.answer in options_held(passages[n * 7919 % len(passages)], q.options) for n, q in enumerate(questions)
    )
    assert held > 0.04  # 0.0445 when written
    assert by_chance < 0.005
