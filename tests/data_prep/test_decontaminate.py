"""Rows that hold an exam item: rules on labelled rows, what the index finds, and that nothing else decides it."""

from collections import Counter
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from random import Random

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep import decontaminate
from data_prep.decontaminate import WHOLE, ExamIndex, Match
from data_prep.dedup import plain
from data_prep.exam_items import items
from openbook_eval.exams import ExamFile, load_exam, read_path
from openbook_eval.types import Question
from tests.conftest import question

SOUND = question(
    id="sound",
    stem="叩诊时肺部出现过清音，提示的病理改变是( )。",
    options={"A": "肺组织含气量增加", "B": "胸腔内积聚液体", "C": "肺叶大片实变", "D": "胸膜增厚粘连"},
    answer="A",
)
SHORT = question(
    id="short",
    stem="二陈汤的组成有",
    options={"A": "半夏", "B": "黄芩", "C": "橘红", "D": "茯苓"},
    answer="ACD",
    qtype="multi",
)
EXPLAINED = question(
    id="explained",
    stem="输血后数分钟出现腰背剧痛和酱油色尿，应立即",
    options={"A": "停止输血", "B": "减慢滴速"},
    answer="A",
    explanation=(
        "输入血型不合的红细胞后，受血者血浆中的凝集素使其成团并破裂，游离的血红蛋白经肾小管滤出而呈酱油样。"
        "护士发现后须先关闭输液器，更换管道维持静脉通路，同时留取血袋与标本送检，碱化尿液以防结晶堵塞。"
    ),
)


def exam(*questions: Question, name: str = "tests") -> ExamFile:
    return ExamFile(name=name, version="1", sha256="", questions=questions)


def rows(*pairs: Sequence[str]) -> pl.DataFrame:
    schema = {"question": pl.String, "answer": pl.String}
    frame = pl.DataFrame([tuple(pair) for pair in pairs], schema=schema, orient="row")
    return frame.select("question", plain_question=plain(pl.col("question")), plain_answer=plain(pl.col("answer")))


INDEX = ExamIndex.of([exam(SOUND, SHORT, EXPLAINED)])
MINI = load_exam("mini")
MINI_INDEX = ExamIndex.of([MINI])
LONG = [each for each in MINI.questions if len(each.stem) >= WHOLE + 8]


def found(question: str, answer: str = "", index: ExamIndex = INDEX) -> Match | None:
    return index.check(rows((question, answer))).get(0)


# Rows that were labelled by hand; thresholds were chosen on them and on published data.

LABELLED = [orjson.loads(line) for line in (Path(__file__).parent / "labelled.jsonl").read_bytes().splitlines()]
# A question beside one of the exam, with the same options.
WRONG = {"甲状腺癌中预后最差的病理类型是 A.乳头状癌 B.滤泡状癌 C.髓样癌 D.未分化癌"}


def test_labelled_rows_are_told_apart_as_stems_options_and_entries() -> None:
    assert Counter(row["item"] is not None for row in LABELLED) == {True: 75, False: 110}
    matches = MINI_INDEX.check(rows(*[(row["question"], row["answer"]) for row in LABELLED]))
    holding = {place for place, row in enumerate(LABELLED) if row["item"]}
    assert holding <= set(matches)
    assert {LABELLED[place]["question"] for place in set(matches) - holding} == WRONG
    both = holding & set(matches)
    assert {place: matches[place].id for place in both} == {place: LABELLED[place]["item"] for place in both}
    assert Counter(match.kind for match in matches.values()) == {"stem": 60, "options": 9, "entry": 7}
    assert sum(match.share for match in matches.values()) == pytest.approx(69.252, abs=1e-4)


# The rules.


def test_a_match_names_the_item_and_shows_its_text() -> None:
    match = found("叩诊时肺部出现过清音，提示的病理改变是什么？", "肺气肿")
    options = "A. 肺组织含气量增加 B. 胸腔内积聚液体 C. 肺叶大片实变 D. 胸膜增厚粘连"
    assert match == Match(exam="tests", id="sound", kind="stem", share=1.0, text=f"{SOUND.stem} {options}")


