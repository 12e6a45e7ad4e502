"""Passages: short enough, cut where a reader would, nothing lost or doubled."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openbook_eval.books.retrieval import passages

SIGNS = "甲乙丙丁ab。！？；，、：.!? \n\t”》<篇名>#\u3000\u2028"


def bare(text: str) -> str:
    return "".join(text.split())


@given(st.one_of(st.text(alphabet=SIGNS, max_size=400), st.text(max_size=400)), st.integers(1, 60))
@example("<篇名>甲\n" * 9 + "乙。" * 9, 5)
@example("甲" * 250 + " 乙", 250)
def test_no_text_is_lost_or_doubled_and_no_passage_is_too_long(text: str, length: int) -> None:
    cut = list(passages(text, length))
    assert bare("".join(cut)) == bare(text)
    assert all(passage == passage.strip() and 0 < len(passage) <= length for passage in cut)
    assert not any(len(passage.splitlines()) > 1 for passage in cut)


LINE = "一" * 34


@pytest.mark.parametrize(
    ("text", "length", "cut"),
    [
        # A paragraph that fits is kept whole; a long one is cut at sentence ends with what closes them,
        ("一二三。四五。\n\n六七八。九。", 10, ["一二三。四五。", "六七八。九。"]),
        ("一二三。四五。\n\n六七八。九。", 14, ["一二三。四五。 六七八。九。"]),
        ("甲曰：“一二三。”四五六！七八九；十。", 9, ["甲曰：“一二三。”", "四五六！七八九；", "十。"]),
        # a sentence that is too long at clauses, then hard.
        ("一二三，四五六，七八九十一二三四。", 8, ["一二三，四五六，", "七八九十一二三四", "。"]),
        # Lines that end in one blank or fill their width run on, and so does one that begins with a sign.
        ("甘草味 \n甘 \n，气平。\n黄芪  \n味甘。", 250, ["甘草味甘，气平。 黄芪 味甘。"]),
        (f"{LINE}\n二。\n三四\n五。", 250, [f"{LINE}二。 三四 五。"]),
        (f"{LINE}。\n二。", 250, [f"{LINE}。 二。"]),
        ("甘草\n，气平\n。", 250, ["甘草，气平。"]),
        ("low blood \npressure", 250, ["low blood pressure"]),
    ],
)
def test_text_is_cut_where_a_reader_would_cut_it(text: str, length: int, cut: list[str]) -> None:
    assert list(passages(text, length)) == cut


def test_a_heading_begins_a_passage_and_stays_with_what_it_heads() -> None:
    text = "书名：某书\n<目录>卷一\n\n<篇名>甘草\n\n内容：味甘。气平。\n\n<篇名>黄芪\n内容：味甘。\n# 附录\n方。"
    assert list(passages(text, 30)) == [
        "书名：某书",
        "<目录>卷一 <篇名>甘草 内容：味甘。气平。",
        "<篇名>黄芪 内容：味甘。",
        "# 附录 方。",
    ]
    assert list(passages("<篇名>甘草\n\n一二三，四五六，七八九，十。", 15)) == [
        "<篇名>甘草 一二三，四五六，",
        "七八九，十。",
    ]


def test_a_long_row_of_dots_is_cut_in_no_time() -> None:
    assert len(list(passages("." * 1_000_000))) == 4_000
