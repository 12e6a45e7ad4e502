"""What `--model_args` may say of an endpoint."""

from typing import Any

import pytest

from openbook_eval.errors import OpenbookError
from openbook_eval.models.endpoints import endpoints, read_settings

SECRET = "sk-secret"  # noqa: S105
HERE = {"base_url": "http://127.0.0.1:8000/v1", "model": "m"}


def test_an_address_may_be_given_with_or_without_its_end_and_names_who_answers() -> None:
    assert set(endpoints()) == {"glm-4", "gpt-3.5-turbo", "gpt-4", "qwen-max", "deepseek"}
    for ending in ("", "/", "/chat/completions", "/chat/completions/"):
        settings = read_settings({**HERE, "base_url": f"http://127.0.0.1:8000/v1{ending}"})
        assert settings.base_url == "http://127.0.0.1:8000/v1"
        assert settings.identity == {"model": "m", "host": "127.0.0.1"}


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
def test_prices_of_a_profile_are_not_those_of_another_model_or_place(other: dict[str, str]) -> None:
    settings = read_settings({"profile": "deepseek", **other})
    assert (settings.prices, settings.price_source) == ({}, None)
    assert read_settings({"profile": "deepseek", **other, "price_in": 1, "price_out": 2}).prices


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        *[(some, r"give profile= \(glm-4, .*\) or both base_url= and model=$") for some in ({}, {"model": "m"})],
        ({"profile": "deepsek"}, "there is no such profile; did you mean 'deepseek'"),
        ({**HERE, "nun_concurrent": 3}, "unknown key 'nun_concurrent'; did you mean 'num_concurrent'"),
        ({**HERE, "num_concurrent": 0}, "num_concurrent: .*greater than or equal to 1"),
        ({**HERE, "max_cost": 1}, "the prices of m are not known; give price_in= and price_out="),
        ({**HERE, "base_url": "127.0.0.1:8000/v1"}, "must be an address such as"),
        *[({**HERE, "base_url": f"http://me:{SECRET}@127.0.0.1/v1"}, "without user, password or query")],
        *[({**HERE, name: SECRET}, "a key does not belong there") for name in ("api_key", "header", "password")],
        *[
            ({**HERE, "key_variable": value}, "must be the name of a variable in capitals, not the key itself$")
            for value in (SECRET, SECRET.replace("-", "_"))
        ],
    ],
)
def test_a_faulty_setting_is_told_in_one_line_without_repeating_a_key(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(OpenbookError, match=message) as caught:
        read_settings(arguments)
    assert not [part for part in ("\n", SECRET, "sk_secret") if part in str(caught.value)]
