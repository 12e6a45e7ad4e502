"""What the guard finds in rows, and that nothing else decides it."""

import pickle
from itertools import permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.decontamination import Guard, Match
from data_prep.decontamination.evidence import WHOLE
from openbook_eval.exams import load_exam
from openbook_eval.types import Question
from tests.conftest import question
from tests.data_prep.decontamination.exams import EXPLAINED, SHORT, SOUND, exam, rows

GUARD = Guard.of([exam(SOUND, SHORT, EXPLAINED)])
MINI = load_exam("mini")
MINI_GUARD = Guard.of([MINI])
LONG = [each for each in MINI.questions if len(each.stem) >= WHOLE + 8]
# Any text, of which much is Chinese, as strange as it comes.
AROUND = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("患者的是，。（）\n ０ＡⅡ")), max_size=60)


def found(question: str, answer: str = "", guard: Guard = GUARD) -> Match | None:
    matches = guard.check(rows((question, answer)))
    return matches[0] if matches else None


def test_a_match_names_the_item_and_shows_its_text() -> None:
    match = found("叩诊时肺部出现过清音，提示的病理改变是什么？", "肺气肿")
    assert match is not None
    assert (match.place, match.question_id, match.exam) == (0, "sound", "tests")
    assert (match.kind, match.share) == ("stem", 1.0)
    assert match.excerpt == (
        "叩诊时肺部出现过清音，提示的病理改变是( )。"
        " A. 肺组织含气量增加 B. 胸腔内积聚液体 C. 肺叶大片实变 D. 胸膜增厚粘连"
    )


def test_a_row_of_other_text_is_no_match() -> None:
    assert found("叩诊有什么用？", "叩诊可以听出胸腔里有没有积聚液体。") is None


def test_the_answer_counts_as_well_as_the_question() -> None:
    match = found("出一道题", "叩诊时肺部出现过清音，提示的病理改变是？")
    assert match is not None
    assert match.question_id == "sound"


def test_an_item_split_over_question_and_answer_is_found() -> None:
    match = found("叩诊时肺部出现过清音，", "提示的病理改变是肺组织含气量增加。")
    assert match is not None
    assert match.share == 1


def test_a_piece_of_the_explanation_is_the_book_entry() -> None:
    match = found("输错血会怎样？", EXPLAINED.explanation or "")
    assert match is not None
    assert (match.kind, match.question_id, match.share) == ("entry", "explained", 1.0)
    assert match.excerpt.startswith("输入血型不合的红细胞后")


def test_a_short_stem_inside_a_natural_question_is_no_match() -> None:
    assert found("我痰多，请问二陈汤的组成有哪些，能长期喝吗？", "有半夏、橘红、茯苓等。") is None


@pytest.mark.parametrize(
    "options",
    [
        "A.半夏 B.黄芩 C.橘红 D.茯苓",
        "(1)半夏 (2)黄芩 (3)橘红 (4)茯苓",
        "A、茯苓；B、橘红；C、半夏；D、黄芩",
        "半夏，黄芩，橘红，茯苓",
    ],
)
def test_a_short_stem_is_found_together_with_its_options(options: str) -> None:
    match = found(f"考题：二陈汤的组成有（  ）。{options}", "ACD")
    assert match is not None
    assert (match.kind, match.question_id) == ("options", "short")


def test_a_short_stem_is_found_with_options_told_here_and_there() -> None:
    long = {"A": "燥湿化痰的半夏", "B": "清热燥湿的黄芩", "C": "理气的橘红", "D": "渗湿的茯苓"}
    guard = Guard.of([exam(question(id="told", stem="二陈汤的组成有", options=long))])
    asked = "老师上课讲过，二陈汤的组成有好几味，是哪些呢？"
    assert found(asked, "先是燥湿化痰的半夏，再是理气的橘红，还要加渗湿的茯苓。", guard) is not None
    assert found(asked, "先是燥湿化痰的半夏，再是理气的橘红，还要加甘草。", guard) is None


def test_an_exam_question_with_other_options_is_known_by_its_short_stem() -> None:
    guard = Guard.of([exam(question(id="axis", stem="心电轴的正常范围是", options={"A": "甲", "B": "乙"}))])
    assert found("12.心电轴的正常范围是 A.丙 B.丁 C.戊", "A", guard) is not None


def test_pieces_of_an_item_far_apart_are_no_item() -> None:
    pieces = ("叩诊时肺部", "部出现过清音", "提示的病理改变")
    assert found("".join(pieces)) is not None
    assert found(("换个话题聊聊天气吧" * 20).join(pieces)) is None


def test_a_stem_that_is_the_whole_question_needs_no_options() -> None:
    other = question(id="axis", stem="心电轴的正常范围是", options={"A": "甲", "B": "乙"})
    guard = Guard.of([exam(other)])
    assert found("请问心电轴的正常范围是多少？", "见教材", guard) is not None
    assert found("我的报告说电轴左偏，心电轴的正常范围是多少呢，要紧吗？", "不要紧", guard) is None


