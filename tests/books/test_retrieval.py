"""The retrieved provider: what is found, within its budget, the same whether built or loaded and wherever it runs."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openbook_eval.books import retrieval
from openbook_eval.books.passages import read_corpus
from openbook_eval.books.retrieval import Found, open_index, retrieve
from openbook_eval.errors import OpenbookError
from openbook_eval.evidence import options_held
from openbook_eval.exams import load_exam
from openbook_eval.types import Question
from tests.conftest import question

LIQUORICE = "<篇名>甘草\n内容：甘草味甘平，调和诸药，补脾益气。"
RHUBARB = "<篇名>大黄\n内容：大黄味苦寒，泻下攻积，清热泻火。"
GINSENG = "<篇名>人参\n内容：人参味甘微苦，大补元气，复脉固脱。"

Ask = Callable[..., Found]


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


@pytest.fixture
def ask(corpus: Path, tmp_path: Path) -> Ask:
    def call(*questions: Question, budget: int = 600, top: int = 1) -> Found:
        return retrieve(questions, corpus, budget=budget, top=top, cache=tmp_path / "cache")

    return call


def indexes(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache").iterdir())


def test_the_entry_is_the_passage_that_matches_stem_and_options_best(ask: Ask) -> None:
    rhubarb = herb(id="q2", stem="大黄清什么？", options={"A": "热", "B": "寒"})
    assert ask(herb(), rhubarb).texts == {
        "q1": "<篇名>甘草 内容：甘草味甘平，调和诸药，补脾益气。",
        "q2": "<篇名>大黄 内容：大黄味苦寒，泻下攻积，清热泻火。",
    }


def test_files_of_every_encoding_and_depth_are_searched_and_what_does_not_match_is_left_out(ask: Ask) -> None:
    ginseng = herb(stem="复脉", options={"A": "固脱", "B": "元气"})
    assert ask(ginseng, top=3).texts == {"q1": "<篇名>人参 内容：人参味甘微苦，大补元气，复脉固脱。"}


def test_hidden_files_and_other_kinds_are_not_searched(ask: Ask, corpus: Path) -> None:
    before = ask(herb())
    (corpus / ".git").mkdir()
    for name in (".a.md", ".git/a.md", "a.pdf", "a"):
        (corpus / name).write_bytes(b"\0\xff")
    assert ask(herb()) == before


def test_the_answer_changes_nothing(ask: Ask, corpus: Path) -> None:
    (corpus / "letters.md").write_text("# A\nB\n# B\nC\n# C\nA", "utf-8")
    assert len({ask(herb(answer=answer), top=9).texts["q1"] for answer in ("A", "B", "C", "")}) == 1


def test_a_question_for_which_nothing_matches_is_missing(ask: Ask) -> None:
    latin = herb(id="q2", stem="xyz?", options={"A": "uvw", "B": "rst"})
    signs = herb(id="q3", stem="？！", options={"A": "()", "B": "。"})
    assert list(ask(latin, herb(), signs).texts) == ["q1"]


def test_passages_stand_in_the_order_of_the_corpus(ask: Ask) -> None:
    both = herb(stem="大黄味苦寒，清热泻火，甘草")
    assert ask(both).texts["q1"].startswith("<篇名>大黄")
    assert ask(both, top=2).texts["q1"] == (
        "<篇名>甘草 内容：甘草味甘平，调和诸药，补脾益气。 <篇名>大黄 内容：大黄味苦寒，泻下攻积，清热泻火。"
    )


def test_the_budget_counts_the_blank_between_passages(ask: Ask) -> None:
    whole = ask(herb(), top=2).texts["q1"]
    assert ask(herb(), top=2, budget=len(whole)).texts["q1"] == whole
    assert ask(herb(), top=2, budget=len(whole) - 1).texts["q1"] == ask(herb()).texts["q1"]


def test_a_passage_longer_than_the_budget_is_cut_at_a_sentence_end_or_else_hard(ask: Ask, corpus: Path) -> None:
    (corpus / "a.md").write_text("甘草调和诸药。甘草补脾益气，缓急止痛。", "utf-8")
    assert ask(herb(), budget=12).texts["q1"] == "甘草调和诸药。"
    assert ask(herb(), budget=5).texts["q1"] == "甘草调和诸"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(budget=st.integers(1, 120), top=st.integers(1, 5), stem=st.text(alphabet="甘草大黄味苦，x \n", max_size=20))
def test_no_entry_is_longer_than_the_budget_or_has_a_line_break(ask: Ask, budget: int, top: int, stem: str) -> None:
    for text in ask(herb(stem=stem), budget=budget, top=top).texts.values():
        assert 0 < len(text) <= budget
        assert len(text.splitlines()) == 1


def test_of_equal_passages_the_first_in_the_corpus_is_taken(ask: Ask, corpus: Path) -> None:
    equal = herb(stem="白术健脾", options={"A": "燥湿", "B": "利水"})
    for number in range(40):
        (corpus / f"z{number:02}.md").write_text(f"白术健脾燥湿利水。{chr(ord('a') + number % 26)}{number:02}", "utf-8")
    assert ask(equal, top=3).texts["q1"] == " ".join(f"白术健脾燥湿利水。{x}" for x in ("a00", "b01", "c02"))


def test_results_do_not_depend_on_order_or_number_of_questions(ask: Ask) -> None:
    questions = [herb(id=f"q{n}", stem=stem) for n, stem in enumerate(["大黄", "人参大补", "甘草", "味甘", "元气泻火"])]
    together = ask(*questions, top=2).texts
    assert ask(*reversed(questions), top=2).texts == together
    assert {q.id: ask(q, top=2).texts[q.id] for q in questions} == together


def test_the_index_is_built_once_and_finds_the_same_when_loaded(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = ask(herb(), top=3)
    monkeypatch.setattr(retrieval, "_build", lambda *_: pytest.fail("built again"))
    assert ask(herb(), top=3) == built
    assert len(indexes(tmp_path)) == 1


def test_another_corpus_has_another_hash_and_index(ask: Ask, corpus: Path, tmp_path: Path) -> None:
    hashes = [ask(herb()).sha256]
    assert hashes == ["24d226e1a6fd6766d1a2a22d53e1823bd9bf0a7eead8d623164b572af4d2f4ad"]
    (corpus / "a.md").rename(corpus / "z.md")
    hashes.append(ask(herb()).sha256)
    (corpus / "z.md").write_text("甘草补脾。", "utf-8")
    hashes.append(ask(herb()).sha256)
    assert len(set(hashes)) == 3
    assert len(indexes(tmp_path)) == 3


def test_a_damaged_index_is_built_again(ask: Ask, tmp_path: Path) -> None:
    whole = ask(herb(), top=3)
    (folder,) = indexes(tmp_path)
    names = sorted(file.name for file in folder.iterdir())
    assert len(names) == 7
    for name in names:
        damages: list[Callable[[Path], object]] = [
            Path.unlink,
            lambda file: file.write_bytes(b""),
            lambda file: file.write_bytes(file.read_bytes()[:-9]),
            lambda file: file.write_bytes(file.read_bytes()[:-9] + b"123456789"),
        ]
        for damage in damages:
            damage(folder / name)
            assert ask(herb(), top=3) == whole, name
            assert sorted(file.name for file in folder.iterdir()) == names
    assert indexes(tmp_path) == [folder]


def test_an_index_that_another_process_made_meanwhile_does_no_harm(ask: Ask, tmp_path: Path) -> None:
    whole = ask(herb())
    (folder,) = indexes(tmp_path)
    folder.rename(tmp_path / "theirs")
    rmtree = shutil.rmtree

    def slow(place: Path, **options: Any) -> None:
        rmtree(place, **options)
        if place == folder:
            (tmp_path / "theirs").rename(folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "rmtree", slow)
        assert ask(herb()) == whole
    assert indexes(tmp_path) == [folder]
    assert ask(herb()) == whole


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
        "print(retrieve([herb()], Path(sys.argv[1]), budget=600, top=3, cache=Path(sys.argv[2])))"
    )
    outputs = []
    for seed in ("1", "2"):
        # The bytecode of jieba is left unwritten: so its sources warn as they do when they are read first.
        variables = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "always"}
        line = [sys.executable, "-c", program, str(corpus), str(tmp_path / seed)]
        result = subprocess.run(
            line, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True, env=variables
        )
        assert "jieba" not in result.stderr
        assert "pkg_resources" not in result.stderr
        outputs.append(result.stdout)
    assert outputs[0] == outputs[1]
    first, second = ({file.name: file.read_bytes() for file in next((tmp_path / s).iterdir()).iterdir()} for s in "12")
    assert first == second


def test_a_word_that_a_program_taught_jieba_changes_nothing(corpus: Path, tmp_path: Path) -> None:
    import jieba

    jieba.add_word("甘草味甘平", freq=10**9)
    try:
        assert "甘草味甘平" not in open_index(read_corpus(corpus), tmp_path).scores.vocab_dict
    finally:
        jieba.del_word("甘草味甘平")


@pytest.mark.usefixtures("corpus")
def test_a_corpus_that_is_none_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.pdf").write_bytes(b"%PDF")
    (tmp_path / "blank").mkdir()
    (tmp_path / "blank" / "a.md").write_bytes(b" \n")
    for name, message in {
        "no": "no such folder; name one that holds .txt or .md files",
        "books/a.md": "a file, not a folder; name the folder that holds the texts",
        "empty": "holds no .txt or .md files; put the texts to search there",
        "blank": "holds only empty .txt and .md files; put the texts to search there",
        "x" * 300: "cannot be read (File name too long); correct it or take it out of the corpus",
    }.items():
        with pytest.raises(OpenbookError) as caught:
            retrieve([herb()], tmp_path / name, budget=600, top=3, cache=tmp_path / "cache")
        assert str(caught.value) == f"{tmp_path / name}: {message}"


def test_a_file_that_is_no_text_is_named(ask: Ask, corpus: Path) -> None:
    (corpus / "deep" / "d.md").write_bytes(b"\x89PNG\r\n\0\0\0\rIHDR")
    with pytest.raises(OpenbookError, match=r"books/deep/d\.md: a binary file, not a text; take it out of the folder$"):
        ask(herb())
    (corpus / "deep" / "d.md").write_bytes(b"ok\n\xff\xff\xff")
    with pytest.raises(OpenbookError, match=r"books/deep/d\.md: line 2 is neither UTF-8 nor gb18030"):
        ask(herb())
    (corpus / "deep" / "d.md").write_text("甘草 x", "utf-16")
    assert ask(herb()).texts


def test_a_closed_cache_says_what_to_do(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OpenbookError, match=r"file/x/retrieval-\w+: cannot be written \(.*\); set XDG_CACHE_HOME to a folder of"):
        retrieve([herb()], corpus, budget=600, top=3, cache=tmp_path / "file" / "x")


def test_without_the_libraries_it_says_what_to_install(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bm25s", None)
    with pytest.raises(OpenbookError, match=r"retrieval needs bm25s and jieba .*; install openbook-eval\[retrieval\]$"):
        ask(herb())


def test_the_classical_books_hold_more_right_options_where_they_are_searched(real_exams: Path, tmp_path: Path) -> None:
    books = real_exams.parent / "books"
    questions = load_exam(f"{real_exams / 'apollo_test_zh.json'}#cmb-single").questions
    retrieve(questions[:1], books, budget=600, top=3, cache=tmp_path)
    started = time.monotonic()
    found = retrieve(questions, books, budget=600, top=3, cache=tmp_path).texts
    assert time.monotonic() - started < 10  # 1 s on two cores
    assert len(questions) == len(found) == 2000
    held = mean(q.answer in options_held(found[q.id], q.options) for q in questions)
    passages = open_index(read_corpus(books), tmp_path).passages
    by_chance = mean(
        q.answer in options_held(passages[n * 7919 % len(passages)], q.options) for n, q in enumerate(questions)
    )
    assert held > 0.04  # 0.0445 when written
    assert by_chance < 0.005
