"""A text that says one thing over and over is dropped; one that says it twice, or looks like a list, stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data_prep.cleaning.judged import ANSWER, QUESTION, applies

SENTENCE = "颈部经常受到震动会引发颈椎病吗？"
# No six characters stand there twice.
PLAIN = (
    "感冒多由病毒引起，常见鼻塞、流涕与咽痛。成人每年可得两到四回，儿童更频。多饮温水并卧床，饮食清淡。体温超过三十八度五"
    "可服对乙酰氨基酚，勿与同类药合用。若持续高烧、胸闷、气促或意识模糊，应立即前往医院，由大夫判断是否合并肺炎。"
)


@pytest.mark.parametrize(
    "text",
    [
        SENTENCE * 3,
        f"肝病的方法是什么？{'肝病的最佳治疗方法是什么？' * 3}",
        "好的，" * 40,
        "谢谢" * 30,
        "".join(f"{number}. 建议您保持充足的睡眠和良好的心态，避免过度劳累；\n" for number in range(1, 9)),
        "I do not know what to say. " * 6,
        f"{PLAIN[:40]}{SENTENCE * 8}",
        f"{SENTENCE * 8}{PLAIN[:40]}",
    ],
)
def test_a_loop_is_found_in_question_and_answer(text: str) -> None:
    assert applies("repeated", QUESTION, text)
    assert applies("repeated", text, ANSWER)


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        SENTENCE * 2,
        f"{SENTENCE}\n{SENTENCE}{PLAIN[:30]}",
        "哈哈哈哈哈哈哈哈哈哈",
        "ha" * 20,
        f"{'-' * 200}\n{PLAIN[:20]}\n{'=' * 200}",
        f"{PLAIN}{' ' * 500}{'。' * 500}",
        "A：3cm×2cm\nB：4cm×2cm\nC：5cm×2cm\nD：6cm×2cm\nE：7cm×2cm",
        "".join(f"第{number}胸椎棘突下旁开1.5寸\n" for number in "3569"),
        "int a[] = {0, 0, 0, 0, 1, 1, 1, 1};\nfor (int i = 0; i < 8; i++) { if (a[i] == 1) n++; }",
    ],
)
def test_what_is_said_twice_and_what_is_a_list_stays(text: str) -> None:
    assert not applies("repeated", text, text)


def test_more_than_half_must_repeat() -> None:
    assert applies("repeated", QUESTION, SENTENCE * 5 + PLAIN[:30])
    assert not applies("repeated", QUESTION, SENTENCE * 5 + PLAIN[:40])


@given(st.text("咳嗽发热怎么办abc，。", min_size=20, max_size=40), st.integers(4, 50))
def test_any_text_said_four_times_or_more_is_a_loop(text: str, times: int) -> None:
    text = f"头{text}尾"
    assert applies("repeated", QUESTION, text * times) == (
        len("".join(filter(str.isalnum, text * times)).encode()) >= 48
    )


@given(st.permutations(PLAIN))
def test_characters_in_any_order_are_no_loop(order: list[str]) -> None:
    assert not applies("repeated", QUESTION, "".join(order))