@pytest.mark.parametrize(
    ("question", "answer", "item"),
    [
        ("叩诊有什么用？", "叩诊可以听出胸腔里有没有积聚液体。", None),
        ("出一道题", "叩诊时肺部出现过清音，提示的病理改变是？", ("sound", "stem", 1.0)),
        ("叩诊时肺部出现过清音，", "提示的病理改变是肺组织含气量增加。", ("sound", "stem", 1.0)),
        ("输错血会怎样？", EXPLAINED.explanation, ("explained", "entry", 1.0)),
        # A short stem inside a natural question, and together with its options in several forms.
        ("我痰多，请问二陈汤的组成有哪些，能长期喝吗？", "有半夏、橘红、茯苓等。", None),
        *(
            (f"考题：二陈汤的组成有（  ）。{options}", "ACD", ("short", "options", 1.0))
            for options in ("A.半夏 B.黄芩 C.橘红 D.茯苓", "(1)半夏 (2)黄芩 (3)橘红 (4)茯苓",
                            "A、茯苓；B、橘红；C、半夏；D、黄芩", "半夏，黄芩，橘红，茯苓")
        ),
        # Pieces of an item close together, and far apart.
        ("叩诊时肺部部出现过清音提示的病理改变", "", ("sound", "stem", 0.875)),
        (("换个话题聊聊天气吧" * 20).join(("叩诊时肺部", "部出现过清音", "提示的病理改变")), "", None),
        # Of two items that which the row holds more of; by their order explained comes before sound.
        (SOUND.stem.replace("病理改变", "病理变化") + EXPLAINED.stem, "", ("explained", "stem", 1.0)),
        (EXPLAINED.stem.replace("腰背", "腰部") + SOUND.stem, "", ("sound", "stem", 1.0)),
    ],
)  # fmt: skip
def test_which_item_a_row_holds(question: str, answer: str, item: tuple[str, str, float] | None) -> None:
    match = found(question, answer)
    assert (match and (match.id, match.kind, match.share)) == item


def test_a_short_stem_is_found_with_options_here_and_there() -> None:
    long = {"A": "燥湿化痰的半夏", "B": "清热燥湿的黄芩", "C": "理气的橘红", "D": "渗湿的茯苓"}
    index = ExamIndex.of([exam(question(id="told", stem="二陈汤的组成有", options=long))])
    asked = "老师上课讲过，二陈汤的组成有好几味，是哪些呢？"
    assert found(asked, "先是燥湿化痰的半夏，再是理气的橘红，还要加渗湿的茯苓。", index) is not None
    assert found(asked, "先是燥湿化痰的半夏，再是理气的橘红，还要加甘草。", index) is None


def test_a_short_stem_that_is_the_whole_question_needs_no_options() -> None:
    index = ExamIndex.of([exam(question(id="axis", stem="心电轴的正常范围是", options={"A": "甲", "B": "乙"}))])
    assert found("请问心电轴的正常范围是多少？", "见教材", index) is not None
    assert found("12.心电轴的正常范围是 A.丙 B.丁 C.戊", "A", index) is not None
    assert found("我的报告说电轴左偏，心电轴的正常范围是多少呢，要紧吗？", "不要紧", index) is None


def test_stock_phrases_and_what_many_questions_have_are_no_item() -> None:
    stock = "下列关于的说法中不正确的是哪一项，最可能的诊断是"
    index = ExamIndex.of([exam(question(id="phrase", stem=stock))])
    assert found(f"{stock}呢，我想问问", "不知道", index) is None
    # As the whole question it is the item.
    assert found(stock, "不知道", index) is not None
    text = "人体胃黏膜分泌盐酸的细胞名称及位置"
    same = [question(id=f"q{n}", stem=text, options={"A": f"甲{n}", "B": f"乙{n}"}) for n in range(9)]
    assert found(text, index=ExamIndex.of([exam(*same[:8])])) is not None
    assert found(f"请说说{text}", index=ExamIndex.of([exam(*same)])) is None


CASE = "我母亲六十五岁，上周开始咳嗽，夜里咳得厉害，吃了两天药也不见好。"


@pytest.mark.parametrize(
    ("stem", "asked", "there"),
    [
        ("全酶是指", f"{CASE}全酶是指", True),
        ("1.宜后下的饮片是( )。", f"{CASE}\n12．宜后下的飲片是：", True),
        ("全酶是指", f"{CASE}什么全酶是指", False),
        ("二陈汤的组成有", f"{CASE}二陈汤的组成有哪些？", False),
        ("最可能的诊断是", f"{CASE}最可能的诊断是？", False),
    ],
)
def test_a_stem_is_found_as_the_last_sentence_of_a_longer_question(stem: str, asked: str, there: bool) -> None:
    index = ExamIndex.of([exam(question(id="one", stem=stem, options={"A": "甲", "B": "乙"}))])
    assert (found(asked, "请就医。", index) is not None) == there