def test_of_two_items_the_one_is_named_that_the_row_holds_more_of() -> None:
    # By their order explained comes before sound.
    rewritten = (SOUND.stem.replace("病理改变", "病理变化"), EXPLAINED.stem.replace("腰背", "腰部"))
    for text, item in ((rewritten[0] + EXPLAINED.stem, "explained"), (rewritten[1] + SOUND.stem, "sound")):
        match = found(text)
        assert match is not None
        assert match.question_id == item


def test_places_are_those_of_the_frame_in_order() -> None:
    frame = rows(*[("你好", "再见")] * 9_000, (SOUND.stem, ""), ("你好", "再见"), (EXPLAINED.stem, ""))
    assert [match.place for match in GUARD.check(frame)] == [9_000, 9_002]


def test_a_row_is_judged_alike_in_any_company() -> None:
    company = [("问", "答"), (SOUND.stem, "无"), ("Ⅱ度烧伤", "㎎"), ("", ""), (EXPLAINED.stem, "无")]
    for order in permutations(company):
        held = {order[match.place] for match in GUARD.check(rows(*order))}
        assert held == {company[1], company[4]}


def test_rows_without_text_are_no_match() -> None:
    assert GUARD.check(rows(("", ""), ("。", "！"))) == []
    assert GUARD.check(rows()) == []


def test_an_exam_without_questions_finds_nothing() -> None:
    assert Guard.of([]).check(rows((SOUND.stem, ""))) == []
    assert Guard.of([exam()]).check(rows((SOUND.stem, ""))) == []


def test_stock_phrases_and_common_words_are_no_item() -> None:
    phrase = question(id="phrase", stem="下列关于的说法中不正确的是哪一项，最可能的诊断是")
    assert found("下列关于的说法中不正确的是哪一项，最可能的诊断是", "不知道", Guard.of([exam(phrase)])) is None


def test_what_many_questions_have_is_no_item() -> None:
    same = [
        question(id=f"q{n}", stem="人体胃黏膜分泌盐酸的细胞名称及位置", options={"A": f"甲{n}", "B": f"乙{n}"})
        for n in range(9)
    ]
    text = "人体胃黏膜分泌盐酸的细胞名称及位置"
    assert found(text, guard=Guard.of([exam(*same[:8])])) is not None
    assert found(text, guard=Guard.of([exam(*same)])) is None


def test_a_guard_goes_to_another_process_unchanged() -> None:
    frame = rows((SOUND.stem, ""), ("二陈汤的组成有 A.半夏 B.黄芩 C.橘红", ""))
    assert pickle.loads(pickle.dumps(GUARD)).check(frame) == GUARD.check(frame)  # noqa: S301


def test_the_order_of_exams_makes_no_difference() -> None:
    one, two = exam(SOUND, SHORT, name="one"), exam(EXPLAINED, SOUND, name="two")
    frame = rows((SOUND.stem, ""), (EXPLAINED.stem, ""))
    assert Guard.of([one, two]).check(frame) == Guard.of([two, one]).check(frame)
    assert [match.exam for match in Guard.of([two, one]).check(frame)] == ["one", "two"]


@given(st.permutations(MINI.questions[:60]), st.lists(st.sampled_from(MINI.questions[:80]), max_size=5))
def test_the_order_of_questions_makes_no_difference(order: list[Question], held: list[Question]) -> None:
    frame = rows(*[(each.stem, each.explanation or "") for each in held])
    shuffled, straight = Guard.of([exam(*order)]), Guard.of([exam(*MINI.questions[:60])])
    assert shuffled.check(frame) == straight.check(frame)


@given(st.sampled_from(LONG), AROUND, AROUND, st.booleans())
def test_a_long_stem_word_for_word_is_found_whatever_stands_around_it(
    item: Question, before: str, after: str, in_answer: bool
) -> None:
    text = f"{before}\n{item.stem}\n{after}"
    match = found("出一道题", text, MINI_GUARD) if in_answer else found(text, "答", MINI_GUARD)
    assert match is not None
    assert match.share >= 0.6


@given(st.sampled_from(LONG), st.randoms(use_true_random=False))
def test_what_normalisation_takes_away_makes_no_difference(item: Question, random: Random) -> None:
    forms = (lambda sign: f" {sign}", lambda sign: f"{sign}，", lambda sign: f"{sign}\u200b", wide)
    changed = "".join(random.choice(forms)(sign) for sign in item.stem)
    assert MINI_GUARD.check(rows((changed, "答"))) == MINI_GUARD.check(rows((item.stem, "答")))


def wide(sign: str) -> str:
    return chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign.upper()
