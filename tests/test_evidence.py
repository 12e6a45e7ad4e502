"""Which options a text holds."""

import pytest

from openbook_eval.evidence import options_held, plain


def test_blanks_case_and_width_make_no_difference() -> None:
    assert plain(" ＤＮＡ　聚合 酶\n") == "dna聚合酶"


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("肝硬化", "B"),
        ("肝和肝硬化", "AB"),
        ("肾", ""),
    ],
)
def test_an_option_inside_a_longer_one_is_held_only_where_it_stands_apart(text: str, held: str) -> None:
    assert options_held(text, {"A": "肝", "B": "肝硬化"}) == held


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("每分钟16次", "A"),
        ("每分钟160次", ""),
        ("2016年", ""),
        ("1.16", ""),
        ("16.5", ""),
        ("为16。", "A"),
        ("160或16", "A"),
    ],
)
def test_a_number_is_not_held_inside_another_number(text: str, held: str) -> None:
    assert options_held(text, {"A": "16", "B": "17"}) == held


def test_options_of_one_text_hold_together() -> None:
    assert options_held("肝", {"A": "肝", "B": "肝", "C": "肾"}) == "AB"