def test_a_further_exam_takes_no_match_away() -> None:
    asked = question(id="one", stem="“假神”患者可能出现的症状是？", options={"A": "突然能食。", "B": "乏力"})
    others = [question(id=f"q{n}", stem=f"假神患者可能出现的症状是第{n}种") for n in range(50)]
    indices = [ExamIndex.of([exam(asked)]), ExamIndex.of([exam(asked), exam(*others, name="a"), exam(asked, name="b")])]
    for text in (asked.stem, f"{CASE}{asked.stem}", f"考题：{asked.stem}A.突然能食 B.乏力"):
        assert [found(text, "突然能食。", index) is not None for index in indices] == [True, True]


@given(st.lists(st.sampled_from(MINI.questions), min_size=1, max_size=4), st.data())
def test_adding_exams_never_loses_a_match(held: list[Question], data: st.DataObject) -> None:
    exams = [exam(*held, name="m")]
    for name in "az":
        drawn = data.draw(st.lists(st.sampled_from([*held, *MINI.questions]), max_size=30))
        # Some say what the first exam says nine times more: common there, and not here.
        copies = [question(id=f"{n}", stem=f"{n}{each.stem}") for each in drawn[:2] for n in range(9)]
        exams.append(exam(*drawn, *copies, name=name))
    asked = [(each.stem, each.right_texts[0]) for each in held]
    frame = rows(*asked, *[(f"{CASE}{stem}", answer) for stem, answer in asked])
    assert set(ExamIndex.of(exams[:1]).check(frame)) <= set(ExamIndex.of(exams).check(frame))


REWORDED = question(
    id="reworded",
    stem="实热证患者可见",
    options={"A": "口唇深红", "B": "口唇淡白", "C": "口唇青紫", "D": "口唇干裂"},
    answer="A",
)


@pytest.mark.parametrize(
    ("asked", "answer", "kind"),
    [
        # The right answer and no more, beside a stem half of which is left.
        ("13-实热证病人能见到", "答案：口唇深红。", "stem"),
        ("想请教各位老师，临床上的实热证患者可见什么样的情况呢，考试常考吗？", "口唇深红", "stem"),
        ("头痛怎么办", "口唇深红", None),
        ("实热证病人能见到", "舌红", None),
        # The whole row is the question with its options in other words.
        (
            "叩诊时双肺为过清音，表明的病变为A.肺组织含气量增多 B.胸腔内积聚液体 C.肺叶大片实变 D.胸膜增厚粘连",
            "A",
            "options",
        ),
        ("请讲一条医学知识。", "实热证患者可见口唇深红。", "entry"),
    ],
)
def test_a_reworded_short_stem_is_found_with_its_answer_or_options(asked: str, answer: str, kind: str | None) -> None:
    match = found(asked, answer, ExamIndex.of([exam(REWORDED, SOUND)]))
    assert (match and match.kind) == kind


# Nothing else decides.


def test_places_are_those_of_the_frame_whatever_stands_around() -> None:
    frame = rows(*[("你好", "再见")] * 9_000, (SOUND.stem, ""), ("你好", "再见"), (EXPLAINED.stem, ""))
    assert list(INDEX.check(frame)) == [9_000, 9_002]
    company = [("问", "答"), (SOUND.stem, "无"), ("Ⅱ度烧伤", "㎎"), ("", ""), (EXPLAINED.stem, "无")]
    for order in permutations(company):
        assert {order[place] for place in INDEX.check(rows(*order))} == {company[1], company[4]}


def test_no_rows_empty_rows_and_exams_without_questions_are_no_match() -> None:
    assert INDEX.check(rows(("", ""), ("。", "！"))) == INDEX.check(rows()) == {}
    assert ExamIndex.of([]).check(rows((SOUND.stem, ""))) == ExamIndex.of([exam()]).check(rows((SOUND.stem, ""))) == {}


def test_the_order_of_exams_makes_no_difference() -> None:
    one, two = exam(SOUND, SHORT, name="one"), exam(EXPLAINED, SOUND, name="two")
    found = [
        ExamIndex.of(exams).check(rows((SOUND.stem, ""), (EXPLAINED.stem, ""))) for exams in permutations([one, two])
    ]
    assert found[0] == found[1]
    assert [match.exam for match in found[0].values()] == ["one", "two"]


@given(st.permutations(MINI.questions[:60]), st.lists(st.sampled_from(MINI.questions[:80]), max_size=5))
def test_the_order_of_questions_makes_no_difference(order: list[Question], held: list[Question]) -> None:
    frame = rows(*[(each.stem, each.explanation or "") for each in held])
    shuffled, straight = ExamIndex.of([exam(*order)]), ExamIndex.of([exam(*MINI.questions[:60])])
    assert shuffled.check(frame) == straight.check(frame)


