"""Lost, private and wrongly decoded characters are found; names, signs and emoji of all languages are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data_prep.cleaning.judged import ANSWER, QUESTION, applies

CHINESE = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF, exclude_characters="锛銆鈥烫屯锟"))


def misread(text: str, written: str, read: str) -> str:
    return text.encode(written).decode(read, "replace").replace("\ufffd", "")


@pytest.mark.parametrize(
    "text",
    [
        "口眼\ue81f斜",
        "\uf06e 多喝水",
        "\U000f0001",
        "\U0010fffd",
        "多喝\ufffd水",
        "\ufffc图",
        "\ufffe",
        "\uffff",
        "\x00",
        "$\x0crac{1}{2}$",
        "\x0b",
        "\x1b[0m",
        "\x7f",
        "\x85",
        "锟斤拷锟斤拷",
        "烫烫烫烫",
        "屯屯屯",
        misread("多喝水，多休息。好吗？是的，", "utf-8", "gbk"),
        misread("多喝水，休息", "utf-8", "latin-1"),
        misread("中文信息", "utf-8", "cp1252"),
        misread("37°以上，für", "utf-8", "latin-1"),
        misread("“好”", "utf-8", "cp1252"),
        misread("多喝温水", "gbk", "latin-1"),
    ],
)
def test_what_nobody_wrote_is_found_in_question_and_answer(text: str) -> None:
    assert applies("broken_characters", QUESTION, text)
    assert applies("broken_characters", text, ANSWER)


@pytest.mark.parametrize(
    "text",
    [
        "一行\n二行\r\n\t三行",
        "Déjà vu、Müller、São Paulo、Ångström、naïve、Ærø",
        "dào qiàn、xiè zuì",
        "×÷±°",
        "37.5°，±0.2，3×2，½，µg，§3，«好»",
        "😍💪🏽👨‍👩‍👧 ❤️",
        "α-干扰素、β受体、Ⅲ期、①②③、㎎、½",
        "𠮷野家、㖞斜、䗪虫",
        "商\u200b品",
        "\ufeff多喝水",
        "锛是化学元素吗",
        "全角ＡＢＣ，！？",
        "Приём、γιατρός、ありがとう、감사",
    ],
)
def test_what_people_write_stays(text: str) -> None:
    assert not applies("broken_characters", text, text)


@given(CHINESE, CHINESE, st.sampled_from(["café：", "Müller", "3×2cm", "±0.5°"]))
def test_harmless_text_breaks_no_row(before: str, after: str, sound: str) -> None:
    assert not applies("broken_characters", QUESTION, f"{before}{sound}{after}")


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from("\ufffd\ue000\x00\x9f"))
def test_nothing_hides_a_broken_character(text: str, broken: str) -> None:
    assert applies("broken_characters", QUESTION, f"{text}{broken}{text}")
