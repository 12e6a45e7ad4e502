"""Tokens and money: estimated, counted, held to a limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.models.chat_api import Budget
from openbook_eval.models.endpoints import Settings, read_settings
from openbook_eval.models.replies import Reply, Request, Usage, estimated_tokens, plan_lines


def settings(**changes: object) -> Settings:
    return read_settings({"base_url": "http://127.0.0.1:1/v1", "model": "m", **changes})


def request(prompt: int = 100, completion: int = 50, key: str = "k") -> Request:
    return Request(key, {}, Usage(prompt, completion))


@pytest.mark.parametrize(
    ("text", "per_character", "tokens"),
    [("", 1.0, 8), ("肺泡表面", 1.0, 12), ("肺泡表面", 0.5, 10), ("abcdefgh", 1.0, 10), ("肺泡ab", 1.25, 11)],
)
def test_a_chinese_character_takes_what_is_set_and_a_latin_one_a_quarter(
    text: str, per_character: float, tokens: int
) -> None:
    assert estimated_tokens(text, per_character) == tokens


@given(st.text(), st.text())
def test_more_text_never_takes_fewer_tokens(first: str, second: str) -> None:
    assert estimated_tokens(first + second, 0.65) >= estimated_tokens(first, 0.65)


def test_a_cost_is_of_a_million_tokens() -> None:
    assert Usage(2_000_000, 500_000).cost(settings(price_in=3, price_out=8)) == 10.0
    assert Usage(2_000_000, 500_000).cost(settings()) == 0.0


def test_what_is_not_counted_is_estimated() -> None:
    assert Reply(content="A", finish="stop", prompt_tokens=7, completion_tokens=2).usage(Usage(9, 50)) == Usage(7, 2)
    assert Reply(content="肺泡", finish="stop").usage(Usage(9, 50)) == Usage(9, 10)


@pytest.mark.parametrize(
    ("limit", "let_go"),
    [({"max_tokens_total": 150}, 1), ({"max_tokens_total": 149}, 0), ({"max_tokens_total": 300}, 2), ({}, 5)],
)
def test_a_request_goes_only_where_its_longest_answer_fits(limit: dict[str, int], let_go: int) -> None:
    budget = Budget(settings(**limit))
    assert sum(budget.take(request()) for _ in range(5)) == let_go


def test_money_limits_as_tokens_do() -> None:
    # 100 tokens in and 50 out are 0.0001 + 0.0001.
    budget = Budget(settings(price_in=1, price_out=2, max_cost=0.0004))
    assert [budget.take(request()) for _ in range(3)] == [True, True, False]


def test_a_short_answer_leaves_room_for_the_next() -> None:
    budget = Budget(settings(max_tokens_total=260))
    assert budget.take(request())
    assert not budget.take(request())
    budget.settle(request(), Usage(100, 1))
    assert budget.take(request())
    assert budget.spent == Usage(100, 1)


def test_what_was_kept_before_counts() -> None:
    budget = Budget(settings(max_tokens_total=200))
    budget.add(request(), Usage(60, 0))
    assert not budget.take(request())


def test_the_ratio_that_counts_have_shown_holds_for_the_next() -> None:
    budget = Budget(settings(max_tokens_total=450))
    assert budget.take(request())
    budget.settle(request(), Usage(200, 1))
    # 201 spent; the next prompt will take 200 as well.
    assert not budget.take(request())


@given(
    limit=st.integers(1, 2000),
    work=st.lists(st.tuples(st.integers(1, 300), st.integers(1, 100), st.integers(0, 100)), max_size=30),
)
def test_no_limit_is_exceeded_where_prompts_are_estimated_right(limit: int, work: list[tuple[int, int, int]]) -> None:
    budget = Budget(settings(max_tokens_total=limit))
    going = [(one, answer) for prompt, most, answer in work if budget.take(one := request(prompt, most))]
    for one, answer in going:
        budget.settle(one, Usage(one.expected.prompt, min(answer, one.expected.completion)))
    assert budget.spent.tokens <= limit
    assert budget.under_way == Usage()


# The plan


def test_a_plan_tells_requests_tokens_and_cost() -> None:
    found = plan_lines([request(key=str(number)) for number in range(1000)], {}, settings(price_in=10, price_out=100))
    assert found == [
        "1,000 requests to m at 127.0.0.1",
        "about 100,000 tokens in and 8,000 out, 50,000 out at most",
        "about 1.80 USD, 6.00 at most (prices given)",
    ]


def test_a_plan_learns_from_what_is_kept_and_says_where_prices_are_unknown() -> None:
    reply = Reply(content="A", finish="stop", prompt_tokens=150, completion_tokens=3)
    assert plan_lines([request(key="old"), request(key="new")], {"old": reply}, settings()) == [
        "1 requests to m at 127.0.0.1, 1 answers are kept from before",
        "about 150 tokens in and 3 out, 50 out at most",
        "cost unknown; give price_in= and price_out= (USD per million tokens)",
    ]


def test_a_plan_names_date_and_source_of_a_profiles_prices() -> None:
    found = plan_lines([request()], {}, read_settings({"profile": "deepseek"}))
    assert "prices of 2025-02-08, api-docs.deepseek.com" in found[2]


def test_thinking_is_expected_as_long_as_its_budget() -> None:
    assert "and 508 out" in plan_lines([request(completion=600)], {}, settings(thinking_budget=500))[1]