# Any text, of which much is Chinese, as strange as it comes.
AROUND = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("患者的是，。（）\n ０ＡⅡ")), max_size=60)


@given(st.sampled_from(LONG), AROUND, AROUND, st.booleans())
def test_a_long_stem_word_for_word_is_found_whatever_stands_around_it(
    item: Question, before: str, after: str, in_answer: bool
) -> None:
    text = f"{before}\n{item.stem}\n{after}"
    match = found("出一道题", text, MINI_INDEX) if in_answer else found(text, "答", MINI_INDEX)
    assert match is not None
    assert match.share >= 0.6


@given(st.sampled_from(LONG), st.randoms(use_true_random=False))
def test_what_the_plain_form_takes_away_makes_no_difference(item: Question, random: Random) -> None:
    forms = (lambda sign: f" {sign}", lambda sign: f"{sign}，", lambda sign: f"{sign}\u200b", wide)
    changed = "".join(random.choice(forms)(sign) for sign in item.stem)
    assert MINI_INDEX.check(rows((changed, "答"))) == MINI_INDEX.check(rows((item.stem, "答")))


def wide(sign: str) -> str:
    return chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign.upper()


# What of an exam is looked for, and how.


@pytest.mark.parametrize(
    ("stem", "text"),
    [
        ("12．舌诊的要点", "舌诊的要点"),
        ("（3）舌诊的要点", "舌诊的要点"),
        ("1-舌诊的要点", "舌诊的要点"),
        ("1.5mg的剂量", "15mg的剂量"),
        ("30岁女性", "30岁女性"),
    ],
)
def test_the_number_of_a_question_is_not_its_text(stem: str, text: str) -> None:
    asked, _ = items(exam(question(stem=stem)))
    assert asked[0].text == text


def test_passages_are_entry_and_explanation_or_the_statement() -> None:
    _, passages = items(exam(question(knowledge="知识若干。", explanation="解释若干。")))
    assert [passage.shown for passage in passages] == ["知识若干。", "解释若干。"]
    _, passages = items(exam(question(stem="脉率是( )。", options={"A": "快", "B": "慢"}, answer="B")))
    assert [passage.text for passage in passages] == ["脉率是慢"]


@given(st.text("甲乙丙丁戊己", max_size=40), st.integers(0, 3), st.integers(1, 9))
def test_a_stem_is_found_wherever_blocks_of_the_index_end(text: str, before: int, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decontaminate, "_BLOCK", block)
        assert list(INDEX.check(rows((text, "子" * before + SOUND.stem + text)))) == [0]


# Published exams and data, where this machine has them.


@pytest.fixture(scope="module")
def published(real_exams: Path) -> ExamIndex:
    return ExamIndex.of([read_path(real_exams / "apollo_test_zh.json"), read_path(real_exams / "cmexam_val.xlsx")])


def read(file: Path, keys: tuple[str, str]) -> pl.DataFrame:
    if not file.is_file():
        pytest.skip(f"{file.name} is not on this machine")
    data = file.read_bytes()
    found = orjson.loads(data) if data.lstrip().startswith(b"[") else [orjson.loads(line) for line in data.splitlines()]
    return rows(*[[str(row[key]) for key in keys] for row in found])


@pytest.mark.parametrize("name", ["general/alpaca_zh_demo.json", "western/huatuo_llama_data.json"])
def test_published_questions_and_answers_hold_no_exam_item(published: ExamIndex, real_exams: Path, name: str) -> None:
    assert published.check(read(real_exams.parent / name, ("instruction", "output"))) == {}


def test_training_data_made_of_exams_holds_items(published: ExamIndex, real_exams: Path) -> None:
    matches = published.check(read(real_exams.parent / "tcm" / "TCM-ED-B.jsonl", ("question", "options")))
    assert 150 <= len(matches) <= 250
    assert {match.kind for match in matches.values()} == {"stem", "options", "entry"}


def test_every_question_of_an_exam_is_found_with_its_options(published: ExamIndex, real_exams: Path) -> None:
    questions = read_path(real_exams / "apollo_test_zh.json").questions
    pairs = [(q.stem, "\n".join(f"{letter}. {text}" for letter, text in q.options.items())) for q in questions]
    assert len(published.check(rows(*pairs))) == len(questions) == 8_755
