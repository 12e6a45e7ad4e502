"""What `--model_args` may say of an endpoint."""

from typing import Any

import pytest

from openbook_eval.errors import OpenbookError
from openbook_eval.models.endpoints import endpoints, read_settings

HERE = {"base_url": "http://127.0.0.1:8000/v1", "model": "m"}


def test_the_papers_general_models_have_profiles() -> None:
    assert set(endpoints()) == {"glm-4", "gpt-3.5-turbo", "gpt-4", "qwen-max", "deepseek"}


@pytest.mark.parametrize("name", list(endpoints()))
def test_every_profile_is_whole_and_its_prices_have_date_and_source(name: str) -> None:
    settings = read_settings({"profile": name})
    assert settings.base_url.startswith("https://")
    assert settings.needs_key
    prices = (settings.price_in, settings.price_out, settings.price_date, settings.price_source)
    assert all(value is not None for value in prices) or not any(value is not None for value in prices)


def test_arguments_stand_over_the_profile() -> None:
    settings = read_settings({"profile": "deepseek", "num_concurrent": 3, "max_cost": 2, "batch_size": 1})
    assert (settings.model, settings.num_concurrent, settings.max_cost) == ("deepseek-chat", 3, 2.0)


@pytest.mark.parametrize("other", [{"model": "deepseek-reasoner"}, {"base_url": "https://example.com/v1"}])
def test_prices_and_context_of_a_profile_are_not_those_of_another_model_or_place(other: dict[str, str]) -> None:
    settings = read_settings({"profile": "deepseek", **other})
    assert (settings.priced, settings.price_source, settings.context) == (False, None, None)
    assert read_settings({"profile": "deepseek", **other, "price_in": 1, "price_out": 2}).priced


@pytest.mark.parametrize("ending", ["", "/", "/chat/completions", "/chat/completions/"])
def test_an_address_may_be_given_with_or_without_its_end(ending: str) -> None:
    assert (
        read_settings({**HERE, "base_url": f"http://127.0.0.1:8000/v1{ending}"}).base_url == "http://127.0.0.1:8000/v1"
    )


def test_who_answers_is_model_and_host_whatever_the_port() -> None:
    assert read_settings(HERE).identity == {"model": "m", "host": "127.0.0.1"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "base_url is missing; give profile="),
        ({"base_url": "http://127.0.0.1/v1"}, "model is missing"),
        ({"profile": "deepsek"}, "there is no such profile; did you mean 'deepseek'"),
        ({**HERE, "nun_concurrent": 3}, "unknown key 'nun_concurrent'; did you mean 'num_concurrent'"),
        ({**HERE, "num_concurrent": 0}, "num_concurrent: .*greater than or equal to 1"),
        ({**HERE, "max_cost": 1}, "the prices of m are not known; give price_in= and price_out="),
        ({**HERE, "base_url": "127.0.0.1:8000/v1"}, "must be an address such as"),
    ],
)
def test_a_faulty_setting_is_told_in_one_line(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(OpenbookError, match=message) as caught:
        read_settings(arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["api_key", "auth_token", "header", "password"])
def test_a_key_among_the_arguments_is_refused_and_not_repeated(name: str) -> None:
    with pytest.raises(OpenbookError, match="a key does not belong there") as caught:
        read_settings({**HERE, name: "sk-secret"})
    assert "sk-secret" not in str(caught.value)


@pytest.mark.parametrize("value", ["sk-secret", "sk_secret", 7])
def test_a_key_given_for_its_variable_is_not_repeated(value: object) -> None:
    with pytest.raises(OpenbookError, match=r"must be the name of a variable in capitals, not the key itself$"):
        read_settings({**HERE, "key_variable": value})


def test_an_address_with_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(OpenbookError, match="without user, password or query") as caught:
        read_settings({**HERE, "base_url": "http://me:hunter2@127.0.0.1/v1"})
    assert "hunter2" not in str(caught.value)
