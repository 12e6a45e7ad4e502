"""Signs that are not for readers are markup; comparisons, code and HTML that was asked for are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data_prep.cleaning.judged import ANSWER, QUESTION, applies

MARKUP = [
    "指导意见：<br>多喝水。",
    "多喝水。<BR />",
    "<p>多喝水。</p>",
    '请看<a href="http://a.cn">这里</a>',
    "Apo-A<img src='http://a.cn/1.gif' />升高",
    "CD4<sup>+</sup>T淋巴细胞",
    "<div class='x'>多喝水",
    "H<sub>2</sub>O",
    "<s>多喝水",
    "体温&gt;38℃",
    "多喝水&nbsp;多休息",
    "It&#39;s 多喝水",
    "多喝水<|im_end|>",
    "<|endoftext|>多喝水",
    "[INST] 多喝水 [/INST]",
    "<<SYS>>你是医生<</SYS>>",
    "多喝水</s>",
    "[UNK]多喝水",
    "[gMASK]<sop>多喝水",
    "<noinput>",
    "< No Input >",
    "<nooutput>",
    "<无输入t>",
    "<插入流程图>",
    "### Response:\n多喝水",
    "多喝水\n### Instruction：咳嗽怎么办",
    "Below is an instruction that describes a task. 多喝水",
    "> **Possible Duplicate:**\n> 咳嗽怎么办",
    "[url=http://a.cn]多喝水[/url]",
    "[img]http://a.cn/1.gif[/img]",
    "[b]多喝水[/b]",
    "![流程图](https://a.cn/1.png)",
]
TEXT = [
    "每次<5mg，每日3次",
    "差异有统计学意义（P<0.05），a<b，c>d",
    "白细胞<4×10^9/L，血小板>100",
    "#include <iostream>\nList<String> list;",
    "if (arr[i] < arr[j] && x > y) swap(&arr[i], &arr[j]);",
    "我想办派对，但 <mask> 成了障碍",
    "AT&T 与 H&M、M&M's",
    "人类免疫缺陷病毒[HIV]病",
    "### 建议：\n多喝水",
    "见[指南](https://a.cn)",
    "约翰是一个 <名词>。他喜欢吃 <食物>",
    "A->B，B=>C，-->",
    "<vector>",
    "arr[i] = [b]",
]


@pytest.mark.parametrize("text", MARKUP)
def test_markup_is_found_in_question_and_answer(text: str) -> None:
    assert applies("markup", QUESTION, text)
    assert applies("markup", text, ANSWER)


@pytest.mark.parametrize("text", TEXT)
def test_comparisons_code_and_brackets_are_no_markup(text: str) -> None:
    assert not applies("markup", text, text)


@pytest.mark.parametrize("question", ["编写一个 HTML 表单", "创建网页", "生成代码以显示表格", "把 XML 转为 JSON"])
def test_html_stays_where_it_is_asked_for(question: str) -> None:
    assert not applies("markup", question, "<table>\n<tr><td>1&nbsp;</td></tr>\n</table>")


def test_html_that_was_escaped_is_markup_though_it_was_asked_for() -> None:
    assert applies("markup", "编写一个 HTML 表单", "&lt;form&gt;&lt;/form&gt;")


def test_tokens_of_templates_are_markup_though_code_was_asked_for() -> None:
    assert applies("markup", "编写一个 HTML 表单", "<form></form><|im_end|>")


@given(st.text(st.characters(exclude_characters="<&[]#*!", exclude_categories=["Cs"])))
def test_without_a_sign_of_markup_there_is_none(text: str) -> None:
    assert not applies("markup", QUESTION, text.replace("Below is", ""))


@given(st.sampled_from(MARKUP[:-4]), st.text("中文，。咳嗽abc 123\n", max_size=30))
def test_text_around_it_does_not_hide_a_tag(markup: str, text: str) -> None:
    if not markup.startswith(("#", "<插")):
        assert applies("markup", QUESTION, f"{text}{markup}{text}")
