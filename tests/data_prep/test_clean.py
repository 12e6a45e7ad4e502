"""Every row is kept, or dropped for the first reason that applies.

All numbers are made up: those of cards are test numbers of their issuers or made to fit the check digit.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.clean import FILTERS, exam_style, judge, repair, repaired
from data_prep.spec import Cleaning, Reason

QUESTION, ANSWER = "感冒以后咳嗽怎么办？", "多喝温水，注意休息，三天不退热请就医。"
ENGLISH = "Drink water and rest for three days."
REASONS = tuple(FILTERS)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
FIRST_17 = "11010519491231002"


def misread(text: str, written: str, read: str) -> str:
    return text.encode(written).decode(read, "replace").replace("\ufffd", "")


SENTENCE = "颈部经常受到震动会引发颈椎病吗？"
# No six characters stand there twice.
PLAIN = (
    "感冒多由病毒引起，常见鼻塞、流涕与咽痛。成人每年可得两到四回，儿童更频。多饮温水并卧床，饮食清淡。体温超过三十八度五"
    "可服对乙酰氨基酚，勿与同类药合用。若持续高烧、胸闷、气促或意识模糊，应立即前往医院，由大夫判断是否合并肺炎。"
)

# Texts that a filter finds in a question and in an answer, and such that it must leave.
FOUND = {
    "empty": ["", " \t\r\n", "\u3000", "\u200b\ufeff", "nan", " NaN\n", "null", "NULL"],
    "markup": [
        "指导意见：<br>多喝水。", "多喝水。<BR />", "<p>多喝水。</p>", '请看<a href="http://a.cn">这里</a>',
        "Apo-A<img src='http://a.cn/1.gif' />升高", "CD4<sup>+</sup>T淋巴细胞", "<div class='x'>多喝水",
        "H<sub>2</sub>O", "<s>多喝水", "体温&gt;38℃", "多喝水&nbsp;多休息", "It&#39;s 多喝水", "多喝水<|im_end|>",
        "<|endoftext|>多喝水", "[INST] 多喝水 [/INST]", "<<SYS>>你是医生<</SYS>>", "多喝水</s>", "[UNK]多喝水",
        "[gMASK]<sop>多喝水", "<noinput>", "< No Input >", "<nooutput>", "<无输入t>", "<插入流程图>",
        "### Response:\n多喝水", "多喝水\n### Instruction：咳嗽怎么办",
        "Below is an instruction that describes a task. 多喝水", "> **Possible Duplicate:**\n> 咳嗽怎么办",
        "[url=http://a.cn]多喝水[/url]", "[img]http://a.cn/1.gif[/img]", "[b]多喝水[/b]",
        "![流程图](https://a.cn/1.png)",
    ],
    "repeated": [
        SENTENCE * 3, f"肝病的方法是什么？{'肝病的最佳治疗方法是什么？' * 3}", "好的，" * 40, "谢谢" * 30,
        "".join(f"{number}. 建议您保持充足的睡眠和良好的心态，避免过度劳累；\n" for number in range(1, 9)),
        "I do not know what to say. " * 6, f"{PLAIN[:40]}{SENTENCE * 8}", f"{SENTENCE * 8}{PLAIN[:40]}",
    ],
    "broken_characters": [
        "口眼\ue81f斜", "\uf06e 多喝水", "\U000f0001", "\U0010fffd", "多喝\ufffd水", "\ufffc图", "\ufffe", "\uffff",
        "\x00", "$\x0crac{1}{2}$", "\x0b", "\x1b[0m", "\x7f", "\x85", "锟斤拷锟斤拷", "烫烫烫烫", "屯屯屯",
        misread("多喝水，多休息。好吗？是的，", "utf-8", "gbk"), misread("多喝水，休息", "utf-8", "latin-1"),
        misread("中文信息", "utf-8", "cp1252"), misread("37°以上，für", "utf-8", "latin-1"),
        misread("“好”", "utf-8", "cp1252"), misread("多喝温水", "gbk", "latin-1"),
    ],
    "personal": [
        "请打13912345678", "电话：+86 139 1234 5678。", "手机8613912345678", "139-1234-5678", "微信同号13912345678，",
        "身份证11010519491231002X", "身份证11010519491231002x", "440524188001010014", "卡号6222020200112233446",
        "4111 1111 1111 1111", "5500-0000-0000-0004", "378282246310005", "写信给zhang.san@163.com咨询",
        "mail: a_b+c@mail.edu.cn", "QQ：123456789", "加qq群 12345678", "扣扣号是12345678", "微信：zhang123",
        "微信号zhangsan", "加微信号：zhang_san", "VX:abc-12345", "WeChat ID: zhangsan",
        "我叫窦磊，咳嗽三天", "大夫您好，我的名字叫王小丽。", "我叫张伟", "我叫李娜 今年30岁",
    ],
    "advertising": [
        "详询400-032-2310", "800-8203-456。", "建议您拨打咨询电话：4000322310进行询问", "热线 400 6789 123",
        "可以点击在线咨询！", "请点击左侧【咨询图标】", "点击这里预约", "欢迎来我院就诊", "欢迎您莅临本门诊",
        "您可以拨打我们医院的咨询热线", "请拨打本院24小时电话",
    ],
}  # fmt: skip
LEFT = {
    "empty": ["无", "？", "A", "0", "nano", "null 是空值", "None", "❤️"],
    "markup": [
        "每次<5mg，每日3次", "差异有统计学意义（P<0.05），a<b，c>d", "白细胞<4×10^9/L，血小板>100",
        "#include <iostream>\nList<String> list;", "if (arr[i] < arr[j] && x > y) swap(&arr[i], &arr[j]);",
        "我想办派对，但 <mask> 成了障碍", "AT&T 与 H&M、M&M's", "人类免疫缺陷病毒[HIV]病", "### 建议：\n多喝水",
        "见[指南](https://a.cn)", "约翰是一个 <名词>。他喜欢吃 <食物>", "A->B，B=>C，-->", "<vector>", "arr[i] = [b]",
    ],
    "repeated": [
        PLAIN, SENTENCE * 2, f"{SENTENCE}\n{SENTENCE}{PLAIN[:30]}", "哈哈哈哈哈哈哈哈哈哈", "ha" * 20,
        f"{'-' * 200}\n{PLAIN[:20]}\n{'=' * 200}", f"{PLAIN}{' ' * 500}{'。' * 500}",
        "A：3cm×2cm\nB：4cm×2cm\nC：5cm×2cm\nD：6cm×2cm\nE：7cm×2cm",
        "".join(f"第{number}胸椎棘突下旁开1.5寸\n" for number in "3569"),
        "int a[] = {0, 0, 0, 0, 1, 1, 1, 1};\nfor (int i = 0; i < 8; i++) { if (a[i] == 1) n++; }",
    ],
    "broken_characters": [
        "一行\n二行\r\n\t三行", "Déjà vu、Müller、São Paulo、Ångström、naïve、Ærø", "dào qiàn、xiè zuì", "×÷±°",
        "37.5°，±0.2，3×2，½，µg，§3，«好»", "😍💪🏽👨‍👩‍👧 ❤️", "α-干扰素、β受体、Ⅲ期、①②③、㎎、½",
        "𠮷野家、㖞斜、䗪虫", "商\u200b品", "\ufeff多喝水", "锛是化学元素吗", "全角ＡＢＣ，！？",
        "Приём、γιατρός、ありがとう、감사",
    ],
    "personal": [
        "国药准字H20013456，国药准字Z20026789", "国药准字B13912345678", "批号 20210705123，2021-07-05 12:30",
        "拨打120、110、12320 或 400-032-2310、4000322310", "010-12345678", "每次0.25g，每日3次，共1500000000单位",
        "白细胞 13.912345678×10^9/L，0.13912345678", "ICD-10 编码 J18.900x001",
        "圆周率 3.14159265358979，50.07692307692308", "2的34次方是17179869184个", "最多 15000000000。",
        "QQ 100000人在线", "收入 15000000000 元，13912345678元", "二进制 11000000111001，0010111000000000",
        "12707、139123456789、1391234567", "https://a.cn/photo-1574643147860-3bb18d6fe2f0?id=13912345678",
        "11010519491231002Y，110105194912310020，110105194913310021", "4111 1111 1111 1112", "1234 5678 9012 3456",
        "name@example.com、a@mail.example.org", "@keyframes x, S@mple, 用户@张三, a @ b", "QQ、微信的文件传输助手",
        "QQ2013 版，QQ 用户 100000人", "微信公众号“健康”，微信：WeChat，微信支付 123456", "加VC促进吸收，加V后",
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14", "我叫什么名字？", "我叫救护车，王医生来了", "我叫张三。",
        "我叫林志愿者帮忙", "我叫王医生开了药", "他叫我王姐，", "我叫小明。", "我叫任何人，都不应。",
    ],
    "advertising": [
        "拨打120", "可拨打当地的疫情咨询热线或12320", "每日400毫升至500毫升", "400-500ml", "200-400-800mg",
        "点击“保存”按钮", "欢迎来到北京", "拨打电话", "400-032-23100", "400.032.2310", "1400-032-2310",
        "4000322310", "点击图标，然后咨询医生",
    ],
}  # fmt: skip
NOT_CHINESE = [
    ("What helps against a cough?", ENGLISH),
    ("What does 感冒 mean?", ENGLISH),
    ("頭が痛いです", "やすんでください、みずをのんでください"),
    ("감기에 걸렸어요", "물을 많이 드세요"),
    ("糖尿病患者の血圧管理目標値は？", "診察室血圧130/80mmHg未満を目標とする。"),
    ("高血圧症に対する薬物療法", "カルシウム拮抗薬、利尿薬などが用いられる。"),
    ("高血壓患者의 治療目標", "혈압을 낮춘다"),
    ("Что помогает от кашля?", "Пейте воду."),
]
CHINESE = [
    ("编写一个将罗马数字转换为整数的函数。", "def convert(roman):\n    return sum(VALUES[sign] for sign in roman)"),
    ("用主动语态改写这句话：The data was analyzed by the team", "The team analyzed the data."),
    ("6 + 3 = ?", "6 + 3 = 9."),
    ("感冒，咳嗽？", "对症。VitC"),
    ("感冒咳嗽发热頭痛", "多喝水。"),
    ("What is 感冒?", ANSWER),
    ("请把“ありがとうございます”翻译成中文", "非常感谢。"),
    ("“谢谢”用日语怎么说", "ありがとうございます。"),
    ("鲜の每日是什么牌子的牛奶", "是光明的。"),
]
# One after another, each row has the fault of its reason and of those that follow.
FAULTY = {
    "empty": ("", "<br>\ufffd"),
    "too_short": ("?", "<br>\ufffd"),
    "too_long": ("who?", "<br>\ufffd a@b.cn, " * 400),
    "not_chinese": ("who?", "<br>\ufffd a@b.cn, " * 9),
    "markup": (QUESTION, "<br>\ufffd a@b.cn" + "真的会好起来的。" * 9),
    "repeated": (QUESTION, "\ufffd a@b.cn" + "真的会好起来的。" * 9),
    "broken_characters": (QUESTION, "请写信给\ufffd a@b.cn"),
    "personal": (QUESTION, "请写信给 a@b.cn，点击咨询"),
    "advertising": (QUESTION, "请点击咨询"),
}


def rows(*texts: tuple[str | None, str | None]) -> pl.DataFrame:
    return pl.DataFrame(texts, schema={"question": pl.String, "answer": pl.String}, orient="row")


def dropped(reason: str, *texts: tuple[str, str], **settings: Any) -> list[bool]:
    """Whether one filter alone would drop each row."""
    found: list[bool] = rows(*texts).select(FILTERS[reason](Cleaning(**settings)).alias("x"))["x"].to_list()
    return found


def reasons(frame: pl.DataFrame, **settings: Any) -> list[str | None]:
    found: list[str | None] = judge(frame, Cleaning(**settings))["reason"].to_list()
    return found


def drops(reason: str, question: str = QUESTION, answer: str = ANSWER, **settings: Any) -> bool:
    (found,) = dropped(reason, (question, answer), **settings)
    return found


@pytest.mark.parametrize("reason", FOUND)
def test_a_filter_finds_its_texts_in_question_and_answer(reason: str) -> None:
    for pair in ([(text, ANSWER) for text in FOUND[reason]], [(QUESTION, text) for text in FOUND[reason]]):
        assert [texts for texts, gone in zip(pair, dropped(reason, *pair), strict=True) if not gone] == []


@pytest.mark.parametrize("reason", LEFT)
def test_a_filter_leaves_other_texts(reason: str) -> None:
    texts = LEFT[reason]
    found = dropped(reason, *((text, text) for text in texts))
    assert [text for text, gone in zip(texts, found, strict=True) if gone] == []


def test_the_first_reason_that_applies_is_reported_at_the_place_of_its_row() -> None:
    assert tuple(FILTERS) == get_args(Reason) == tuple(FAULTY)
    frame = rows((QUESTION, ANSWER), *FAULTY.values(), (QUESTION, None), (None, ANSWER), (QUESTION, ANSWER))
    assert reasons(frame) == [None, *REASONS, "empty", "empty", None]


@pytest.mark.parametrize("kept", REASONS[2:])
def test_a_reason_that_is_kept_makes_room_for_the_next(kept: str) -> None:
    following = (*REASONS[REASONS.index(kept) + 1 :], None)[0]
    assert reasons(rows(FAULTY[kept]), keep=[kept]) == [following]


def test_no_rows_have_no_reasons_and_all_reasons_can_be_kept() -> None:
    assert judge(rows(), Cleaning()).schema == {"tokens": pl.UInt32, "reason": pl.String}
    assert reasons(rows(*FAULTY.values()), keep=list(REASONS)) == [None] * len(FAULTY)


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=5), st.permutations(range(5)))
def test_any_texts_are_judged_and_none_by_other_rows(texts: list[tuple[str, str]], order: list[int]) -> None:
    shuffled = [texts[place] for place in order if place < len(texts)]
    alone = [reasons(rows(pair))[0] for pair in shuffled]
    assert reasons(rows(*shuffled)) == alone
    assert set(alone) <= {None, *REASONS}


def test_real_rows_are_dropped_for_the_reasons_that_were_read_by_eye(real_exams: Path) -> None:
    items = orjson.loads((real_exams.parent / "general" / "alpaca_zh_demo.json").read_bytes())
    texts = [("\n".join(filter(None, (item["instruction"], item["input"]))), item["output"]) for item in items]
    assert Counter(reasons(rows(*texts))) == {None: 998, "not_chinese": 2}


# --- Bounds


@pytest.mark.parametrize(
    ("reason", "question", "answer", "settings", "gone"),
    [
        ("too_short", "  头痛  ", ANSWER, {"min_question": 3}, True),
        ("too_short", "  头痛吗  ", ANSWER, {"min_question": 3}, False),
        ("too_short", QUESTION, "是\n\n", {"min_answer": 2}, True),
        ("too_short", "头痛", "休息三天", {"min_question": 2, "min_answer": 4}, False),
        ("too_short", "休息三天", "头痛", {"min_question": 2, "min_answer": 4}, True),
        # Line breaks have the most tokens a character.
        ("too_long", "\n" * 10, "\n" * 10, {"max_tokens": 43}, True),
        ("too_long", "\n" * 10, "\n" * 10, {"max_tokens": 44}, False),
        # Three of ten letters are Han; digits and signs are no letters.
        ("not_chinese", "感冒 12345, abcd", "药 (abc) ???", {"min_chinese": 0.3}, False),
        ("not_chinese", "感冒 12345, abcd", "药 (abcd) ???", {"min_chinese": 0.3}, True),
        ("not_chinese", "What helps?", ENGLISH, {"min_chinese": 0.0}, False),
        ("not_chinese", f"感冒吗 {ENGLISH}", ENGLISH, {}, True),
        ("not_chinese", f"感冒怎么 {ENGLISH}", ENGLISH, {}, False),
        ("markup", "编写一个 HTML 表单", "&lt;form&gt;&lt;/form&gt;", {}, True),
        ("markup", "编写一个 HTML 表单", "<form></form><|im_end|>", {}, True),
        ("repeated", QUESTION, SENTENCE * 5 + PLAIN[:30], {}, True),
        ("repeated", QUESTION, SENTENCE * 5 + PLAIN[:40], {}, False),
    ],
)
def test_a_bound_is_where_it_is_said_to_be(
    reason: str, question: str, answer: str, settings: dict[str, Any], gone: bool
) -> None:
    assert drops(reason, question, answer, **settings) == gone


def test_other_languages_are_dropped_and_what_is_asked_in_chinese_stays() -> None:
    assert dropped("not_chinese", *NOT_CHINESE) == [True] * len(NOT_CHINESE)
    assert dropped("not_chinese", *CHINESE) == [False] * len(CHINESE)


@pytest.mark.parametrize("question", ["编写一个 HTML 表单", "创建网页", "生成代码以显示表格", "把 XML 转为 JSON"])
def test_html_stays_where_it_is_asked_for(question: str) -> None:
    assert not drops("markup", question, "<table>\n<tr><td>1&nbsp;</td></tr>\n</table>")


@pytest.mark.parametrize("answer", ["<!DOCTYPE html>\n<p>你好</p>", "如下：\n```\n<p>你好</p>\n```"])
def test_html_stays_in_code_of_an_answer(answer: str) -> None:
    assert not drops("markup", "给我看一个例子，谢谢", answer)


# --- Repair


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("血清胆红素&gt;17.1μmol/L", "血清胆红素>17.1μmol/L"),
        ("指导意见：<br>多喝水。<BR />多休息&nbsp;", "指导意见：\n多喝水。\n多休息"),
        ("找最大的国家。\n&lt;无输入&gt;", "找最大的国家。"),
        ('讲一个故事。\n"<noinput>"', "讲一个故事。"),
        ("A&amp;gt;B，P&#39;波", "A>B，P'波"),
        ("&copy=1，AT&T，a<b", "&copy=1，AT&T，a<b"),
    ],
)
def test_what_stands_for_a_character_or_for_nothing_is_replaced(text: str, mended: str) -> None:
    turns = [{"role": "user", "content": f'{text}"'}, {"role": "assistant", "content": "好。"}]
    frame = rows((text, ANSWER), (QUESTION, text)).with_columns(turns=pl.Series([None, json.dumps(turns)]))
    found = repair(frame)
    assert (found["question"][0], found["answer"][0], found["turns"][0]) == (mended, ANSWER, None)
    assert (found["question"][1], found["answer"][1]) == (QUESTION, mended)
    assert found["repaired"].to_list() == [mended != text] * 2
    said = repaired(f'{text}"') if mended != text else f'{text}"'
    assert json.loads(found["turns"][1]) == [{**turns[0], "content": said}, turns[1]]


def test_html_that_is_asked_for_is_not_repaired() -> None:
    frame = rows(("编写网页", "<table><td>1&nbsp;<br></td></table>")).with_columns(turns=pl.lit(None, pl.String))
    assert repair(frame).equals(frame.with_columns(repaired=pl.lit(value=False)))


@given(st.text("咳嗽发热怎么办abc，。", min_size=20, max_size=40), st.integers(4, 50))
def test_any_text_said_four_times_or_more_is_a_loop(text: str, times: int) -> None:
    text = f"头{text}尾" * times
    assert drops("repeated", QUESTION, text) == (len("".join(filter(str.isalnum, text)).encode()) >= 48)


# --- Broken characters and persons


@given(TEXTS, st.sampled_from("\ufffd\ue000\x00\x9f"))
def test_nothing_hides_a_broken_character(text: str, broken: str) -> None:
    assert drops("broken_characters", QUESTION, f"{text}{broken}{text}")


def test_one_check_digit_fits_an_identity_number_or_a_card() -> None:
    assert [digit for digit in "0123456789X" if drops("personal", QUESTION, FIRST_17 + digit)] == ["X"]
    assert [digit for digit in "0123456789" if drops("personal", QUESTION, "411111111111111" + digit)] == ["1"]


@given(st.text("咳嗽，。：（）", max_size=9), st.sampled_from(FOUND["personal"]))
def test_chinese_around_it_hides_no_person(around: str, personal: str) -> None:
    assert drops("personal", QUESTION, f"{around}\n{personal}\n{around}")


@pytest.mark.parametrize(
    ("question", "answer", "style"),
    [
        *(("脉率？", answer, True) for answer in ("B", "ABD", "答案：C", "答案：A、C。", "选（D）", "正确答案是 B")),
        *(("脉率？", answer, False) for answer in ("B超", "维生素A", "I", "答案：心", "A型血", "Abc")),
        ("脉率？\nA. 60\nB. 70\nC. 80", "70", True),
        ("脉率？A.60B.70C.80", "每分钟70次。", True),
        ("选择：\n(A) 熊 (B) 马 (C) 狐狸", "马。", True),
        ("缺维生素A、B、C怎么办？", "补充。", False),
        ("A. 甲\nB. 乙", "甲。", False),
    ],
)
def test_rows_like_exam_questions_are_known_by_letters_or_options(question: str, answer: str, style: bool) -> None:
    assert pl.DataFrame({"question": [question], "answer": [answer]}).select(exam_style()).item() == style
