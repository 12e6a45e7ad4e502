"""Numbers and names that lead to a person are found; doses, dates, codes and hotlines are not.

All numbers are made up: those of cards are test numbers of their issuers or made to fit the check digit.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data_prep.cleaning.judged import ANSWER, QUESTION, applies

FIRST_17 = "11010519491231002"
PERSONAL = [
    "请打13912345678",
    "电话：+86 139 1234 5678。",
    "手机8613912345678",
    "139-1234-5678",
    "微信同号13912345678，",
    "身份证11010519491231002X",
    "身份证11010519491231002x",
    "440524188001010014",
    "卡号6222020200112233446",
    "4111 1111 1111 1111",
    "5500-0000-0000-0004",
    "378282246310005",
    "写信给zhang.san@163.com咨询",
    "mail: a_b+c@mail.edu.cn",
    "QQ：123456789",
    "加qq群 12345678",
    "扣扣号是12345678",
    "微信：zhang123",
    "微信号zhangsan",
    "加微信号：zhang_san",
    "VX:abc-12345",
    "WeChat ID: zhangsan",
]
HARMLESS = [
    "国药准字H20013456，国药准字Z20026789",
    "国药准字B13912345678",
    "批号 20210705123，2021-07-05 12:30",
    "拨打120、110、12320 或 400-032-2310、4000322310",
    "010-12345678",
    "每次0.25g，每日3次，共1500000000单位",
    "白细胞 13.912345678×10^9/L，0.13912345678",
    "ICD-10 编码 J18.900x001",
    "圆周率 3.14159265358979，50.07692307692308",
    "2的34次方是17179869184个",
    "最多 15000000000。",
    "QQ 100000人在线",
    "收入 15000000000 元，13912345678元",
    "二进制 11000000111001，0010111000000000",
    "12707、139123456789、1391234567",
    "https://a.cn/photo-1574643147860-3bb18d6fe2f0?id=13912345678",
    "11010519491231002Y，110105194912310020，110105194913310021",
    "4111 1111 1111 1112",
    "1234 5678 9012 3456",
    "name@example.com、a@mail.example.org",
    "@keyframes x, S@mple, 用户@张三, a @ b",
    "QQ、微信的文件传输助手",
    "QQ2013 版，QQ 用户 100000人",
    "微信公众号“健康”，微信：WeChat，微信支付 123456",
    "加VC促进吸收，加V后",
    "1 2 3 4 5 6 7 8 9 10 11 12 13 14",
]


@pytest.mark.parametrize("text", PERSONAL)
def test_what_leads_to_a_person_is_found_in_question_and_answer(text: str) -> None:
    assert applies("personal", QUESTION, text)
    assert applies("personal", text, ANSWER)


@pytest.mark.parametrize("text", HARMLESS)
def test_other_numbers_and_names_stay(text: str) -> None:
    assert not applies("personal", text, text)


def test_one_check_digit_of_eleven_fits_an_identity_number() -> None:
    assert [digit for digit in "0123456789X" if applies("personal", QUESTION, FIRST_17 + digit)] == ["X"]


def test_one_check_digit_of_ten_fits_a_card() -> None:
    assert [digit for digit in "0123456789" if applies("personal", QUESTION, "411111111111111" + digit)] == ["1"]


@given(st.text("咳嗽，。：（）", max_size=9), st.text("咳嗽，。：（）", max_size=9), st.sampled_from(PERSONAL))
def test_chinese_around_it_hides_nothing(before: str, after: str, personal: str) -> None:
    assert applies("personal", QUESTION, f"{before}\n{personal}\n{after}")


@given(st.text(st.characters(exclude_characters="0123456789@", exclude_categories=["Cs"])))
def test_without_digits_and_signs_only_an_account_leads_to_a_person(text: str) -> None:
    assert not applies(
        "personal", QUESTION, text.replace("信", "").replace("hat", "").replace("X", "").replace("x", "")
    )
