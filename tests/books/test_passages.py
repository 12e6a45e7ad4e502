"""Passages: short enough, cut where a reader would, nothing lost or doubled."""

from hypothesis import example, given
from hypothesis import strategies as st

from openbook_eval.books.passages import first_sentences, passages

SIGNS = "甲乙丙丁ab。！？；，、：.!? \n\t”》<篇名>#\u3000\u2028"


def bare(text: str) -> str:
    return "".join(text.split())


@given(st.one_of(st.text(alphabet=SIGNS, max_size=400), st.text(max_size=400)), st.integers(1, 60))
@example("<篇名>甲\n" * 9 + "乙。" * 9, 5)
@example("甲" * 250 + " 乙", 250)
def test_no_text_is_lost_or_doubled_and_no_passage_is_too_long(text: str, length: int) -> None:
    cut = passages(text, length)
    assert bare("".join(cut)) == bare(text)
    assert all(passage == passage.strip() and 0 < len(passage) <= length for passage in cut)
    assert not any(len(passage.splitlines()) > 1 for passage in cut)


def test_a_paragraph_that_fits_is_kept_whole() -> None:
    assert passages("一二三。四五。\n\n六七八。九。", 10) == ["一二三。四五。", "六七八。九。"]
    assert passages("一二三。四五。\n\n六七八。九。", 14) == ["一二三。四五。 六七八。九。"]


def test_a_long_paragraph_is_cut_at_sentence_ends_with_what_closes_them() -> None:
    assert passages("甲曰：“一二三。”四五六！七八九；十。", 9) == ["甲曰：“一二三。”", "四五六！七八九；", "十。"]


def test_a_sentence_that_is_too_long_is_cut_at_clauses_then_hard() -> None:
    assert passages("一二三，四五六，七八九十一二三四。", 8) == ["一二三，四五六，", "七八九十一二三四", "。"]


def test_lines_that_end_in_one_blank_run_on_as_the_classical_books_wrap_them() -> None:
    assert passages("甘草味 \n甘 \n，气平。\n黄芪  \n味甘。") == ["甘草味甘，气平。 黄芪 味甘。"]


def test_lines_that_fill_their_width_run_on() -> None:
    line = "一" * 34
    assert passages(f"{line}\n二。\n三四\n五。") == [f"{line}二。 三四 五。"]
    assert passages(f"{line}。\n二。") == [f"{line}。 二。"]


def test_a_sign_that_begins_no_line_belongs_to_the_line_before() -> None:
    assert passages("甘草\n，气平\n。") == ["甘草，气平。"]


def test_latin_words_are_not_run_together() -> None:
    assert passages("low blood \npressure") == ["low blood pressure"]


def test_a_heading_begins_a_passage_and_stays_with_what_it_heads() -> None:
    text = "书名：某书\n<目录>卷一\n\n<篇名>甘草\n\n内容：味甘。气平。\n\n<篇名>黄芪\n内容：味甘。\n# 附录\n方。"
    assert passages(text, 30) == [
        "书名：某书",
        "<目录>卷一 <篇名>甘草 内容：味甘。气平。",
        "<篇名>黄芪 内容：味甘。",
        "# 附录 方。",
    ]
    assert passages("<篇名>甘草\n\n一二三，四五六，七八九，十。", 15) == ["<篇名>甘草 一二三，四五六，", "七八九，十。"]


def test_the_front_of_a_passage_ends_with_a_sentence_where_one_fits() -> None:
    assert first_sentences("一二。三四。五六。", 7) == "一二。三四。"
    assert first_sentences("一二。三四。五六。", 9) == "一二。三四。五六。"
    assert first_sentences("一二。三四。", 2) == "一二"


@given(st.text(alphabet=SIGNS, max_size=60), st.integers(1, 60))
def test_the_front_of_a_passage_is_its_front_and_no_longer_than_asked(text: str, length: int) -> None:
    for passage in passages(text):
        front = first_sentences(passage, length)
        assert front
        assert passage.startswith(front)
        assert len(front) <= length


def test_a_long_row_of_dots_is_cut_in_no_time() -> None:
    assert len(passages("." * 1_000_000)) == 4_000
