"""Markup leaves a text where nothing else is lost; a question about what is not there is not asked."""

import time
from pathlib import Path
from typing import Any

import pytest

from openbook_eval.exams import read_path
from openbook_eval.exams.texts import clean
from tests.exams.test_own import ROW, write_lines


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("P&#39;波，QRS&gt;0.12s，A&amp;B", "P'波，QRS>0.12s，A&B"),
        ("白细胞&amp;lt;4&nbsp;万", "白细胞<4 万"),
        ("<p>红细胞4×10<sup>12</sup>/L，H<sub>2</sub>O，C<sub>max</sub></p>", "红细胞4×10¹²/L，H₂O，C_max"),
        ('<span style="color:red">不</span>属于<br/>此类的<strong>是</strong>', "不属于\n此类的是"),
        (
            "<table border='1'><tr><th>组</th><th>人数</th></tr>\n<tr><td>甲</td><td>3</td></tr></table>",
            "组 | 人数\n甲 | 3",
        ),
        ("<b>错误</b>的是", "错误的是"),
        # No markup: signs of mathematics, and what only looks like a tag.
        ("若a<b且b>c，P<0.05", "若a<b且b>c，P<0.05"),
        ("a<b>c", "a<b>c"),
        ("R&D；AT&T", "R&D；AT&T"),
        ("<未知>", "<未知>"),
    ],
)
def test_markup_is_taken_out_and_meaning_stays(text: str, left: str) -> None:
    assert clean(text) == left


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"stem": "此药材是<img src='1.png'>"}, "no_picture"),
        ({"stem": "&lt;img src=1.png&gt;此药材是"}, "no_picture"),
        ({"stem": "此药材是![药材](1.png)"}, "no_picture"),
        ({"options": {"A": "S<IMG SRC='1.gif' />增强", "B": "减弱", "C": "消失"}}, "no_picture"),
        ({"stem": "X线片如图所示，诊断是"}, "no_picture"),
        ({"stem": "死亡率如下表：死因是"}, "no_table"),
        ({"stem": "<table><tr><td rowspan='2'>组</td><td>3</td></tr></table>死因是"}, "no_table"),
        # Nothing is missing.
        (
            {"stem": "死亡率如下表：<table><tr><td>甲</td><td>3</td></tr><tr><td>乙</td><td>4</td></tr></table>死因是"},
            "",
        ),
        ({"stem": "甲|3\n乙|4\n死亡率见上表，死因是"}, ""),
        ({"knowledge": "<img src='1.png'>主观资料是病人的感受。"}, ""),
    ],
)
def test_a_question_about_a_picture_or_table_that_is_not_there_is_kept_apart(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    exam = read_path(write_lines(tmp_path, ROW, {**ROW, "id": "2", **changes}))
    assert [(each.name, each.reason) for each in exam.dropped] == ([("2", reason)] if reason else [])
    assert exam.record["not_asked"] == ({reason: 1} if reason else {})


def test_stem_options_and_entry_are_cleaned_alike_and_it_is_told(tmp_path: Path) -> None:
    row = {
        **ROW,
        "stem": "<p>主观资料</p>",
        "knowledge": "头痛&gt;乏力",
        "options": {"A": "头痛", "B": "<i>体温</i>", "C": "乏力"},
    }
    exam = read_path(write_lines(tmp_path, row))
    (question,) = exam.questions
    assert (question.stem, question.options["B"], question.knowledge) == ("主观资料", "体温", "头痛>乏力")
    assert (question.answer, question.published) == ("AC", "CA")
    assert exam.notices == ("1 questions had markup, which is taken out (ids 1)",)


@pytest.mark.parametrize(
    "piece", ["<", "<td ", "<p a=", "&", "<sup>", "![", "<!--", "</td> ", "A.", "\\n", "\n ", "A\n"]
)
def test_hostile_text_takes_no_time(tmp_path: Path, piece: str) -> None:
    path = write_lines(tmp_path, ROW, {**ROW, "id": "2", "stem": piece * 5_000, "options": piece * 5_000})
    begun = time.process_time()
    read_path(path)
    assert time.process_time() - begun < 2
